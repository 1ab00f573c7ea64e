import { spawn } from "node:child_process";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const script = join(import.meta.dirname, "..", "dev-provider.mjs");
/** What the realm was imported with; the environment says so of a Keycloak that runs already. */
export const FRONTEND = process.env.FRONTEND_URL ?? "http://localhost:5199";
export const API_PREFIX = process.env.API_PREFIX ?? "/api/v1";
export const SECRET = process.env.OIDC_BACKEND_CLIENT_SECRET ?? "backend-development";
export const CALLBACK = `${FRONTEND}/auth/callback`;

/** As much of a browser as an authorization code flow needs: cookies, redirects, one form. Works with Keycloak too. */
export class Browser {
  #cookies = new Map();

  constructor(issuer) {
    this.issuer = issuer;
    this.endpoint = (name) => `${issuer}/protocol/openid-connect/${name}`;
  }

  /** Fetch with this browser's cookies, without following redirects. */
  async fetch(url, options = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { Accept: "text/html", ...options.headers, ...(cookie && { Cookie: cookie }) };
    const response = await fetch(url, { ...options, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      if (value) this.#cookies.set(name, value);
      else this.#cookies.delete(name);
    }
    return response;
  }

  /** Follow redirects until they leave the provider; returns the last response and its address. */
  async follow(url, options) {
    let response = await this.fetch(url, options);
    let at = url;
    while (response.headers.has("location")) {
      at = new URL(response.headers.get("location"), at).href;
      if (at.startsWith(FRONTEND)) break;
      response = await this.fetch(at);
    }
    return { response, url: new URL(at) };
  }

  /** Begin a code flow; `parameters` replace or remove (undefined) what the page would send. */
  async authorize(parameters = {}) {
    this.verifier = randomBytes(32).toString("base64url");
    const request = {
      client_id: "frontend",
      redirect_uri: CALLBACK,
      response_type: "code",
      scope: "openid",
      state: "s",
      nonce: "n",
      code_challenge: createHash("sha256").update(this.verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...parameters,
    };
    const query = new URLSearchParams(
      Object.entries(request).filter(([, value]) => value !== undefined),
    );
    return this.follow(`${this.endpoint("auth")}?${query}`);
  }

  /** Fill in the login form that a page shows. */
  async submit({ response, url }, username, password = "development") {
    const html = await response.text();
    const action =
      html.match(/<form[^>]* action="([^"]*)"/)?.[1].replaceAll("&amp;", "&") ?? url.href;
    const body = new URLSearchParams({ username, password });
    return this.follow(new URL(action, url).href, { method: "POST", body });
  }

  /** Post to the token endpoint as the client `frontend`; returns the status and the JSON body. */
  async token(parameters, headers = {}) {
    const body = new URLSearchParams({ client_id: "frontend", ...parameters });
    const response = await fetch(this.endpoint("token"), { method: "POST", body, headers });
    return { status: response.status, headers: response.headers, ...(await response.json()) };
  }

  /** Exchange the code in a callback's address. */
  async exchange(url, parameters = {}) {
    const grant = {
      grant_type: "authorization_code",
      redirect_uri: CALLBACK,
      code_verifier: this.verifier,
    };
    return this.token({ ...grant, code: url.searchParams.get("code"), ...parameters });
  }

  /** The whole flow: log in and return the tokens. */
  async login(username, parameters) {
    const page = await this.authorize(parameters);
    return this.exchange((await this.submit(page, username)).url);
  }

  /** Revoke a token as the client `frontend`; returns the response. */
  async revoke(token, headers = {}) {
    const client = headers.Authorization ? {} : { client_id: "frontend" };
    const body = new URLSearchParams({ token, ...client });
    return fetch(this.endpoint("revoke"), { method: "POST", body, headers });
  }

  /** The address that ends the session. */
  logoutUrl(parameters) {
    return `${this.endpoint("logout")}?${new URLSearchParams(parameters)}`;
  }
}

/** A token's header and claims, unverified. */
export function decode(token) {
  const [header, claims] = token.split(".").slice(0, 2);
  return {
    header: JSON.parse(Buffer.from(header, "base64url")),
    claims: JSON.parse(Buffer.from(claims, "base64url")),
  };
}

/**
 * A port that was free a moment ago: below 20000, so that neither an outgoing connection nor a test of the backend takes
 * it meanwhile.
 */
export async function freePort() {
  for (;;) {
    const port = randomInt(10_000, 20_000);
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}

/** The environment of a provider on a port of its own, with an empty state folder. */
export async function environment() {
  return {
    PATH: process.env.PATH,
    ENV: "test",
    OIDC_ISSUER: `http://localhost:${await freePort()}/realms/my-saas`,
    FRONTEND_URL: FRONTEND,
    API_PREFIX,
    OIDC_BACKEND_CLIENT_SECRET: SECRET,
    PROVIDER_STATE: mkdtempSync(join(tmpdir(), "provider-")),
  };
}

/** Start dev-provider.mjs; resolves when it is ready or has ended. `output` collects what it writes. */
export async function startProvider(env) {
  const child = spawn(process.execPath, [script], { env });
  const provider = { child, output: "", issuer: env.OIDC_ISSUER, waiting: [] };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on("line", (line) => {
      provider.output += `${line}\n`;
      provider.waiting.forEach((look) => look());
    });
  }
  provider.ended = once(child, "close").then(([code]) => code);
  provider.prints = (text) =>
    new Promise((resolve) => {
      const look = () => provider.output.includes(text) && resolve();
      provider.waiting.push(look);
      look();
    });
  provider.stop = () => (child.kill("SIGTERM"), provider.ended);
  await Promise.race([provider.prints("Ready:"), provider.ended]);
  return provider;
}
