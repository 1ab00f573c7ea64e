/**
 * What a person sees when an administrator of a real Keycloak changes something while they work.
 *
 * test_keycloak.py puts this file beside the project's own suites and runs it there. Environment: KEYCLOAK (address), REALM,
 * ADMIN_PASSWORD.
 */
import { test, type Page } from "@playwright/test";
import { ALICE, CAROL, addTodo, deleteTodo, expect, logIn, test as watched, tokensOf } from "./support.ts";

const { KEYCLOAK = "", REALM = "", ADMIN_PASSWORD = "" } = process.env;
const BOB = "bob@acme.test";
const ENDED = "Your session has ended. Sign in again to continue.";

// A browser reports each refused renewal (400) in its console, so only pages without one are `watched` for errors.

async function admin(method: string, path: string, body?: object): Promise<unknown> {
  const form = { grant_type: "password", client_id: "admin-cli", username: "admin", password: ADMIN_PASSWORD };
  const login = await fetch(`${KEYCLOAK}/realms/master/protocol/openid-connect/token`, {
    method: "POST",
    body: new URLSearchParams(form),
  });
  const { access_token: token } = (await login.json()) as { access_token: string };
  const answer = await fetch(`${KEYCLOAK}/admin/realms/${REALM}${path}`, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  expect(answer.ok, `${method} ${path}: ${String(answer.status)}`).toBe(true);
  const text = await answer.text();
  return text ? JSON.parse(text) : undefined;
}

type User = Record<string, unknown> & { id: string };

async function userOf(email: string): Promise<User> {
  const [user] = (await admin("GET", `/users?exact=true&email=${encodeURIComponent(email)}`)) as User[];
  if (!user) throw new Error(`no user ${email}`);
  return user;
}

/** Let nearly a token's life pass in the page, so that it renews; requests under way would see their time run out. */
async function untilRenewal(page: Page): Promise<void> {
  await expect(page.locator("[aria-busy=false]")).toBeVisible();
  await expect(page.getByText("All systems operational")).toBeVisible();
  const renewal = page.waitForResponse((response) => response.url().endsWith("/token"));
  await page.clock.fastForward("14:30");
  await renewal;
}

test("a disabled user works on until the token is to be renewed, and is then signed out", async ({ page }) => {
  await page.clock.install();
  await logIn(page, BOB);
  const user = await userOf(BOB);
  await admin("PUT", `/users/${user.id}`, { ...user, enabled: false });
  try {
    await addTodo(page, "Rake the leaves");
    await deleteTodo(page, "Rake the leaves");
    await untilRenewal(page);
    await expect(page.getByText(ENDED)).toBeVisible();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("[name=username]").fill(BOB);
    await page.locator("[name=password]").fill("development");
    await page.locator("[type=submit]").click();
    await expect(page.getByText("Account is disabled")).toBeVisible();
  } finally {
    await admin("PUT", `/users/${user.id}`, user);
  }
});

test("a session that an administrator ends goes on until the token is to be renewed", async ({ page }) => {
  await page.clock.install();
  await logIn(page, CAROL);
  await admin("POST", `/users/${(await userOf(CAROL)).id}/logout`);
  await addTodo(page, "Turn the compost");
  await deleteTodo(page, "Turn the compost");
  await untilRenewal(page);
  await expect(page.getByText(ENDED)).toBeVisible();
});

test("after a reload an ended session is a visitor's", async ({ page }) => {
  await logIn(page, CAROL);
  await admin("POST", `/users/${(await userOf(CAROL)).id}/logout`);
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});

watched("nobody notices that Keycloak signs with a new key", async ({ page }) => {
  await page.clock.install();
  const tokens = tokensOf(page);
  await logIn(page, ALICE);
  const realm = (await admin("GET", "")) as { id: string };
  const priority = String(Math.floor(Date.now() / 1000));
  await admin("POST", "/components", {
    name: `key-${priority}`,
    providerId: "rsa-generated",
    providerType: "org.keycloak.keys.KeyProvider",
    parentId: realm.id,
    config: { priority: [priority], enabled: ["true"], active: ["true"], algorithm: ["RS256"] },
  });
  await addTodo(page, "Edge the lawn");
  const kid = (token: string) => (JSON.parse(atob(token.split(".")[0] ?? "")) as { kid: string }).kid;
  const old = [...tokens].map(kid);
  await untilRenewal(page);
  tokens.clear();
  await deleteTodo(page, "Edge the lawn");
  const keys = (await admin("GET", "/keys")) as { active: { RS256: string } };
  expect([...tokens].map(kid)).toEqual([keys.active.RS256]);
  expect(old).not.toContain(keys.active.RS256);
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
});

watched("a browser whose clock is an hour ahead works", async ({ page }) => {
  await page.clock.install({ time: Date.now() + 3_600_000 });
  await logIn(page, ALICE);
  await addTodo(page, "Mend the fence");
  await page.reload();
  await deleteTodo(page, "Mend the fence");
});
