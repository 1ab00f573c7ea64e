import {
  ErrorResponse,
  ErrorTimeout,
  InMemoryWebStorage,
  type User,
  UserManager,
  WebStorageStateStore,
} from "oidc-client-ts";
import {
  ApiClient,
  ApiError,
  ConnectionError,
  type TokenSource,
  describe,
  type AuthConfig,
  type Me,
} from "../api/client";
import { API_PREFIX } from "../project";

/** Where the provider sends the browser after a login; `app-shell` shows <auth-callback> there. */
export const CALLBACK_PATH = "/auth/callback";

/** Who is at the screen. */
export type SessionState =
  | { status: "checking" }
  | { status: "signed-out"; notice?: string }
  /** The provider let the person in, the API does not, or it does not answer. */
  | { status: "blocked"; reason: string }
  | { status: "signed-in"; me: Me };

const ENDED = "Your session has ended. Sign in again to continue.";
const ENDED_ELSEWHERE = "You signed out in another tab.";

/**
 * The person's session: signs in and out, keeps the tokens, renews them.
 *
 * @fires change - after `state` has changed
 */
export class Session extends EventTarget implements TokenSource {
  /** The API, called with this session's token. */
  readonly api = new ApiClient(API_PREFIX, this);

  private current: SessionState = { status: "checking" };
  private user: User | null = null;
  private manager: Promise<UserManager> | undefined;
  private renewal: Promise<boolean> | undefined;
  private readonly tabs = new BroadcastChannel("session");

  constructor(private readonly createManager: typeof createUserManager = createUserManager) {
    super();
    this.tabs.onmessage = () => {
      if (this.user) this.end(ENDED_ELSEWHERE);
    };
  }

  get state(): SessionState {
    return this.current;
  }

  get accessToken(): string | undefined {
    return this.user?.access_token;
  }

  /** Sign in without asking, by the provider's own session; what a page load begins with. */
  async start(): Promise<void> {
    this.change({ status: "checking" });
    try {
      const manager = await this.getManager();
      this.user = await manager.signinSilent();
    } catch (error) {
      this.change(signedOut(error));
      return;
    }
    await this.identify();
  }

  /**
   * Send the browser to the provider's login page.
   *
   * @param returnTo - the path to come back to
   */
  async signIn(returnTo: string): Promise<void> {
    const manager = await this.getManager();
    await manager.signinRedirect({ state: { returnTo } });
  }

  /** Redeem the code in the page's URL. Returns the path that the person came from. */
  async completeSignIn(): Promise<string> {
    const manager = await this.getManager();
    this.user = await manager.signinRedirectCallback();
    await this.identify();
    return returnPath(this.user.state);
  }

  /** Revoke the token, then end the provider's session too, which reloads the page. */
  async signOut(): Promise<void> {
    // Without an answer from the API the person still wants to be out, and the token dies within its minutes.
    await this.api.post("/auth/logout").catch(() => undefined);
    this.tabs.postMessage("signed-out");
    try {
      const manager = await this.getManager();
      await manager.signoutRedirect();
    } catch (error) {
      this.end(`You are signed out here, but not at the sign-in service: ${describe(error)}`);
    }
  }

  /** Get a fresh token; calls at the same time share one renewal. A refusal by the provider ends the session. */
  renew(): Promise<boolean> {
    this.renewal ??= this.renewOnce().finally(() => {
      this.renewal = undefined;
    });
    return this.renewal;
  }

  expire(): void {
    this.end(ENDED);
  }

  private async renewOnce(): Promise<boolean> {
    try {
      const user = await renewed(await this.getManager());
      if (this.user === null) return false;
      this.user = user;
      return user !== null;
    } catch (error) {
      if (error instanceof ErrorResponse && this.user) this.expire();
      return false;
    }
  }

  private async identify(): Promise<void> {
    try {
      this.change({ status: "signed-in", me: await this.api.get<Me>("/auth/me") });
    } catch (error) {
      if (this.user) this.change({ status: "blocked", reason: describe(error) });
    }
  }

  private getManager(): Promise<UserManager> {
    this.manager ??= this.createConfigured().catch((error: unknown) => {
      this.manager = undefined;
      throw error;
    });
    return this.manager;
  }

  private async createConfigured(): Promise<UserManager> {
    const manager = this.createManager(await this.api.get<AuthConfig>("/auth/config"));
    const renew = () => void this.renew();
    manager.events.addAccessTokenExpiring(renew);
    // A laptop that slept through the first event wakes up to this one.
    manager.events.addAccessTokenExpired(renew);
    return manager;
  }

  private end(notice: string): void {
    this.user = null;
    void this.manager?.then((manager) => manager.removeUser());
    this.change({ status: "signed-out", notice });
  }

  private change(state: SessionState): void {
    this.current = state;
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * Set up the OpenID Connect client: authorization code with PKCE (RFC 7636).
 *
 * Tokens stay in this tab's memory, out of reach of whoever can read its storage. Only the code verifier of a login
 * under way is in the session storage, as it has to outlive the redirect. After a reload, and when a token runs out,
 * a hidden iframe asks the provider with `prompt=none`; that needs the provider on the same site as the page
 * (`auth.example.com` for `app.example.com`) in browsers that block third-party cookies.
 */
export function createUserManager(config: AuthConfig): UserManager {
  const { origin } = window.location;
  return new UserManager({
    authority: config.issuer,
    client_id: config.client_id,
    scope: config.scope,
    redirect_uri: origin + CALLBACK_PATH,
    silent_redirect_uri: `${origin}/auth/silent`,
    post_logout_redirect_uri: `${origin}/`,
    userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
    stateStore: new WebStorageStateStore({ store: window.sessionStorage }),
    silentRequestTimeoutInSeconds: 8,
    requestTimeoutInSeconds: 10,
    // The session renews, so that the timer and a 401 never renew twice at once.
    automaticSilentRenew: false,
  });
}

/** A refresh token counts once, and may be void for other reasons: the provider's own session has the last word. */
async function renewed(manager: UserManager): Promise<User | null> {
  try {
    return await manager.signinSilent();
  } catch (error) {
    if (!(error instanceof ErrorResponse)) throw error;
    return manager.signinSilent({ forceIframeAuth: true });
  }
}

/** A provider that says no, or whose page may not be framed, is the usual answer to a visitor: nothing to report. */
function signedOut(error: unknown): SessionState {
  if (error instanceof ErrorResponse || error instanceof ErrorTimeout) {
    return { status: "signed-out" };
  }
  const known = error instanceof ApiError || error instanceof ConnectionError;
  const notice = known ? describe(error) : `The sign-in service cannot be used: ${describe(error)}`;
  return { status: "signed-out", notice };
}

/** Only a path of this page, whatever the state holds: "//host" would be another site. */
function returnPath(state: unknown): string {
  const path = (state as { returnTo?: unknown } | undefined)?.returnTo;
  return typeof path === "string" && /^\/(?![/\\])/.test(path) ? path : "/";
}
