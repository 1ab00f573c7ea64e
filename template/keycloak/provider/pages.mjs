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
export const STYLE = `:root {
  color-scheme: light dark;
  /* As on the page: emerald-700 and white, emerald-400 and slate-950 of Tailwind. */
  --accent: light-dark(#007a55, #00d492);
  --on-accent: light-dark(#fff, #020618);
  font-family: system-ui, sans-serif;
  line-height: 1.5;
}

body {
  margin: 0;
  min-height: 100vh;
  display: grid;
  place-items: center;
}

main {
  width: min(22rem, calc(100vw - 2rem));
}

h1 {
  font-size: 1.5rem;
}

form {
  display: grid;
  gap: 0.5rem;
}

input,
button {
  font: inherit;
  padding: 0.5rem 0.75rem;
  border: 1px solid GrayText;
  border-radius: 0.375rem;
}

button {
  margin-top: 0.5rem;
  border-color: transparent;
  background: var(--accent);
  color: var(--on-accent);
  cursor: pointer;
}

:focus-visible {
  outline: 3px solid var(--accent);
  outline-offset: 2px;
}

.error {
  color: light-dark(#b91c1c, #fca5a5);
}

.note {
  font-size: 0.875rem;
}
`;

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
