/** What a person can put right: shown as one line, without a stack. */
export class UserError extends Error {}

const ALLOWED = ["development", "test"];

/**
 * Read what the provider needs from environment variables.
 *
 * @param {Record<string, string | undefined>} env usually process.env
 * @param {string} defaultState folder for keys and sessions when PROVIDER_STATE is not set
 * @returns {{issuer: string, host: string, port: number, state: string, placeholders: Record<string, string>}}
 * @throws {UserError} when the environment is not a development one, or a value is missing or malformed
 */
export function readEnvironment(env, defaultState) {
  if (!ALLOWED.includes(env.ENV)) {
    throw new UserError(
      `This identity provider is for development only: ENV is "${env.ENV ?? ""}", and it starts with ENV=development or ` +
        "ENV=test alone. Elsewhere use Keycloak with the same realm.json.",
    );
  }
  const issuer = required(env, "OIDC_ISSUER", "http://localhost:8080/realms/acme");
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const realm = url?.pathname.match(/^\/realms\/([^/]+)$/)?.[1];
  if (!realm || url.protocol !== "http:") {
    throw new UserError(
      `OIDC_ISSUER is "${issuer}"; it must look like http://localhost:8080/realms/acme.`,
    );
  }
  return {
    issuer,
    host: env.PROVIDER_HOST || "127.0.0.1",
    port: Number(url.port || 80),
    state: env.PROVIDER_STATE || defaultState,
    placeholders: {
      REALM: realm,
      FRONTEND_URL: required(env, "FRONTEND_URL", "http://localhost:5173"),
      API_PREFIX: required(env, "API_PREFIX", "/api/v1"),
      OIDC_BACKEND_CLIENT_SECRET: required(
        env,
        "OIDC_BACKEND_CLIENT_SECRET",
        "backend-development",
      ),
    },
  };
}

function required(env, name, example) {
  if (!env[name]) throw new UserError(`${name} is not set. Example: ${name}=${example}`);
  return env[name];
}
