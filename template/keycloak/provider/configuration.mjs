import {
  findClient,
  findUser,
  isPermitted,
  knownScopes,
  mappedClaims,
  requestedScopes,
} from "./realm.mjs";
import { errorPage } from "./pages.mjs";

/**
 * oidc-provider, imported without its notice about Node.js 20. The library asks for the newest long-term release; this
 * project's tests show that it works from 20.19 on. Everything else that it says stays visible.
 */
const warn = console.warn;
console.warn = (...message) => {
  if (!String(message[0]).includes("Unsupported runtime")) warn(...message);
};
const library = await import("oidc-provider");
console.warn = warn;

export const { Provider, errors } = library;

const PATH = "/protocol/openid-connect";
export const ROUTES = {
  authorization: `${PATH}/auth`,
  token: `${PATH}/token`,
  jwks: `${PATH}/certs`,
  end_session: `${PATH}/logout`,
  userinfo: `${PATH}/userinfo`,
  revocation: `${PATH}/revoke`,
};
/** Below the issuer, as Keycloak's login page is. */
export const LOGIN = "/login-actions/authenticate";

/**
 * The configuration of oidc-provider that makes it answer as Keycloak would with this realm.
 *
 * @param realm the realm, see readRealm
 * @param {{jwks: object, cookies: string[]}} keys see readKeys
 * @param adapter see SessionStore
 * @param {string} mount the issuer's path
 */
export function configure(realm, keys, adapter, mount) {
  return {
    adapter,
    jwks: keys.jwks,
    cookies: {
      keys: keys.cookies,
      names: { session: "session", interaction: "login", resume: "resume" },
    },
    clients: realm.clients.map(clientMetadata),
    routes: ROUTES,
    scopes: knownScopes(realm),
    claims: claimsByScope(realm),
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true, allowedPolicy: ownTokensOnly },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: async (ctx, client) => applyScopes(realm, ctx, client),
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({
          scope: knownScopes(realm).join(" "),
          audience: RESOURCE,
          accessTokenFormat: "jwt",
          accessTokenTTL: realm.accessTokenLifespan,
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
    formats: { customizers: { jwt: (ctx, token, parts) => imitateKeycloak(realm, token, parts) } },
    findAccount: async (ctx, id, token) => account(realm, ctx, id, token),
    loadExistingGrant: async (ctx) => grantPermitted(realm, ctx),
    interactions: {
      policy: loginOnly(),
      url: async (ctx, interaction) => `${mount}${LOGIN}/${interaction.uid}`,
    },
    pkce: { required: () => true },
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
    expiresWithSession: async () => true,
    rotateRefreshToken: () => realm.revokeRefreshToken,
    clientBasedCORS: (ctx, origin, client) =>
      findClient(realm, client.clientId).webOrigins.includes(origin),
    renderError: async (ctx, out) => {
      ctx.type = "html";
      ctx.body = errorPage(out.error_description || out.error);
    },
    ttl: {
      AccessToken: realm.accessTokenLifespan,
      AuthorizationCode: realm.accessCodeLifespan,
      Interaction: realm.accessCodeLifespanLogin,
      IdToken: realm.accessTokenLifespan,
      RefreshToken: realm.ssoSessionIdleTimeout,
      Session: realm.ssoSessionIdleTimeout,
      Grant: realm.ssoSessionMaxLifespan,
    },
  };
}

function clientMetadata(client) {
  const postLogout = client.attributes["post.logout.redirect.uris"];
  return {
    client_id: client.clientId,
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: postLogout ? postLogout.split("##") : [],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    ...(client.publicClient
      ? { token_endpoint_auth_method: "none" }
      : { token_endpoint_auth_method: "client_secret_basic", client_secret: client.secret }),
  };
}

/** Which claims an ID token carries by scope: whatever the scope's mappers name; those of a scope that is not shown, always. */
function claimsByScope(realm) {
  const shown = new Set(knownScopes(realm));
  const named = ({ protocolMappers = [] }) =>
    protocolMappers.map(({ config }) => config["claim.name"] ?? "name");
  const always = realm.clientScopes.filter(({ name }) => !shown.has(name)).flatMap(named);
  const byScope = realm.clientScopes.filter(({ name }) => shown.has(name));
  return {
    ...Object.fromEntries(byScope.map((scope) => [scope.name, named(scope)])),
    openid: ["sub", "sid", "typ", "azp", ...always],
  };
}

/** Keycloak applies a client's default scopes to every request, and refuses a scope that the client does not have. */
function applyScopes(realm, ctx, client) {
  if (ctx.oidc.route === "authorization") {
    const { scopes, unknown } = requestedScopes(
      realm,
      findClient(realm, client.clientId),
      ctx.oidc.params.scope,
    );
    if (unknown.length)
      throw new errors.InvalidScope(`Invalid scopes: ${ctx.oidc.params.scope}`, unknown.join(" "));
    ctx.oidc.params.scope = scopes.join(" ");
  }
  return RESOURCE;
}

/** Keycloak refuses, with these words, a client that revokes another's token (RFC 7009, section 2.1). */
function ownTokensOnly(ctx, client, token) {
  if (token.clientId !== client.clientId) throw new errors.InvalidRequest("Unmatching clients");
  return true;
}

/** No consent page for first-party clients: the login page is the only one. */
function loginOnly() {
  const policy = library.interactionPolicy.base();
  policy.remove("consent");
  return policy;
}

/** oidc-provider issues JWT access tokens for a resource, named by a URI; the token's `aud` comes from the realm's mapper. */
const RESOURCE = "urn:api";

/** Grant what was asked for and what the user's roles permit; the rest is left out of the token without an error. */
async function grantPermitted(realm, ctx) {
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
function account(realm, ctx, id, token) {
  const user = findUser(realm, id);
  if (!user?.enabled) return undefined;
  const claims = async (use, scope) => ({
    ...(use === "id_token" && { typ: "ID", azp: ctx.oidc.client.clientId }),
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
function imitateKeycloak(realm, token, parts) {
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
