/** The provider as a process: what it refuses, what survives a restart, how keys change. */
import assert from "node:assert/strict";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Browser, FRONTEND, decode, environment, startProvider } from "./support.mjs";

const keysOf = async (issuer) => {
  const { keys } = await (await fetch(`${issuer}/protocol/openid-connect/certs`)).json();
  return keys.map(({ kid }) => kid);
};
const kidOf = (token) => decode(token).header.kid;

for (const ENV of [undefined, "", "staging", "production"]) {
  test(`it refuses to start with ENV=${ENV}`, async () => {
    const { ended, output } = await startProvider({ ...(await environment()), ENV });
    assert.equal(await ended, 1);
    assert.match(output, /for development only: ENV is/);
    assert.doesNotMatch(output, /at .*\.mjs/);
  });
}

test("a missing or malformed value is named, in one line", async () => {
  for (const [name, value] of [
    ["FRONTEND_URL", undefined],
    ["OIDC_ISSUER", "https://login.example.com"],
  ]) {
    const { ended, output } = await startProvider({ ...(await environment()), [name]: value });
    assert.equal(await ended, 1);
    assert.match(output, new RegExp(`^${name} is [^\n]+\n$`));
  }
});

test("a taken port is an error that names it", async () => {
  const env = await environment();
  const first = await startProvider(env);
  const { ended, output } = await startProvider(env);
  assert.equal(await ended, 1);
  assert.match(output, new RegExp(`Port ${new URL(env.OIDC_ISSUER).port} on 127.0.0.1 is taken`));
  await first.stop();
});

test("it says nothing but that it is ready", async () => {
  const provider = await startProvider(await environment());
  const browser = new Browser(provider.issuer);
  const { refresh_token } = await browser.login("alice@acme.test");
  assert.equal((await browser.revoke(refresh_token)).status, 200);
  assert.equal(await provider.stop(), 0);
  assert.equal(provider.output, `Ready: ${provider.issuer} (realm.json, 4 users)\n`);
});

test("after a restart the session and its tokens are still good", async () => {
  const env = await environment();
  const browser = new Browser(env.OIDC_ISSUER);
  const first = await startProvider(env);
  const tokens = await browser.login("alice@acme.test");
  await first.stop();

  const second = await startProvider(env);
  assert.deepEqual(await keysOf(env.OIDC_ISSUER), [kidOf(tokens.access_token)]);
  const { url } = await browser.authorize({ prompt: "none" });
  assert.ok(url.searchParams.has("code"));
  const refresh = await browser.token({
    grant_type: "refresh_token",
    refresh_token: tokens.refresh_token,
  });
  assert.equal(refresh.status, 200);
  await second.stop();
});

test("keys and sessions are readable by their owner alone", async () => {
  const env = await environment();
  const provider = await startProvider(env);
  await provider.stop();
  for (const file of ["keys.json", "sessions.json"]) {
    assert.equal(statSync(join(env.PROVIDER_STATE, file)).mode & 0o777, 0o600);
  }
});

test("without its state it makes new keys", async () => {
  const env = await environment();
  const first = await startProvider(env);
  const before = await keysOf(env.OIDC_ISSUER);
  await first.stop();
  rmSync(env.PROVIDER_STATE, { recursive: true });
  const second = await startProvider(env);
  assert.notDeepEqual(await keysOf(env.OIDC_ISSUER), before);
  await second.stop();
});

test("SIGHUP signs with a new key and keeps the one before for verification", async () => {
  const provider = await startProvider(await environment());
  const browser = new Browser(provider.issuer);
  const tokens = await browser.login("alice@acme.test");
  provider.child.kill("SIGHUP");
  await provider.prints("Signing with the new key");

  const refreshed = await browser.token({
    grant_type: "refresh_token",
    refresh_token: tokens.refresh_token,
  });
  const [signing, previous] = await keysOf(provider.issuer);
  assert.equal(kidOf(refreshed.access_token), signing);
  assert.equal(kidOf(tokens.access_token), previous);

  const back = `${FRONTEND}/`;
  const parameters = { id_token_hint: tokens.id_token, post_logout_redirect_uri: back };
  assert.equal((await browser.follow(browser.logoutUrl(parameters))).url.href, back);
  await provider.stop();
});

test("its pages load no script, and forms and errors are marked up for screen readers", async () => {
  const provider = await startProvider(await environment());
  const browser = new Browser(provider.issuer);
  const page = await browser.authorize();
  assert.match(page.response.headers.get("content-security-policy"), /default-src 'none'/);
  const { response } = await browser.submit(page, '"><script>alert(1)</script>', "x");
  const html = await response.text();
  assert.doesNotMatch(html, /<script/);
  assert.match(html, /<p id="error" class="error" role="alert">/);
  assert.match(html, /<label for="username">/);
  assert.match(html, /aria-describedby="error"/);
  await provider.stop();
});
