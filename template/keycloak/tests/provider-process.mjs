import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const script = join(import.meta.dirname, "..", "dev-provider.mjs");

/** A port that was free a moment ago. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

/** The environment of a provider on a port of its own, with an empty state folder. */
export async function environment() {
  return {
    PATH: process.env.PATH,
    ENV: "test",
    OIDC_ISSUER: `http://localhost:${await freePort()}/realms/my-saas`,
    FRONTEND_URL: "http://localhost:5199",
    API_PREFIX: "/api/v1",
    OIDC_BACKEND_CLIENT_SECRET: "backend-development",
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
