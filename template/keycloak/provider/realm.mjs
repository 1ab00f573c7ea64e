import { readFileSync } from "node:fs";

import { UserError } from "./environment.mjs";

/**
 * Read Keycloak's realm file and fill in its `${NAME}` placeholders, as Keycloak's import does.
 *
 * @param {string} file path of realm.json
 * @param {Record<string, string>} placeholders values by name
 * @returns the realm representation, see Keycloak's Admin REST API, RealmRepresentation
 * @throws {UserError} when the file is not JSON, or names a placeholder or a scope that is not there
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
