import tailwindcss from "@tailwindcss/vite";
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";
import { API_PREFIX, BACKEND_PORT, FRONTEND_PORT } from "./src/project.ts";

export default defineConfig(({ mode }) => {
  // The variables of the whole project: the environment first, then ../.env.
  const env = loadEnv(mode, "..", ["BACKEND_", "FRONTEND_"]);
  const port = Number(env["FRONTEND_PORT"] ?? FRONTEND_PORT);
  const backend =
    env["BACKEND_URL"] ?? `http://127.0.0.1:${env["BACKEND_PORT"] ?? String(BACKEND_PORT)}`;
  // strictPort: on another port the identity provider would refuse the redirect.
  const server = { port, strictPort: true, proxy: { [API_PREFIX]: { target: backend } } };

  return {
    plugins: [tailwindcss()],
    server,
    preview: server,
    build: {
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: { index: "index.html", silent: "auth/silent.html" },
      },
    },
    test: {
      environment: "happy-dom",
      include: ["src/**/*.test.ts"],
      testTimeout: 60_000,
      restoreMocks: true,
      unstubGlobals: true,
      onConsoleLog: (log) => !log.startsWith("Lit is in dev mode"),
      coverage: { include: ["src/**/*.ts"], exclude: ["src/**/*.test.ts", "src/testing.ts"] },
    },
  };
});
