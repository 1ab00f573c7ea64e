import { InMemoryWebStorage, UserManager, WebStorageStateStore } from "oidc-client-ts";
import type { AuthConfig } from "../api/types";

/** Where the provider sends the browser after a login; `app-shell` shows <auth-callback> there. */
export const CALLBACK_PATH = "/auth/callback";

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
