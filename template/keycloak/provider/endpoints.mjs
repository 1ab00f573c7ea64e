import { createPublicKey, verify } from "node:crypto";

import { LOGIN, ROUTES, errors } from "./configuration.mjs";
import {
  PAGE_HEADERS,
  STYLE,
  STYLE_PATH,
  errorPage,
  loginPage,
  logoutPage,
  signedOutPage,
} from "./pages.mjs";
import { authenticate, findClient, findUser, mappedClaims } from "./realm.mjs";

const FORM_LIMIT = 64 * 1024;

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
async function readForm(request) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > FORM_LIMIT) break;
  }
  return new URLSearchParams(body);
}

/**
 * Koa middleware for OpenID Connect RP-Initiated Logout 1.0, as Keycloak does it: with a valid `id_token_hint` the
 * session ends at once, without one a person is asked. oidc-provider's own page always asks, and needs an inline script.
 */
export function logout(provider, mount) {
  return async (ctx, next) => {
    if (ctx.path !== ROUTES.end_session) return next();
    ctx.set(PAGE_HEADERS);
    ctx.type = "html";
    const form = ctx.method === "POST" ? await readForm(ctx.req) : new URLSearchParams();
    const parameter = (name) => form.get(name) ?? new URLSearchParams(ctx.querystring).get(name);

    const hint = await readHint(provider, parameter("id_token_hint"));
    const client = await provider.Client.find(hint?.aud ?? parameter("client_id") ?? "");
    const target = parameter("post_logout_redirect_uri");
    if (target && !client?.postLogoutRedirectUriAllowed(target)) {
      ctx.status = 400;
      ctx.body = errorPage(
        `Invalid redirect uri: ${target} is not registered for this client.`,
        mount,
      );
      return;
    }
    if (!hint && form.get("confirmed") !== "yes") {
      ctx.body = logoutPage(mount);
      return;
    }
    await endSession(provider, await provider.Session.get(ctx));
    if (hint?.sid) await endSession(provider, await provider.Session.findByUid(hint.sid));
    ctx.cookies.set(provider.cookieName("session"), null, { signed: true });
    if (!target) {
      ctx.body = signedOutPage(mount);
      return;
    }
    const uri = new URL(target);
    if (parameter("state")) uri.searchParams.set("state", parameter("state"));
    ctx.redirect(uri.href);
  };
}

/** The claims of an ID token of ours, expired or not, as section 2 of the specification wants it; else undefined. */
async function readHint(provider, token) {
  try {
    const { aud } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    const { payload } = await provider.IdToken.validate(token, await provider.Client.find(aud));
    return payload;
  } catch {
    return undefined;
  }
}

/** End a session and make its refresh tokens useless. */
async function endSession(provider, session) {
  if (!session?.accountId) return;
  for (const { grantId } of Object.values(session.authorizations ?? {})) {
    await provider.RefreshToken.revokeByGrantId(grantId);
    await provider.AuthorizationCode.revokeByGrantId(grantId);
    await (await provider.Grant.find(grantId))?.destroy();
  }
  await session.destroy();
}

/**
 * Koa middleware for the UserInfo endpoint. Keycloak takes there the same JWT that the API takes; oidc-provider would
 * want a token without an audience.
 */
export function userinfo(provider, realm, jwks) {
  return async (ctx, next) => {
    if (ctx.path !== ROUTES.userinfo || ctx.method === "OPTIONS") return next();
    ctx.vary("Origin");
    const origin = ctx.get("Origin");
    if (realm.clients.some(({ webOrigins }) => webOrigins.includes(origin))) {
      ctx.set("Access-Control-Allow-Origin", origin);
    }
    const claims = readToken(jwks, ctx.get("Authorization").replace(/^Bearer /i, ""));
    const session = claims && (await provider.Session.findByUid(claims.sid));
    const user = session && findUser(realm, claims.sub);
    if (!user) {
      ctx.status = 401;
      ctx.set("WWW-Authenticate", 'Bearer error="invalid_token"');
      ctx.body = { error: "invalid_token", error_description: "Token verification failed" };
      return;
    }
    const client = findClient(realm, claims.azp);
    const granted = claims.scope.split(" ");
    ctx.body = { sub: user.id, ...mappedClaims(realm, client, user, granted, "userinfo.token") };
  };
}

/** The claims of an access token of ours that has not expired, or undefined. */
function readToken(jwks, token) {
  try {
    const [header, payload, signature] = token.split(".");
    const { kid, alg } = JSON.parse(Buffer.from(header, "base64url"));
    const key = jwks.keys.find((candidate) => candidate.kid === kid);
    if (alg !== "RS256" || !key) return undefined;
    const { kty, n, e } = key;
    const genuine = verify(
      "RSA-SHA256",
      Buffer.from(`${header}.${payload}`),
      createPublicKey({ key: { kty, n, e }, format: "jwk" }),
      Buffer.from(signature, "base64url"),
    );
    const claims = JSON.parse(Buffer.from(payload, "base64url"));
    return genuine && claims.exp > Date.now() / 1000 ? claims : undefined;
  } catch {
    return undefined;
  }
}
