import { readFileSync } from "node:fs";

/** What a person can put right: shown as one line, without a stack. */
export class UserError extends Error {}

/**
 * Read Keycloak's realm file and fill in its `${NAME}` placeholders, as Keycloak's import does.
 *
 * @param {string} file path of realm.json
 * @param {Record<string, string>} placeholders values by name
 * @returns the realm representation, see Keycloak's Admin REST API, RealmRepresentation
 * @throws {UserError} when the file is not JSON, or names a placeholder, a scope or a mapper that is not there
 */
export function readRealm(file, placeholders) {
  let realm;
  try {
    realm = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UserError(`${file} is not a readable JSON file: ${error.message}`);
  }
  const fill = (value) => {
    if (typeof value === "string") {
      return value.replace(/\$\{([A-Z_]+)\}/g, (whole, name) => {
        if (name in placeholders) return placeholders[name];
        throw new UserError(
          `${file} contains ${whole}, for which the development provider has no value.`,
        );
      });
    }
    if (Array.isArray(value)) return value.map(fill);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item)]));
    }
    return value;
  };
  const filled = fill(realm);
  check(filled, file);
  checkMappers(filled);
  return filled;
}

/** Scopes are referred to by name throughout the file; a misspelt one would be lost in silence. */
function check(realm, file) {
  const known = new Set(realm.clientScopes.map((scope) => scope.name));
  for (const client of realm.clients) {
    for (const name of [...client.defaultClientScopes, ...client.optionalClientScopes]) {
      if (!known.has(name)) {
        throw new UserError(
          `${file}: client ${client.clientId} names the scope ${name}, which is not in clientScopes.`,
        );
      }
    }
  }
}

/** The client with this id, or undefined. */
export function findClient(realm, clientId) {
  return realm.clients.find((client) => client.clientId === clientId);
}

/** The user with this id, or undefined. */
export function findUser(realm, id) {
  return realm.users.find((user) => user.id === id);
}

/**
 * The user whom a login names, by username or email, if the password is right and the account enabled.
 *
 * Only plain passwords can be compared (`credentials[].value`); a realm exported from a server holds hashes.
 */
export function authenticate(realm, login, password) {
  const name = login.trim().toLowerCase();
  const user = realm.users.find((candidate) =>
    [candidate.username, candidate.email].includes(name),
  );
  const credential = user?.credentials?.find(({ type }) => type === "password");
  return user?.enabled && credential?.value !== undefined && credential.value === password
    ? user
    : undefined;
}

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
function applicableMappers(realm, client, granted) {
  const names = new Set([...client.defaultClientScopes, ...granted]);
  return realm.clientScopes
    .filter(({ name }) => names.has(name))
    .flatMap((scope) => scope.protocolMappers ?? []);
}

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
function checkMappers(realm) {
  for (const scope of realm.clientScopes) {
    for (const { name, protocolMapper } of scope.protocolMappers ?? []) {
      if (!(protocolMapper in MAPPERS)) {
        throw new UserError(
          `realm.json: the mapper "${name}" of scope ${scope.name} has the type ${protocolMapper}, which the development ` +
            "provider does not know. Add it to keycloak/provider/realm.mjs.",
        );
      }
    }
  }
}
