/** Whether `openid` or a client scope appears in a token's `scope`. */
function isShown(scope) {
  return scope.attributes?.["include.in.token.scope"] === "true";
}

/** Every scope that a request may name: the realm's, and `openid`, which Keycloak does not list as a client scope. */
export function knownScopes(realm) {
  return ["openid", ...realm.clientScopes.filter(isShown).map(({ name }) => name)];
}

/**
 * What Keycloak makes of the `scope` of an authorization request: the client's default scopes always apply, optional
 * ones when asked for.
 *
 * @returns {{scopes: string[], unknown: string[]}} the effective scopes, and those that this client may not ask for
 */
export function requestedScopes(realm, client, scope = "") {
  const shown = new Set(knownScopes(realm));
  const asked = scope.split(" ").filter(Boolean);
  const allowed = new Set([
    "openid",
    ...client.defaultClientScopes,
    ...client.optionalClientScopes,
  ]);
  const defaults = client.defaultClientScopes.filter((name) => shown.has(name));
  return {
    scopes: [...new Set([...asked.filter((name) => allowed.has(name)), ...defaults])],
    unknown: asked.filter((name) => !allowed.has(name)),
  };
}

/** Whether a user may have a scope: one with role mappings is left out for users without any of these roles. */
export function isPermitted(realm, user, scope) {
  const mapping = (realm.scopeMappings ?? []).find(({ clientScope }) => clientScope === scope);
  return !mapping || mapping.roles.some((role) => (user.realmRoles ?? []).includes(role));
}

/** The protocol mappers that apply to a client's token: those of its default scopes and of the granted optional ones. */
export function applicableMappers(realm, client, granted) {
  const names = new Set([...client.defaultClientScopes, ...granted]);
  return realm.clientScopes
    .filter(({ name }) => names.has(name))
    .flatMap((scope) => scope.protocolMappers ?? []);
}
