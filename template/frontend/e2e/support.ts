import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";
import { API_PREFIX } from "../src/project.ts";

/** The development logins, from keycloak/realm.json; all have the same password. */
export const ALICE = "alice@acme.test";
export const CAROL = "carol@globex.test";
const PASSWORD = "development";

/** Playwright's test, which also fails when the page has reported an error. */
export const test = base.extend<{ watched: undefined }>({
  watched: [
    async ({ page }, use) => {
      const errors = watch(page);
      await use(undefined);
      expect(errors, "errors in the browser's console").toEqual([]);
    },
    { auto: true },
  ],
});

/** Collect what a page reports as an error, from now on. */
export function watch(page: Page): string[] {
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(`${message.text()} (${message.location().url})`);
  });
  return errors;
}

/** Log in through the provider's page; the field names are the same in Keycloak and in the development provider. */
export async function logIn(page: Page, username: string): Promise<void> {
  await page.goto("/");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("[name=username]").fill(username);
  await page.locator("[name=password]").fill(PASSWORD);
  await page.locator("[type=submit]").click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
}

/** The access tokens that a page sends from now on, each once. Nothing but its requests shows them. */
export function tokensOf(page: Page): Set<string> {
  const tokens = new Set<string>();
  page.on("request", (request) => {
    const [, token] = /^Bearer (.+)$/.exec(request.headers()["authorization"] ?? "") ?? [];
    if (token) tokens.add(token);
  });
  return tokens;
}

export const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });

export const api = (path: string): string => API_PREFIX + path;

/** Add a todo on the page. Returns its id once the server has confirmed it. */
export async function addTodo(page: Page, title: string): Promise<string> {
  const confirmed = page.waitForResponse(
    (response) => response.url().endsWith(api("/todos")) && response.request().method() === "POST",
  );
  await page.getByLabel("New todo").fill(title);
  await page.keyboard.press("Enter");
  const { id } = (await (await confirmed).json()) as { id: string };
  await expect(page.getByRole("checkbox", { name: title })).toBeEnabled();
  return id;
}

export async function deleteTodo(page: Page, title: string): Promise<void> {
  await page.getByRole("button", { name: `Delete “${title}”` }).click();
  await expect(page.getByText(`Deleted “${title}”.`)).toBeAttached();
}

/** No rule of axe is broken, neither in the light nor in the dark colours. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page }).analyze();
    const found = violations.map(({ id, impact, nodes }) => ({
      id,
      impact,
      where: nodes.map(({ target }) => target.join(" ")),
    }));
    expect(found, `accessibility in ${colorScheme} colours`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: null });
}

/** Take pictures in both colour schemes, when the environment asks for them with SCREENSHOTS=folder. */
export async function takePictures(page: Page, name: string): Promise<void> {
  const folder = process.env["SCREENSHOTS"];
  if (!folder) return;
  await page.evaluate(() => {
    let focused = document.activeElement;
    while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
    if (focused instanceof HTMLElement) focused.blur();
  });
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({
      path: join(folder, `${name}-${colorScheme}.png`),
      animations: "disabled",
    });
  }
  await page.emulateMedia({ colorScheme: null });
}

export { expect };
