import { createPrivateKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** One key signs, the one before it still verifies, as with Keycloak's passive keys. */
const KEPT = 2;

/**
 * Read the provider's keys, or make them at the first start. They are kept so that a restart leaves tokens valid.
 *
 * @param {string} file JSON file; readable by its owner alone
 * @returns {{jwks: {keys: object[]}, cookies: string[]}} private signing keys, newest first, and cookie secrets
 */
export function readKeys(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    // Not there, or cut off by a full disk: new keys cost the developer one login.
    return writeKeys(file, {
      jwks: { keys: [signingKey()] },
      cookies: [randomBytes(32).toString("base64url")],
    });
  }
}

/** Put a new signing key in front of the present one. */
export function rotateKeys(file) {
  const { jwks, cookies } = readKeys(file);
  return writeKeys(file, { jwks: { keys: [signingKey(), ...jwks.keys].slice(0, KEPT) }, cookies });
}

function signingKey() {
  // By way of PEM: Node.js 20 waits for itself for ever if the generated object is exported as a JWK while memory is collected.
  const { privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return {
    ...createPrivateKey(privateKey).export({ format: "jwk" }),
    alg: "RS256",
    use: "sig",
    kid: randomBytes(8).toString("hex"),
  };
}

function writeKeys(file, keys) {
  writePrivate(file, JSON.stringify(keys));
  return keys;
}

/** Write a file that only its owner can read, whole or not at all. */
function writePrivate(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

const SWEEP_MILLISECONDS = 60_000;

/**
 * Sessions, grants, codes and refresh tokens in memory, saved when the provider stops, so that `make dev` after
 * `make dev` finds the developer still logged in. Implements oidc-provider's adapter contract (its example/my_adapter.js).
 */
export class SessionStore {
  #entries = new Map();

  /** @param {string} file where entries are kept between two starts */
  constructor(file) {
    this.file = file;
    try {
      this.#entries = new Map(JSON.parse(readFileSync(file, "utf8")));
    } catch {
      // First start, or the file is damaged: everyone logs in again.
    }
    setInterval(() => this.#sweep(), SWEEP_MILLISECONDS).unref();
  }

  /** Write what has not expired to the file. */
  save() {
    this.#sweep();
    writePrivate(this.file, JSON.stringify([...this.#entries]));
  }

  /** @returns oidc-provider's `adapter`: one view on the store for each model */
  adapter = (model) => ({
    upsert: async (id, payload, expiresIn) => {
      const expires = expiresIn ? Date.now() + expiresIn * 1000 : undefined;
      this.#entries.set(`${model}:${id}`, { payload, expires });
    },
    find: async (id) => this.#get(`${model}:${id}`),
    findByUid: async (uid) => this.#first(model, (payload) => payload.uid === uid),
    findByUserCode: async () => undefined,
    consume: async (id) => {
      this.#get(`${model}:${id}`).consumed = Math.floor(Date.now() / 1000);
    },
    destroy: async (id) => {
      this.#entries.delete(`${model}:${id}`);
    },
    revokeByGrantId: async (grantId) => {
      for (const [key, { payload }] of this.#entries) {
        if (key.startsWith(`${model}:`) && payload.grantId === grantId) this.#entries.delete(key);
      }
    },
  });

  #get(key) {
    const entry = this.#entries.get(key);
    return entry && !isExpired(entry) ? entry.payload : undefined;
  }

  #first(model, matches) {
    for (const [key, entry] of this.#entries) {
      if (key.startsWith(`${model}:`) && !isExpired(entry) && matches(entry.payload))
        return entry.payload;
    }
    return undefined;
  }

  #sweep() {
    for (const [key, entry] of this.#entries) if (isExpired(entry)) this.#entries.delete(key);
  }
}

function isExpired({ expires }) {
  return expires !== undefined && expires <= Date.now();
}
