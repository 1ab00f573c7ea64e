/**
 * What the application relies on, asked of the development provider, or, with ISSUER_UNDER_TEST, of a Keycloak that has
 * imported realm.json: `make test-realm ISSUER=...` at the project's root.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  API_PREFIX,
  Browser,
  FRONTEND,
  SECRET,
  decode,
  environment,
  startProvider,
} from "./support.mjs";

const ACME = "0e5b1c5e-0000-4000-8000-00000000ac3e";
let issuer = process.env.ISSUER_UNDER_TEST;
let provider;

before(async () => {
  if (!issuer) {
    provider = await startProvider(await environment());
    issuer = provider.issuer;
  }
});
after(() => provider?.stop());

const basic = (secret) => `Basic ${Buffer.from(`backend:${secret}`).toString("base64")}`;
const scopesOf = (token) => decode(token).claims.scope.split(" ").sort();

test("discovery names Keycloak's paths", async () => {
  const document = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  const at = (name) => `${issuer}/protocol/openid-connect/${name}`;
  assert.equal(document.issuer, issuer);
  assert.equal(document.authorization_endpoint, at("auth"));
  assert.equal(document.token_endpoint, at("token"));
  assert.equal(document.jwks_uri, at("certs"));
  assert.equal(document.userinfo_endpoint, at("userinfo"));
  assert.equal(document.end_session_endpoint, at("logout"));
});

test("an access token carries the claims that the API reads", async () => {
  const tokens = await new Browser(issuer).login("alice@acme.test");
  const { header, claims } = decode(tokens.access_token);
  assert.equal(header.alg, "RS256");
  assert.equal(header.typ, "JWT");
  const { exp, iat, jti, sid, scope, ...rest } = claims;
  // Keycloak adds `acr` and `allowed-origins` of its own accord; nothing of ours reads them.
  delete rest.acr;
  delete rest["allowed-origins"];
  delete rest.auth_time;
  assert.deepEqual(rest, {
    iss: issuer,
    aud: "api",
    sub: "5b0e9a6e-0000-4000-8000-000000000001",
    typ: "Bearer",
    azp: "frontend",
    tenant_id: ACME,
    roles: ["tenant-admin"],
    name: "Alice Adams",
    preferred_username: "alice@acme.test",
    email: "alice@acme.test",
    email_verified: true,
  });
  assert.equal(exp - iat, 900);
  assert.ok(jti && sid);
  assert.deepEqual(scope.split(" ").sort(), [
    "email",
    "openid",
    "profile",
    "state/read",
    "state/write",
    "statements/read",
    "statements/read/mine",
    "statements/write",
    "tenant/admin",
  ]);
});

test("an ID token names the person, the nonce and the session", async () => {
  const tokens = await new Browser(issuer).login("bob@acme.test");
  const { claims } = decode(tokens.id_token);
  assert.equal(claims.name, "Bob Brown");
  assert.equal(claims.email, "bob@acme.test");
  assert.equal(claims.nonce, "n");
  assert.equal(claims.aud, "frontend");
  assert.equal(claims.azp, "frontend");
  assert.equal(claims.tenant_id, ACME);
  assert.equal(claims.sid, decode(tokens.access_token).claims.sid);
});

test("a user without realm roles has no roles claim", async () => {
  const tokens = await new Browser(issuer).login("bob@acme.test");
  assert.equal(decode(tokens.access_token).claims.roles, undefined);
});

test("the scope admin goes to platform administrators alone", async () => {
  const scope = { scope: "openid admin" };
  const root = await new Browser(issuer).login("root@platform.test", scope);
  const alice = await new Browser(issuer).login("alice@acme.test", scope);
  assert.ok(scopesOf(root.access_token).includes("admin"));
  assert.equal(decode(root.access_token).claims.tenant_id, undefined);
  assert.ok(!scopesOf(alice.access_token).includes("admin"));
});

test("an unknown scope is refused", async () => {
  const { url } = await new Browser(issuer).authorize({ scope: "openid everything" });
  assert.equal(url.searchParams.get("error"), "invalid_scope");
});

test("PKCE is required, and plain is not enough", async () => {
  for (const parameters of [
    { code_challenge: undefined, code_challenge_method: undefined },
    { code_challenge: "a".repeat(43), code_challenge_method: "plain" },
  ]) {
    const { url } = await new Browser(issuer).authorize(parameters);
    assert.equal(url.searchParams.get("error"), "invalid_request");
  }
});

test("a code needs its verifier and works once", async () => {
  const browser = new Browser(issuer);
  const { url } = await browser.submit(await browser.authorize(), "alice@acme.test");
  const wrong = await browser.exchange(url, { code_verifier: "b".repeat(43) });
  assert.equal(wrong.error, "invalid_grant");
  const again = await browser.submit(
    await browser.authorize({ prompt: "login" }),
    "alice@acme.test",
  );
  assert.equal((await browser.exchange(again.url)).status, 200);
  assert.equal((await browser.exchange(again.url)).error, "invalid_grant");
});

test("a redirect address that is not registered is refused without a redirect", async () => {
  const { response, url } = await new Browser(issuer).authorize({
    redirect_uri: `${FRONTEND}/evil`,
  });
  assert.equal(response.status, 400);
  assert.ok(url.href.startsWith(issuer));
});

test("a wrong password and an unknown user get the same answer", async () => {
  for (const [username, password] of [
    ["alice@acme.test", "wrong"],
    ["nobody@acme.test", "development"],
  ]) {
    const browser = new Browser(issuer);
    const { response } = await browser.submit(await browser.authorize(), username, password);
    assert.equal(response.status, 200);
    assert.match(await response.text(), /Invalid username or password\./);
  }
});

test("prompt=none answers from the session, and with login_required without one", async () => {
  const browser = new Browser(issuer);
  const before = await browser.authorize({ prompt: "none" });
  assert.equal(before.url.searchParams.get("error"), "login_required");
  const first = await browser.login("alice@acme.test");
  const { url } = await browser.authorize({ prompt: "none" });
  const second = await browser.exchange(url);
  const [one, two] = [first, second].map((tokens) => decode(tokens.access_token).claims);
  assert.equal(one.sid, two.sid);
  assert.notEqual(one.jti, two.jti);
});

test("a refresh token gives a new access token of the same session, once", async () => {
  const browser = new Browser(issuer);
  const first = await browser.login("alice@acme.test");
  const refresh = { grant_type: "refresh_token", refresh_token: first.refresh_token };
  const second = await browser.token(refresh);
  assert.equal(second.status, 200);
  assert.deepEqual(scopesOf(second.access_token), scopesOf(first.access_token));
  assert.equal(decode(second.access_token).claims.sid, decode(first.access_token).claims.sid);
  assert.equal((await browser.token(refresh)).error, "invalid_grant");
});

test("a client may revoke its own tokens and no other client's", async () => {
  const browser = new Browser(issuer);
  const { refresh_token } = await browser.login("alice@acme.test");
  const refused = await browser.revoke(refresh_token, {
    Authorization: basic(SECRET),
  });
  assert.equal(refused.status, 400);
  assert.equal((await refused.json()).error_description, "Unmatching clients");
  assert.equal((await browser.revoke(refresh_token)).status, 200);
  const refresh = await browser.token({ grant_type: "refresh_token", refresh_token });
  assert.equal(refresh.error, "invalid_grant");
});

test("logout with an ID token ends the session, its refresh token, and returns to the page", async () => {
  const browser = new Browser(issuer);
  const tokens = await browser.login("alice@acme.test");
  const back = `${FRONTEND}/`;
  const { url } = await browser.follow(
    browser.logoutUrl({
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: back,
      state: "bye",
    }),
  );
  assert.equal(url.href, `${back}?state=bye`);
  const silent = await browser.authorize({ prompt: "none" });
  assert.equal(silent.url.searchParams.get("error"), "login_required");
  const refresh = await browser.token({
    grant_type: "refresh_token",
    refresh_token: tokens.refresh_token,
  });
  assert.equal(refresh.error, "invalid_grant");
});

test("logout does not redirect to an address that is not registered", async () => {
  const browser = new Browser(issuer);
  const { id_token } = await browser.login("alice@acme.test");
  const parameters = { id_token_hint: id_token, post_logout_redirect_uri: "http://evil.test/" };
  const response = await browser.fetch(browser.logoutUrl(parameters));
  assert.equal(response.status, 400);
});

test("userinfo takes the access token and nothing else", async () => {
  const browser = new Browser(issuer);
  const { access_token } = await browser.login("carol@globex.test");
  const ask = (token) =>
    fetch(browser.endpoint("userinfo"), { headers: { Authorization: `Bearer ${token}` } });
  const answer = await ask(access_token);
  const { sub, email, name } = await answer.json();
  assert.deepEqual(
    [sub, email, name],
    [decode(access_token).claims.sub, "carol@globex.test", "Carol Clark"],
  );
  const [header, claims] = access_token.split(".");
  assert.equal((await ask(`${header}.${claims}.AAAA`)).status, 401);
});

test("the page may call the token endpoint from its own origin only", async () => {
  const browser = new Browser(issuer);
  const ask = (origin) =>
    browser.token({ grant_type: "refresh_token", refresh_token: "x" }, { Origin: origin });
  const ours = await ask(FRONTEND);
  assert.equal(ours.headers.get("access-control-allow-origin"), FRONTEND);
  const theirs = await ask("http://evil.test");
  assert.equal(theirs.headers.get("access-control-allow-origin"), null);
});

test("the backend authenticates with its secret", async () => {
  const redirect_uri = `${FRONTEND}${API_PREFIX}/oauth/callback`;
  const secrets = { [SECRET]: 200, wrong: 401 };
  for (const [secret, status] of Object.entries(secrets)) {
    const browser = new Browser(issuer);
    const page = await browser.authorize({ client_id: "backend", redirect_uri });
    const { url } = await browser.submit(page, "alice@acme.test");
    const body = new URLSearchParams({
      grant_type: "authorization_code",
      redirect_uri,
      code_verifier: browser.verifier,
      code: url.searchParams.get("code"),
    });
    const response = await fetch(browser.endpoint("token"), {
      method: "POST",
      body,
      headers: { Authorization: basic(secret) },
    });
    assert.equal(response.status, status);
  }
});
