import { readFileSync } from "node:fs";
import { join } from "node:path";

import { LOGIN } from "./configuration.mjs";
import { errors } from "./library.mjs";
import { PAGE_HEADERS, STYLE_PATH, errorPage, loginPage } from "./pages.mjs";
import { authenticate } from "./realm.mjs";

const FORM_LIMIT = 64 * 1024;
const STYLE = readFileSync(join(import.meta.dirname, "login.css"), "utf8");

/**
 * Koa middleware that serves the login page, below the issuer's path.
 *
 * @param provider the oidc-provider that the login belongs to
 * @param realm the realm with its users
 * @param {string} mount the issuer's path
 */
export function login(provider, realm, mount) {
  return async (ctx, next) => {
    if (ctx.path === STYLE_PATH) {
      ctx.type = "css";
      ctx.body = STYLE;
      return;
    }
    if (!ctx.path.startsWith(`${LOGIN}/`)) return next();
    ctx.set(PAGE_HEADERS);
    ctx.type = "html";
    try {
      await provider.interactionDetails(ctx.req, ctx.res);
    } catch (error) {
      if (!(error instanceof errors.SessionNotFound)) throw error;
      ctx.status = 400;
      ctx.body = errorPage(
        "This login is over. Go back to the application and sign in again.",
        mount,
      );
      return;
    }
    if (ctx.method !== "POST") {
      ctx.body = loginPage({ mount, realm: realm.realm });
      return;
    }
    const form = await readForm(ctx.req);
    const username = form.get("username") ?? "";
    const user = authenticate(realm, username, form.get("password") ?? "");
    if (!user) {
      // Keycloak answers a wrong password with 200 and the page as well.
      ctx.body = loginPage({
        mount,
        realm: realm.realm,
        username,
        error: "Invalid username or password.",
      });
      return;
    }
    ctx.redirect(
      await provider.interactionResult(ctx.req, ctx.res, { login: { accountId: user.id } }),
    );
    ctx.status = 303;
  };
}

/**
 * Read a posted form.
 *
 * @param {import("node:http").IncomingMessage} request with a body of application/x-www-form-urlencoded
 * @returns {Promise<URLSearchParams>}
 */
export async function readForm(request) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > FORM_LIMIT) break;
  }
  return new URLSearchParams(body);
}
