import { describe, expect, it, vi } from "vitest";
import { client, json, problem, serve } from "../testing";
import { ApiError, ConnectionError, describe as say, isAbort } from "./client";

describe("a request", () => {
  it("carries the token, the query without empty parameters, and JSON", async () => {
    const calls = serve(() => json({ id: "1" }));
    await client().get("/todos", { query: { limit: 20, cursor: undefined, search: "a b&c" } });
    await client().post("/todos", { title: "x" });
    expect(calls).toMatchObject([
      { method: "GET", path: "/todos?limit=20&search=a+b%26c", token: "token", body: undefined },
      { method: "POST", path: "/todos", body: { title: "x" } },
    ]);
  });

  it("returns nothing for 204", async () => {
    serve(() => new Response(null, { status: 204 }));
    await expect(client().delete("/todos/1")).resolves.toBeUndefined();
  });

  it("has no header without a token", async () => {
    const calls = serve(() => json({}));
    await client({ accessToken: undefined }).get("/auth/config");
    expect(calls[0]?.token).toBeUndefined();
  });
});

describe("an error answer", () => {
  it("becomes an ApiError with the problem's details", async () => {
    serve(() =>
      problem(422, "1 field is invalid", { errors: [{ field: "title", message: "Too long" }] }),
    );
    const error = await client()
      .get("/x")
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ status: 422, message: "1 field is invalid" });
    expect(say(error)).toBe("Too long");
  });

  it("names the request's id when the server is to blame", async () => {
    serve(() => problem(500, "Something broke", { request_id: "abc" }));
    const error = await client()
      .get("/x")
      .catch((caught: unknown) => caught);
    expect(say(error)).toBe("Something broke (Reference: abc)");
  });

  it("may be a proxy's page", async () => {
    serve(() => new Response("<h1>Bad Gateway</h1>", { status: 502 }));
    await expect(client().get("/x")).rejects.toMatchObject({ status: 502 });
  });
});

describe("a 401", () => {
  it("is answered by one renewal and one further attempt", async () => {
    const tokens = { accessToken: "old", renew: vi.fn(), expire: vi.fn() };
    tokens.renew.mockImplementation(() => {
      tokens.accessToken = "new";
      return Promise.resolve(true);
    });
    const calls = serve(({ token }) => (token === "new" ? json({ ok: true }) : problem(401, "no")));
    expect(await client(tokens).get("/x")).toEqual({ ok: true });
    expect(calls.map(({ token }) => token)).toEqual(["old", "new"]);
    expect(tokens.renew).toHaveBeenCalledOnce();
    expect(tokens.expire).not.toHaveBeenCalled();
  });

  it("ends the session when the fresh token is refused too", async () => {
    const expire = vi.fn();
    const calls = serve(() => problem(401, "no"));
    const api = client({ renew: () => Promise.resolve(true), expire });
    await expect(api.get("/x")).rejects.toMatchObject({ status: 401 });
    expect(calls).toHaveLength(2);
    expect(expire).toHaveBeenCalledOnce();
  });

  it("is not repeated when there is no fresh token", async () => {
    const calls = serve(() => problem(401, "no"));
    await expect(client().get("/x")).rejects.toMatchObject({ status: 401 });
    expect(calls).toHaveLength(1);
  });

  it("does not renew again what another request has renewed in the meantime", async () => {
    const tokens = { accessToken: "old", renew: vi.fn() };
    serve(({ token }) => {
      tokens.accessToken = "new";
      return token === "new" ? json({}) : problem(401, "no");
    });
    await client(tokens).get("/x");
    expect(tokens.renew).not.toHaveBeenCalled();
  });
});

describe("no answer", () => {
  it("becomes a ConnectionError", async () => {
    serve(() => Promise.reject(new TypeError("Failed to fetch")));
    await expect(client().get("/x")).rejects.toBeInstanceOf(ConnectionError);
  });

  it("stays an AbortError when the caller gave up", async () => {
    serve(({ signal }) => {
      signal?.throwIfAborted();
      return json({});
    });
    const error = await client()
      .get("/x", { signal: AbortSignal.abort() })
      .catch((caught: unknown) => caught);
    expect(isAbort(error)).toBe(true);
  });
});
