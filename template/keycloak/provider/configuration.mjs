import { errors, interactionPolicy } from "./library.mjs";
import { errorPage } from "./pages.mjs";
import { findClient } from "./realm.mjs";
import { knownScopes, requestedScopes } from "./scopes.mjs";
import { RESOURCE, account, grantPermitted, imitateKeycloak } from "./tokens.mjs";

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
    claims: { openid: ["sub", "sid"], ...claimsByScope(realm) },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
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

/** Which claims an ID token carries by scope: whatever the scope's mappers name. */
function claimsByScope(realm) {
  const named = ({ protocolMappers = [] }) =>
    protocolMappers.map(({ config }) => config["claim.name"] ?? "name");
  const shown = realm.clientScopes.filter(({ name }) => ["profile", "email"].includes(name));
  return Object.fromEntries(shown.map((scope) => [scope.name, named(scope)]));
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

/** No consent page for first-party clients: the login page is the only one. */
function loginOnly() {
  const policy = interactionPolicy.base();
  policy.remove("consent");
  return policy;
}
