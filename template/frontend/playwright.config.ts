import { existsSync } from "node:fs";
import { defineConfig, devices } from "@playwright/test";
import { FRONTEND_PORT } from "./src/project.ts";

/**
 * Tests against a running stack (`make dev` or `make up`; `make e2e` starts one by itself).
 *
 * BASE_URL             where the page is, without: this machine at FRONTEND_PORT
 * PLAYWRIGHT_CHROMIUM  the browser to use, without: the system's, or else Playwright's own (npx playwright install chromium)
 * SCREENSHOTS          a folder for pictures of the journey, without: none are taken
 */
const { BASE_URL, CI, PLAYWRIGHT_CHROMIUM } = process.env;
const port = process.env["FRONTEND_PORT"] ?? String(FRONTEND_PORT);
const SYSTEM_CHROMIUM = "/usr/bin/chromium";
const executablePath =
  PLAYWRIGHT_CHROMIUM ?? (existsSync(SYSTEM_CHROMIUM) ? SYSTEM_CHROMIUM : undefined);

export default defineConfig({
  testDir: "e2e",
  timeout: 180_000,
  expect: { timeout: 60_000 },
  forbidOnly: Boolean(CI),
  reporter: CI ? [["list"], ["html", { open: "never" }]] : "list",
  use: {
    ...devices["Desktop Chrome"],
    baseURL: BASE_URL ?? `http://localhost:${port}`,
    trace: "retain-on-failure",
    launchOptions: {
      ...(executablePath && { executablePath }),
      // Chromium refuses its sandbox to root, who runs the tests in some containers.
      chromiumSandbox: process.getuid?.() !== 0,
      args: ["--disable-quic", "--disable-background-networking", "--disable-component-update"],
    },
  },
});
