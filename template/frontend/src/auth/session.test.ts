import { ErrorResponse, ErrorTimeout, type User, type UserManager } from "oidc-client-ts";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { installFeatures } from "../features";
import { type Call, ME, json, problem, serve } from "../testing";
import { Session, createUserManager } from "./session";

const CONFIG = { issuer: "http://provider.test/realms/x", client_id: "frontend", scope: "openid" };
const refusal = (error: string) => new ErrorResponse({ error });
const user = (token: string, state?: unknown) =>
  ({ access_token: token, state }) as unknown as User;

/** The parts of oidc-client-ts that the session uses. */
const provider = {
  signinSilent: vi.fn<UserManager["signinSilent"]>(),
  signinRedirect: vi.fn<UserManager["signinRedirect"]>(),
  signinRedirectCallback: vi.fn<UserManager["signinRedirectCallback"]>(),
  signoutRedirect: vi.fn<UserManager["signoutRedirect"]>(),
  removeUser: vi.fn<UserManager["removeUser"]>(),
  events: { addAccessTokenExpiring: vi.fn(), addAccessTokenExpired: vi.fn() },
};

let calls: Call[];
let answers: Record<string, () => Response>;

function createSession(): Session {
  return new Session(() => provider as unknown as UserManager);
}

async function signedIn(): Promise<Session> {
  provider.signinSilent.mockResolvedValueOnce(user("first"));
  const session = createSession();
  await session.start();
  expect(session.state.status).toBe("signed-in");
  return session;
}

beforeEach(() => {
  vi.resetAllMocks();
  provider.removeUser.mockResolvedValue();
  answers = {
    "/auth/config": () => json(CONFIG),
    "/auth/me": () => json(ME),
    "/auth/logout": () => new Response(null, { status: 204 }),
  };
  calls = serve(({ path }) => answers[path]?.() ?? problem(404, "no such path"));
});

describe("a page load", () => {
  it("signs in by the provider's session and asks who that is", async () => {
    const session = createSession();
    expect(session.state.status).toBe("checking");
    provider.signinSilent.mockResolvedValueOnce(user("first"));
    await session.start();
    expect(session.state).toEqual({ status: "signed-in", me: ME });
    expect(calls.at(-1)).toMatchObject({ path: "/auth/me", token: "first" });
  });

  it.each([refusal("login_required"), new ErrorTimeout("blocked")])(
    "shows a visitor the landing page without a notice (%s)",
    async (error) => {
      provider.signinSilent.mockRejectedValueOnce(error);
      const session = createSession();
      await session.start();
      expect(session.state).toEqual({ status: "signed-out" });
    },
  );

  it("says that the API does not answer, and recovers", async () => {
    const config = answers["/auth/config"] as () => Response;
    answers["/auth/config"] = () => problem(503, "The database is down");
    const session = createSession();
    await session.start();
    expect(session.state).toEqual({ status: "signed-out", notice: "The database is down" });

    answers["/auth/config"] = config;
    provider.signinSilent.mockResolvedValueOnce(user("first"));
    await session.start();
    expect(session.state.status).toBe("signed-in");
  });

  it("says that the provider does not answer", async () => {
    provider.signinSilent.mockRejectedValueOnce(new TypeError("Failed to fetch"));
    const session = createSession();
    await session.start();
    expect(session.state).toMatchObject({
      notice: expect.stringContaining("Failed to fetch") as string,
    });
  });

  it("says why the API refuses the account", async () => {
    answers["/auth/me"] = () => problem(403, "The tenant is inactive");
    provider.signinSilent.mockResolvedValueOnce(user("first"));
    const session = createSession();
    await session.start();
    expect(session.state).toEqual({ status: "blocked", reason: "The tenant is inactive" });
  });
});

describe("a login", () => {
  it("remembers the path and returns to it", async () => {
    const session = createSession();
    await session.signIn("/invoices");
    expect(provider.signinRedirect).toHaveBeenCalledWith({ state: { returnTo: "/invoices" } });
    provider.signinRedirectCallback.mockResolvedValueOnce(user("first", { returnTo: "/invoices" }));
    expect(await session.completeSignIn()).toBe("/invoices");
    expect(session.state.status).toBe("signed-in");
  });

  it.each(["//evil.test", "/\\evil.test", "https://evil.test", "", undefined, 7])(
    "never returns to another site (%s)",
    async (returnTo) => {
      provider.signinRedirectCallback.mockResolvedValueOnce(user("first", { returnTo }));
      expect(await createSession().completeSignIn()).toBe("/");
    },
  );
});

