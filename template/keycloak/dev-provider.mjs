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
import { join } from "node:path";

import { UserError, readEnvironment } from "./provider/environment.mjs";
import { readKeys, rotateKeys } from "./provider/keys.mjs";
import { readRealm } from "./provider/realm.mjs";
import { startServer } from "./provider/server.mjs";
import { SessionStore } from "./provider/store.mjs";

const here = import.meta.dirname;

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

main().catch((error) => {
  console.error(error instanceof UserError ? error.message : error);
  process.exit(1);
});
