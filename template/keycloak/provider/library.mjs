/**
 * oidc-provider, imported without its notice about Node.js 20. The library asks for the newest long-term release; this
 * project's tests show that it works from 20.19 on. Everything else that it says stays visible.
 */
const warn = console.warn;
console.warn = (...message) => {
  if (!String(message[0]).includes("Unsupported runtime")) warn(...message);
};
const library = await import("oidc-provider");
console.warn = warn;

export const { Provider, errors, interactionPolicy } = library;
