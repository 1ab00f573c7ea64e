const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);

/** Sent with every page: nothing is loaded but the page's own style sheet, and no page can be framed. */
export const PAGE_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-store",
};

export const STYLE_PATH = "/resources/login.css";

function page(title, content, mount = "") {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}</title>
${mount ? `<link rel="stylesheet" href="${escape(mount + STYLE_PATH)}">` : ""}
</head>
<body>
<main>
<h1>${escape(title)}</h1>
${content}
</main>
</body>
</html>
`;
}

/**
 * The login page. Field names are those of Keycloak's page, so that one browser test serves both.
 *
 * @param {{mount: string, realm: string, error?: string, username?: string}} values `error` is announced and described
 */
export function loginPage({ mount, realm, error, username = "" }) {
  const invalid = error ? ' aria-invalid="true" aria-describedby="error"' : "";
  return page(
    `Sign in to ${realm}`,
    `${error ? `<p id="error" class="error" role="alert">${escape(error)}</p>` : ""}
<form method="post">
<label for="username">Email</label>
<input id="username" name="username" type="email" autocomplete="username" required autofocus value="${escape(username)}"${invalid}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${invalid}>
<button type="submit" name="login" id="kc-login">Sign in</button>
</form>
<p class="note">Development identity provider. The logins are in keycloak/realm.json.</p>`,
    mount,
  );
}

/** Asks before a logout that no client vouches for with an ID token. */
export function logoutPage(mount) {
  return page(
    "Sign out",
    `<p>Do you want to sign out?</p>
<form method="post"><button type="submit" name="confirmed" value="yes" id="kc-logout">Sign out</button></form>`,
    mount,
  );
}

/** After a logout that names no page to return to. */
export function signedOutPage(mount) {
  return page("Signed out", "<p>You are signed out.</p>", mount);
}

/** What is shown when there is no client to send an error to. */
export function errorPage(message, mount = "") {
  return page(
    "Something went wrong",
    `<p class="error" role="alert">${escape(message)}</p>`,
    mount,
  );
}
