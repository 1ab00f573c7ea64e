import { mappedClaims } from "./claims.mjs";
import { findClient, findUser } from "./realm.mjs";
import { isPermitted } from "./scopes.mjs";

/** oidc-provider issues JWT access tokens for a resource, named by a URI; the token's `aud` comes from the realm's mapper. */
export const RESOURCE = "urn:api";

/** Grant what was asked for and what the user's roles permit; the rest is left out of the token without an error. */
export async function grantPermitted(realm, ctx) {
  const { client, account, session, requestParamScopes, provider } = ctx.oidc;
  const id = session.grantIdFor(client.clientId);
  const grant =
    (id && (await provider.Grant.find(id))) ||
    new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  const user = findUser(realm, account.accountId);
  const scopes = [...requestParamScopes]
    .filter((scope) => isPermitted(realm, user, scope))
    .join(" ");
  grant.addOIDCScope(scopes);
  grant.addResourceScope(RESOURCE, scopes);
  await grant.save();
  return grant;
}

/** The account of a session or of a token, or undefined when it is gone or disabled. */
export function account(realm, ctx, id, token) {
  const user = findUser(realm, id);
  if (!user?.enabled) return undefined;
  const claims = async (use, scope) => ({
    ...mappedClaims(
      realm,
      findClient(realm, ctx.oidc.client.clientId),
      user,
      scope.split(" "),
      "id.token",
    ),
    sub: id,
    sid: token?.sessionUid,
  });
  return { accountId: id, claims };
}

/** Give an access token the header and the claims that Keycloak gives it. */
export function imitateKeycloak(realm, token, parts) {
  const { iss, iat, exp, jti, scope } = parts.payload;
  const client = findClient(realm, token.clientId);
  const user = findUser(realm, token.accountId);
  const claims = mappedClaims(realm, client, user, scope.split(" "), "access.token");
  parts.header = { typ: "JWT" };
  parts.payload = {
    exp,
    iat,
    jti,
    iss,
    typ: "Bearer",
    azp: token.clientId,
    sid: token.sessionUid,
    scope,
    ...claims,
  };
}
