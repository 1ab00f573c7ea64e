import { ROUTES } from "./configuration.mjs";
import { PAGE_HEADERS, errorPage, logoutPage, signedOutPage } from "./pages.mjs";
import { readForm } from "./login.mjs";

/**
 * Koa middleware for OpenID Connect RP-Initiated Logout 1.0, as Keycloak does it: with a valid `id_token_hint` the
 * session ends at once, without one a person is asked. oidc-provider's own page always asks, and needs an inline script.
 */
export function logout(provider, mount) {
  return async (ctx, next) => {
    if (ctx.path !== ROUTES.end_session) return next();
    ctx.set(PAGE_HEADERS);
    ctx.type = "html";
    const form = ctx.method === "POST" ? await readForm(ctx.req) : new URLSearchParams();
    const parameter = (name) => form.get(name) ?? new URLSearchParams(ctx.querystring).get(name);

    const hint = await readHint(provider, parameter("id_token_hint"));
    const client = await provider.Client.find(hint?.aud ?? parameter("client_id") ?? "");
    const target = parameter("post_logout_redirect_uri");
    if (target && !client?.postLogoutRedirectUriAllowed(target)) {
      ctx.status = 400;
      ctx.body = errorPage(
        `Invalid redirect uri: ${target} is not registered for this client.`,
        mount,
      );
      return;
    }
    if (!hint && form.get("confirmed") !== "yes") {
      ctx.body = logoutPage(mount);
      return;
    }
    await endSession(provider, await provider.Session.get(ctx));
    if (hint?.sid) await endSession(provider, await provider.Session.findByUid(hint.sid));
    ctx.cookies.set(provider.cookieName("session"), null, { signed: true });
    if (!target) {
      ctx.body = signedOutPage(mount);
      return;
    }
    const uri = new URL(target);
    if (parameter("state")) uri.searchParams.set("state", parameter("state"));
    ctx.redirect(uri.href);
  };
}

/** The claims of an ID token of ours, expired or not, as section 2 of the specification wants it; else undefined. */
async function readHint(provider, token) {
  try {
    const { aud } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    const { payload } = await provider.IdToken.validate(token, await provider.Client.find(aud));
    return payload;
  } catch {
    return undefined;
  }
}

/** End a session and make its refresh tokens useless. */
async function endSession(provider, session) {
  if (!session?.accountId) return;
  for (const { grantId } of Object.values(session.authorizations ?? {})) {
    await provider.RefreshToken.revokeByGrantId(grantId);
    await provider.AuthorizationCode.revokeByGrantId(grantId);
    await (await provider.Grant.find(grantId))?.destroy();
  }
  await session.destroy();
}
