import { describe, expect, it, vi } from "vitest";
import type { Session } from "../auth/session";
import { ME, button, client, find, json, mount, problem, serve, settle, text } from "../testing";
import { AuthCallback } from "./auth-callback";
import { HealthCheck } from "./health-check";
import { LoginButton } from "./login-button";
import { UserProfile } from "./user-profile";

describe("<login-button>", () => {
  it("tells that the person wants to sign in", async () => {
    const element = await mount(new LoginButton());
    const listener = vi.fn();
    element.addEventListener("sign-in", listener);
    button(element, "Sign in").click();
    expect(listener).toHaveBeenCalledOnce();
  });

  it("cannot be pressed twice", async () => {
    const element = await mount(new LoginButton(), { busy: true });
    expect(button(element, "Sign in").disabled).toBe(true);
  });
});

describe("<user-profile>", () => {
  it("shows who, which tenant and which role", async () => {
    const element = await mount(new UserProfile(), { me: ME });
    expect(text(element)).toContain("AA Alice Adams Acme · Administrator");
  });

  it.each([
    [{ ...ME, role: "member" }, "AA Alice Adams Acme Sign out"],
    [{ ...ME, name: null, tenant: null }, "AT alice@acme.test Platform administrator"],
    [{ ...ME, name: null, email: null }, "A alice Acme"],
    [{ ...ME, name: "𝒜da" }, "𝒜 𝒜da"],
  ])("copes with what is missing (%#)", async (me, expected) => {
    const element = await mount(new UserProfile(), { me });
    expect(text(element)).toContain(expected);
  });

  it("tells that the person wants to sign out, and that it is under way", async () => {
    const element = await mount(new UserProfile(), { me: ME });
    const listener = vi.fn();
    element.addEventListener("sign-out", listener);
    button(element, "Sign out").click();
    expect(listener).toHaveBeenCalledOnce();
    element.busy = true;
    await settle(element);
    expect(button(element, "Signing out…").disabled).toBe(true);
  });
});

describe("<health-check>", () => {
  const ready = { status: "ready", database: "ok", redis: "ok" };

  it.each([
    ["All systems operational", () => json(ready)],
    ["Operational with reduced performance", () => json({ ...ready, redis: "degraded" })],
    ["The service has a problem", () => problem(503, "The database is down")],
    ["The service cannot be reached", () => Promise.reject(new TypeError("Failed to fetch"))],
  ])("says: %s", async (words, answer) => {
    serve(answer);
    const element = await mount(new HealthCheck(), { api: client() });
    await settle(element);
    expect(text(element)).toBe(words);
  });

  it("asks again, and no longer once it is off the page", async () => {
    const calls = serve(() => json(ready));
    const element = await mount(new HealthCheck(), { api: client(), interval: 5 });
    await vi.waitFor(() => {
      expect(calls.length).toBeGreaterThan(2);
    });
    element.remove();
    const { length } = calls;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(calls).toHaveLength(length);
  });

  it("rests while the page is hidden", async () => {
    const calls = serve(() => json(ready));
    vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
    const element = await mount(new HealthCheck(), { api: client(), interval: 5 });
    expect(calls).toHaveLength(0);
    vi.restoreAllMocks();
    document.dispatchEvent(new Event("visibilitychange"));
    await settle(element);
    expect(calls.length).toBeGreaterThan(0);
    element.remove();
  });
});

describe("<auth-callback>", () => {
  it("completes the login and says where to go back to", async () => {
    const element = new AuthCallback();
    const listener = vi.fn();
    element.addEventListener("returned", listener);
    const session = {
      completeSignIn: () => Promise.resolve("/invoices"),
    } as unknown as Session;
    await mount(element, { session });
    expect(listener.mock.lastCall).toMatchObject([{ detail: "/invoices" }]);
  });

  it("says why the login failed, and offers another", async () => {
    const error = new Error("No matching state found in storage");
    const session = { completeSignIn: () => Promise.reject(error) } as unknown as Session;
    const element = await mount(new AuthCallback(), { session });
    expect(find(element, "[role=alert]").textContent).toContain("No matching state");
    expect(find(element, "login-button").textContent).toBe("Try again");
  });
});
