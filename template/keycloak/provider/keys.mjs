import { generateKeyPairSync, randomBytes } from "node:crypto";
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
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return {
    ...privateKey.export({ format: "jwk" }),
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
export function writePrivate(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
