import { existsSync } from "node:fs";
import { defineConfig, devices } from "@playwright/test";
import { FRONTEND_PORT } from "../frontend/src/project.ts";

/**
 * Tests against a running stack (`make dev` or `make up`; `make e2e` starts one by itself).
 *
 * BASE_URL             where the page is, without: this machine at FRONTEND_PORT
 * PLAYWRIGHT_CHROMIUM  the browser to use, without: the system's, or else Playwright's own (npx playwright install chromium)
 * SCREENSHOTS          a folder for pictures of the journey, without: none are taken
 */
const { env } = process;
const SYSTEM_CHROMIUM = "/usr/bin/chromium";
const executablePath =
  env.PLAYWRIGHT_CHROMIUM ?? (existsSync(SYSTEM_CHROMIUM) ? SYSTEM_CHROMIUM : undefined);

export default defineConfig({
  testDir: "tests",
  timeout: 60_000,
  expect: { timeout: 10_000 },
  forbidOnly: Boolean(env.CI),
  reporter: env.CI ? [["list"], ["html", { open: "never" }]] : "list",
  use: {
    ...devices["Desktop Chrome"],
    baseURL: env.BASE_URL ?? `http://localhost:${env.FRONTEND_PORT ?? String(FRONTEND_PORT)}`,
    trace: "retain-on-failure",
    launchOptions: {
      executablePath,
      // Chromium refuses its sandbox to root, who runs the tests in some containers.
      chromiumSandbox: process.getuid?.() !== 0,
      args: ["--disable-quic", "--disable-background-networking", "--disable-component-update"],
    },
  },
});
