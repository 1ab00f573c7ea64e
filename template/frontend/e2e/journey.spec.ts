import { randomUUID } from "node:crypto";
import {
  ALICE,
  CAROL,
  addTodo,
  api,
  bearer,
  deleteTodo,
  expect,
  expectAccessible,
  logIn,
  takePictures,
  test,
  tokensOf,
  watch,
} from "./support.ts";

test("log in, stay logged in, manage todos, log out", async ({ page, request }) => {
  await page.goto("/");
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  await expect(page.getByText("All systems operational")).toBeVisible();
  await expectAccessible(page);
  await takePictures(page, "signed-out");

  const tokens = tokensOf(page);
  await logIn(page, ALICE);
  await expect(page.getByText("Acme · Administrator")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Todos" })).toBeVisible();

  await page.reload();
  await expect(page.getByText("Acme · Administrator")).toBeVisible();
  const stored = await page.evaluate(() =>
    JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)]),
  );
  expect(stored, "no token in the browser's storage").not.toContain("eyJ");

  const title = `Water the ferns ${randomUUID()}`;
  await addTodo(page, title);
  await expect(page.getByLabel("New todo")).toBeFocused();
  const checkbox = page.getByRole("checkbox", { name: title });
  await checkbox.check();
  await expect(page.getByText(`Completed “${title}”.`)).toBeAttached();
  await expectAccessible(page);

  await page.reload();
  await expect(checkbox).toBeChecked();
  await deleteTodo(page, title);
  await page.reload();
  await expect(page.locator("[aria-busy=false]")).toBeVisible();
  await expect(checkbox).toHaveCount(0);

  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  expect(tokens.size).toBeGreaterThan(1);
  for (const token of tokens) {
    const answer = await request.get(api("/auth/me"), bearer(token));
    expect(answer.status(), "an old token of the session").toBe(401);
  }
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});

test("the token is renewed before it runs out", async ({ page }) => {
  await page.clock.install();
  const tokens = tokensOf(page);
  await logIn(page, ALICE);
  // A request still under way would see its time run out with the clock.
  await expect(page.locator("[aria-busy=false]")).toBeVisible();
  await expect(page.getByText("All systems operational")).toBeVisible();
  const [first] = tokens;
  expect(first).toBeDefined();

  const renewal = page.waitForResponse((response) => response.url().endsWith("/token"));
  await page.clock.fastForward("14:30");
  expect((await renewal).status()).toBe(200);

  tokens.clear();
  await addTodo(page, "Renew the mulch");
  expect(tokens.size).toBe(1);
  expect([...tokens]).not.toContain(first);
  await deleteTodo(page, "Renew the mulch");
});

test("another tenant sees none of it", async ({ page, browser, request }) => {
  await logIn(page, ALICE);
  const title = `Prune the yew ${randomUUID()}`;
  const id = await addTodo(page, title);

  const elsewhere = await browser.newContext();
  const other = await elsewhere.newPage();
  const errors = watch(other);
  const tokens = tokensOf(other);
  await logIn(other, CAROL);
  await expect(other.getByText("Globex · Administrator")).toBeVisible();
  await expect(other.locator("[aria-busy=false]")).toBeVisible();
  await expect(other.getByText(title)).toHaveCount(0);
  for (const token of tokens) {
    expect((await request.get(api(`/todos/${id}`), bearer(token))).status()).toBe(404);
  }
  expect(errors).toEqual([]);
  await elsewhere.close();

  await deleteTodo(page, title);
});

test("todos by keyboard alone", async ({ page }) => {
  await logIn(page, ALICE);
  const titles = ["Order compost", "Call the gardener", "Sharpen the shears"];
  await page.getByLabel("New todo").focus();
  for (const title of titles) {
    await page.keyboard.type(title);
    await page.keyboard.press("Enter");
    await expect(page.getByRole("checkbox", { name: title }).first()).toBeEnabled();
  }
  const newest = page.getByRole("checkbox").first();
  await newest.focus();
  await page.keyboard.press("Space");
  await expect(newest).toBeChecked();
  await takePictures(page, "todos");
  await newest.focus();

  for (const title of titles.toReversed()) {
    await page.keyboard.press("Tab");
    await expect(page.getByRole("button", { name: `Delete “${title}”` }).first()).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(page.getByText(`Deleted “${title}”.`)).toBeAttached();
  }
});

test("the page works under a strict content security policy", async ({ page, baseURL }) => {
  const { origin } = new URL(baseURL ?? "");
  const issuer = (await (await page.request.get(api("/auth/config"))).json()) as { issuer: string };
  const provider = new URL(issuer.issuer).origin;
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${provider}`,
    `frame-src 'self' ${provider}`,
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
  // To Chromium a page that is answered from here is one of another network, which may not reach localhost unasked.
  await page.context().grantPermissions(["local-network-access"]);
  await page.route(
    (url) => url.origin === origin,
    async (route) => {
      if (route.request().resourceType() !== "document") return route.fallback();
      const response = await route.fetch();
      const headers = { ...response.headers(), "content-security-policy": policy };
      return route.fulfill({ response, headers });
    },
  );
  await logIn(page, ALICE);
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
  await expect(page.getByLabel("New todo")).toBeVisible();
});
