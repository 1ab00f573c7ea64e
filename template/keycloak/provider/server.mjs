import { createServer } from "node:http";

import { checkMappers } from "./claims.mjs";
import { configure } from "./configuration.mjs";
import { UserError } from "./environment.mjs";
import { Provider } from "./library.mjs";
import { login } from "./login.mjs";
import { logout } from "./logout.mjs";
import { userinfo } from "./userinfo.mjs";

/**
 * Start the provider.
 *
 * @param {{environment: object, realm: object, store: object, keys: object}} parts see the functions that read them
 * @returns {Promise<{stop: () => void, replaceKeys: (keys: object) => Promise<void>}>} once it accepts connections
 * @throws {UserError} when the port is taken
 */
export async function startServer({ environment, realm, store, keys }) {
  const { issuer, host, port } = environment;
  const mount = new URL(issuer).pathname;
  checkMappers(realm);
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