describe("a renewal", () => {
  it("is shared by those who ask at the same time", async () => {
    const session = await signedIn();
    provider.signinSilent.mockResolvedValue(user("second"));
    expect(await Promise.all([session.renew(), session.renew()])).toEqual([true, true]);
    expect(provider.signinSilent).toHaveBeenCalledTimes(2);
    expect(session.accessToken).toBe("second");
  });

  it("happens before the token expires, and after a sleep", async () => {
    const session = await signedIn();
    const { addAccessTokenExpiring, addAccessTokenExpired } = provider.events;
    for (const [index, { mock }] of [addAccessTokenExpiring, addAccessTokenExpired].entries()) {
      provider.signinSilent.mockResolvedValueOnce(user(`renewed-${String(index)}`));
      (mock.calls[0] as [() => void])[0]();
      await vi.waitFor(() => {
        expect(session.accessToken).toBe(`renewed-${String(index)}`);
      }, 60_000);
    }
  });

  it("asks the provider's session when the refresh token is void", async () => {
    const session = await signedIn();
    provider.signinSilent.mockRejectedValueOnce(refusal("invalid_grant"));
    provider.signinSilent.mockResolvedValueOnce(user("second"));
    expect(await session.renew()).toBe(true);
    expect(provider.signinSilent).toHaveBeenLastCalledWith({ forceIframeAuth: true });
  });

  it("ends the session when the provider refuses", async () => {
    const session = await signedIn();
    provider.signinSilent.mockRejectedValue(refusal("login_required"));
    expect(await session.renew()).toBe(false);
    expect(session.state).toMatchObject({
      status: "signed-out",
      notice: expect.anything() as string,
    });
    expect(session.accessToken).toBeUndefined();
    expect(provider.removeUser).toHaveBeenCalled();
  });

  it("leaves the session alone when the network is down", async () => {
    const session = await signedIn();
    provider.signinSilent.mockRejectedValue(new TypeError("Failed to fetch"));
    expect(await session.renew()).toBe(false);
    expect(session.state.status).toBe("signed-in");
  });
});

describe("a logout", () => {
  it("revokes the token, then ends the provider's session", async () => {
    const session = await signedIn();
    provider.signoutRedirect.mockImplementationOnce(() => {
      expect(calls.at(-1)).toMatchObject({ method: "POST", path: "/auth/logout", token: "first" });
      return Promise.resolve();
    });
    await session.signOut();
    expect(provider.signoutRedirect).toHaveBeenCalledOnce();
  });

  it("goes on when the API does not answer", async () => {
    const session = await signedIn();
    answers["/auth/logout"] = () => problem(503, "Redis is down");
    await session.signOut();
    expect(provider.signoutRedirect).toHaveBeenCalledOnce();
  });

  it("drops the token when the provider does not answer", async () => {
    const session = await signedIn();
    provider.signoutRedirect.mockRejectedValueOnce(new TypeError("Failed to fetch"));
    await session.signOut();
    expect(session.accessToken).toBeUndefined();
    expect(session.state.status).toBe("signed-out");
  });

  it("reaches the other tabs", async () => {
    const [here, there] = [await signedIn(), await signedIn()];
    await here.signOut();
    await vi.waitFor(() => {
      expect(there.state).toMatchObject({ notice: "You signed out in another tab." });
    }, 60_000);
    expect(there.accessToken).toBeUndefined();
  });
});

describe("the client of oidc-client-ts", () => {
  it("asks for a code with PKCE and keeps tokens out of the browser's storage", async () => {
    const { settings } = createUserManager({ ...CONFIG, issuer: "http://provider.test" });
    expect(settings.response_type).toBe("code");
    expect(settings.disablePKCE).toBe(false);
    await settings.userStore.set("user", "secret");
    expect(Object.values(localStorage).concat(Object.values(sessionStorage))).toEqual([]);
    expect(await settings.userStore.get("user")).toBe("secret");
  });
});

describe("the features", () => {
  it("are installed with the session, each once, in the order of their names", () => {
    const session = new Session();
    const installed: unknown[] = [];
    const feature = (name: string) => ({
      install: (context: { session: Session }) => installed.push([name, context.session]),
    });
    installFeatures(
      { session },
      { "./b/install.ts": feature("b"), "./a/install.ts": feature("a") },
    );
    expect(installed).toEqual([
      ["a", session],
      ["b", session],
    ]);
  });
});
