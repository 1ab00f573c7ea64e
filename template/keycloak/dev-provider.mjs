/**
 * The identity provider of development without Docker: the same realm, users, clients, claims and paths as Keycloak,
 * served by the certified library oidc-provider. Never for production: it compares passwords in clear text.
 *
 * Environment:
 *   ENV                          must be `development` or `test`
 *   OIDC_ISSUER                  where it listens, e.g. http://localhost:8080/realms/acme; the last part names the realm
 *   FRONTEND_URL                 the page's address, e.g. http://localhost:5173
 *   API_PREFIX                   path of the API below the page's address, e.g. /api/v1
 *   OIDC_BACKEND_CLIENT_SECRET   secret of the client `backend`
 *   PROVIDER_STATE               folder for keys and sessions; default ../.dev/provider
 *
 * Signals: SIGTERM and SIGINT stop it, and sessions are kept for the next start; SIGHUP gives it a new signing key.
 */
import { createServer } from "node:http";
import { join } from "node:path";

import { Provider, configure } from "./provider/configuration.mjs";
import { login, logout, userinfo } from "./provider/endpoints.mjs";
import { UserError, readRealm } from "./provider/realm.mjs";
import { SessionStore, readKeys, rotateKeys } from "./provider/state.mjs";

const here = import.meta.dirname;
const ALLOWED = ["development", "test"];

async function main() {
  const environment = readEnvironment(process.env, join(here, "..", ".dev", "provider"));
  const realm = readRealm(join(here, "realm.json"), environment.placeholders);
  const keysFile = join(environment.state, "keys.json");
  const store = new SessionStore(join(environment.state, "sessions.json"));
  const server = await startServer({ environment, realm, store, keys: readKeys(keysFile) });

  process.on("SIGHUP", async () => {
    const keys = rotateKeys(keysFile);
    await server.replaceKeys(keys);
    console.log(
      `Signing with the new key ${keys.jwks.keys[0].kid}; the one before still verifies.`,
    );
  });
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      store.save();
      server.stop();
      process.exit(0);
    });
  }
  console.log(`Ready: ${environment.issuer} (realm.json, ${realm.users.length} users)`);
}

/**
 * Read what the provider needs from environment variables.
 *
 * @param {Record<string, string | undefined>} env usually process.env
 * @param {string} defaultState folder for keys and sessions when PROVIDER_STATE is not set
 * @returns {{issuer: string, host: string, port: number, state: string, placeholders: Record<string, string>}}
 * @throws {UserError} when the environment is not a development one, or a value is missing or malformed
 */
function readEnvironment(env, defaultState) {
  if (!ALLOWED.includes(env.ENV)) {
    throw new UserError(
      `This identity provider is for development only: ENV is "${env.ENV ?? ""}", and it starts with ENV=development or ` +
        "ENV=test alone. Elsewhere use Keycloak with the same realm.json.",
    );
  }
  const issuer = required(env, "OIDC_ISSUER", "http://localhost:8080/realms/acme");
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const realm = url?.pathname.match(/^\/realms\/([^/]+)$/)?.[1];
  if (!realm || url.protocol !== "http:") {
    throw new UserError(
      `OIDC_ISSUER is "${issuer}"; it must look like http://localhost:8080/realms/acme.`,
    );
  }
  return {
    issuer,
    host: env.PROVIDER_HOST || "127.0.0.1",
    port: Number(url.port || 80),
    state: env.PROVIDER_STATE || defaultState,
    placeholders: {
      REALM: realm,
      FRONTEND_URL: required(env, "FRONTEND_URL", "http://localhost:5173"),
      API_PREFIX: required(env, "API_PREFIX", "/api/v1"),
      OIDC_BACKEND_CLIENT_SECRET: required(
        env,
        "OIDC_BACKEND_CLIENT_SECRET",
        "backend-development",
      ),
    },
  };
}

function required(env, name, example) {
  if (!env[name]) throw new UserError(`${name} is not set. Example: ${name}=${example}`);
  return env[name];
}

/**
 * Start the provider.
 *
 * @param {{environment: object, realm: object, store: object, keys: object}} parts see the functions that read them
 * @returns {Promise<{stop: () => void, replaceKeys: (keys: object) => Promise<void>}>} once it accepts connections
 * @throws {UserError} when the port is taken
 */
async function startServer({ environment, realm, store, keys }) {
  const { issuer, host, port } = environment;
  const mount = new URL(issuer).pathname;
  let handle = handler(issuer, mount, realm, store, keys);
  const server = createServer((request, response) => {
    if (!request.url.startsWith(`${mount}/`)) {
      response
        .writeHead(404, { "Content-Type": "text/plain" })
        .end(`Not found. The issuer is ${issuer}\n`);
      return;
    }
    request.originalUrl = request.url;
    request.url = request.url.slice(mount.length);
    handle(request, response);
  });
  await listen(server, host, port);
  return {
    stop() {
      server.close();
      server.closeAllConnections();
    },
    async replaceKeys(next) {
      handle = handler(issuer, mount, realm, store, next);
    },
  };
}

function handler(issuer, mount, realm, store, keys) {
  const provider = new Provider(issuer, configure(realm, keys, store.adapter, mount));
  provider.on("server_error", (ctx, error) => console.error(error));
  provider.use(login(provider, realm, mount));
  provider.use(logout(provider, mount));
  provider.use(userinfo(provider, realm, keys.jwks));
  return provider.callback();
}

function listen(server, host, port) {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const taken = `Port ${port} on ${host} is taken. Set KEYCLOAK_PORT, or stop the process that has it.`;
      reject(error.code === "EADDRINUSE" ? new UserError(taken) : error);
    });
    server.listen(port, host, resolve);
  });
}

main().catch((error) => {
  console.error(error instanceof UserError ? error.message : error);
  process.exit(1);
});
