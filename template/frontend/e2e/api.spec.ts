import { randomUUID } from "node:crypto";
import { ALICE, api, bearer, expect, logIn, test, tokensOf } from "./support.ts";

const PROBLEM = "application/problem+json";

test("the service is ready", async ({ request }) => {
  const answer = await request.get(api("/health/ready"));
  expect(answer.status()).toBe(200);
  expect(await answer.json()).toMatchObject({ status: "ready", database: "ok" });
});

for (const [method, path, status] of [
  ["GET", "/todos", 401],
  ["GET", "/auth/me", 401],
  ["GET", "/no-such-path", 404],
  ["DELETE", "/health", 405],
] as const) {
  test(`${method} ${path} without a token answers ${String(status)} as a problem`, async ({
    request,
  }) => {
    const answer = await request.fetch(api(path), { method });
    expect(answer.status()).toBe(status);
    expect(answer.headers()["content-type"]).toContain(PROBLEM);
    expect(await answer.json()).toMatchObject({ status, instance: api(path) });
    expect(answer.headers()["x-request-id"]).toBeTruthy();
  });
}

test("a forged token is refused", async ({ request }) => {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const forged = `${encode({ alg: "none", typ: "JWT" })}.${encode({ sub: "alice", aud: "api" })}.`;
  expect((await request.get(api("/auth/me"), bearer(forged))).status()).toBe(401);
});

test("todos through the API", async ({ page, request }) => {
  const tokens = tokensOf(page);
  await logIn(page, ALICE);
  const [token = ""] = tokens;
  const call = (method: string, path: string, data?: object) =>
    request.fetch(api(path), { method, data, ...bearer(token) });

  const title = `Through the API ${randomUUID()}`;
  const created = await call("POST", "/todos", { title: `  ${title}  ` });
  expect(created.status()).toBe(201);
  const todo = (await created.json()) as { id: string };
  expect(todo).toMatchObject({ title, completed: false });

  const page1 = await call("GET", "/todos?limit=1");
  expect(await page1.json()).toMatchObject({ items: [{ id: todo.id }] });

  const changed = await call("PATCH", `/todos/${todo.id}`, { completed: true });
  expect(await changed.json()).toMatchObject({ title, completed: true });

  const refused = await call("POST", "/todos", { title: "   " });
  expect(refused.status()).toBe(422);
  expect(await refused.json()).toMatchObject({ errors: [{ field: "body.title" }] });

  expect((await call("DELETE", `/todos/${todo.id}`)).status()).toBe(204);
  expect((await call("GET", `/todos/${todo.id}`)).status()).toBe(404);
});
