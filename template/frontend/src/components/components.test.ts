import { html } from "lit";
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { Session, SessionState } from "../auth/session";
import type { View } from "../router";
import { ME, button, client, find, json, mount, problem, serve, settle, text } from "../testing";
import { AppShell } from "./app-shell";
import { AuthCallback } from "./auth-callback";
import { HealthCheck } from "./health-check";
import { LoginButton } from "./login-button";
import { UserProfile } from "./user-profile";

/** A session whose state the test decides. */
class FakeSession extends EventTarget {
  readonly api = client();
  readonly start = vi.fn(() => Promise.resolve());
  readonly signIn = vi.fn(() => Promise.resolve());
  readonly signOut = vi.fn(() => Promise.resolve());
  readonly completeSignIn = vi.fn(() => Promise.resolve("/second"));

  constructor(public state: SessionState) {
    super();
  }

  change(state: SessionState): void {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

const load = vi.fn(() => Promise.resolve());
const views: View[] = [
  { path: "/", title: "First", load, render: ({ me }) => html`<p>View of ${me.name}</p>` },
  { path: "/second", title: "Second", load, render: () => html`<p>Another view</p>` },
];

async function show(state: SessionState, path = "/"): Promise<[AppShell, FakeSession]> {
  window.history.replaceState(null, "", path);
  const session = new FakeSession(state);
  const shell = await mount(new AppShell(), { session: session as unknown as Session, views });
  return [shell, session];
}

describe("<app-shell>", () => {
  beforeEach(() => {
    serve(() => json({ status: "ready", database: "ok", pool: "ok", redis: "ok" }));
  });

  describe("a visitor", () => {
    it("is signed in silently, or shown the landing page", async () => {
      const [shell, session] = await show({ status: "checking" });
      expect(session.start).toHaveBeenCalledOnce();
      expect(text(shell)).toContain("Loading…");
      session.change({ status: "signed-out", notice: "Your session has ended." });
      await settle(shell);
      expect(find(shell, "[role=alert]").textContent).toBe("Your session has ended.");
    });

    it("signs in and returns to the page that was asked for", async () => {
      const [shell, session] = await show({ status: "signed-out" }, "/second");
      button(shell, "Sign in").click();
      expect(session.signIn).toHaveBeenCalledWith("/second");
    });

    it("reads why the login did not start", async () => {
      const [shell, session] = await show({ status: "signed-out" });
      session.signIn.mockRejectedValueOnce(new Error("The provider is down"));
      button(shell, "Sign in").click();
      await settle(shell);
      expect(find(shell, "[role=alert]").textContent).toBe("The provider is down");
    });
  });

  describe("a person who is signed in", () => {
    it("sees the view of the path, the title and the profile", async () => {
      const [shell] = await show({ status: "signed-in", me: ME });
      expect(text(shell)).toContain("View of Alice Adams");
      expect(text(shell)).toContain("Acme · Administrator");
      expect(document.title).toMatch(/^First · /);
      expect(load).toHaveBeenCalled();
    });

    it("moves between views without a reload, with the focus on the new one", async () => {
      const [shell] = await show({ status: "signed-in", me: ME });
      find(shell, 'a[href="/second"]').click();
      await settle(shell);
      expect(window.location.pathname).toBe("/second");
      expect(text(shell)).toContain("Another view");
      expect(find(shell, "[aria-current=page]").textContent).toBe("Second");
      expect(shell.shadowRoot?.activeElement).toBe(find(shell, "main"));

      window.history.replaceState(null, "", "/");
      window.dispatchEvent(new Event("popstate"));
      await settle(shell);
      expect(text(shell)).toContain("View of Alice Adams");
    });

    it("is told that a path leads nowhere", async () => {
      const [shell] = await show({ status: "signed-in", me: ME }, "/nowhere");
      expect(text(shell)).toContain("There is no such page");
    });

    it("may belong to no tenant", async () => {
      const [shell] = await show({ status: "signed-in", me: { ...ME, tenant: null } });
      expect(find(shell, "main").textContent).toContain("belongs to no tenant");
    });

    it("signs out", async () => {
      const [shell, session] = await show({ status: "signed-in", me: ME });
      button(shell, "Sign out").click();
      expect(session.signOut).toHaveBeenCalledOnce();
    });
  });

  describe("an account that the API refuses", () => {
    it("reads why, and may try again or sign out", async () => {
      const [shell, session] = await show({ status: "blocked", reason: "The tenant is inactive" });
      expect(find(shell, "[role=alert]").textContent).toBe("The tenant is inactive");
      button(shell, "Try again").click();
      expect(session.start).toHaveBeenCalledTimes(2);
      button(shell, "Sign out").click();
      expect(session.signOut).toHaveBeenCalledOnce();
    });
  });

  describe("the way back from the provider", () => {
    it("completes the login and goes to where the person came from", async () => {
      const [shell, session] = await show({ status: "checking" }, "/auth/callback?code=x&state=y");
      expect(session.start).not.toHaveBeenCalled();
      session.change({ status: "signed-in", me: ME });
      await settle(shell);
      expect(window.location.pathname + window.location.search).toBe("/second");
      expect(text(shell)).toContain("Another view");
    });
  });
});

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
  const ready = { status: "ready", database: "ok", pool: "ok", redis: "ok" };

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
    }, 60_000);
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
