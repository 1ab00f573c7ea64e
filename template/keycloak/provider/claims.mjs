import { UserError } from "./environment.mjs";
import { applicableMappers } from "./scopes.mjs";

const fullName = (user) => [user.firstName, user.lastName].filter(Boolean).join(" ") || undefined;

/** A user attribute as Keycloak sees it: the built-in ones live beside, not in, `attributes`. */
function attribute(user, name) {
  return ["username", "email", "firstName", "lastName"].includes(name)
    ? user[name]
    : user.attributes?.[name]?.[0];
}

/** Keycloak's protocol mappers that realm.json uses: each returns [claim, value]. */
const MAPPERS = {
  "oidc-sub-mapper": (user) => ["sub", user.id],
  "oidc-full-name-mapper": (user) => ["name", fullName(user)],
  "oidc-usermodel-attribute-mapper": (user, config) => [
    config["claim.name"],
    attribute(user, config["user.attribute"]),
  ],
  "oidc-usermodel-property-mapper": (user, config) => [
    config["claim.name"],
    user[config["user.attribute"]],
  ],
  "oidc-usermodel-realm-role-mapper": (user, config) => [
    config["claim.name"],
    user.realmRoles ?? [],
  ],
  "oidc-audience-mapper": (user, config) => ["aud", config["included.custom.audience"]],
};

/**
 * The claims that the realm's mappers put into a token.
 *
 * @param realm the realm
 * @param client the client that the token is for
 * @param user the user that the token is about
 * @param {string[]} granted the granted scopes
 * @param {"access.token" | "id.token" | "userinfo.token"} kind where the claims go
 * @returns {Record<string, unknown>} without the claims that have no value
 */
export function mappedClaims(realm, client, user, granted, kind) {
  const claims = {};
  for (const { protocolMapper, config } of applicableMappers(realm, client, granted)) {
    if (config[`${kind}.claim`] !== "true") continue;
    const [name, value] = MAPPERS[protocolMapper](user, config);
    // An empty list is left out, as Keycloak leaves it out.
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) claims[name] = value;
  }
  return claims;
}

/** Refuse a realm with a mapper that is not imitated here: its claim would be missing in development only. */
export function checkMappers(realm) {
  for (const scope of realm.clientScopes) {
    for (const { name, protocolMapper } of scope.protocolMappers ?? []) {
      if (!(protocolMapper in MAPPERS)) {
        throw new UserError(
          `realm.json: the mapper "${name}" of scope ${scope.name} has the type ${protocolMapper}, which the development ` +
            "provider does not know. Add it to keycloak/provider/claims.mjs.",
        );
      }
    }
  }
}
