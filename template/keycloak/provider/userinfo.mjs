import { createPublicKey, verify } from "node:crypto";

import { ROUTES } from "./configuration.mjs";
import { mappedClaims } from "./claims.mjs";
import { findClient, findUser } from "./realm.mjs";

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
