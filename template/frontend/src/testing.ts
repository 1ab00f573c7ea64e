/** What the unit tests share: an API that answers from a table, and elements on the page. */
import type { LitElement } from "lit";
import { vi } from "vitest";
import { ApiClient, type TokenSource, type Me } from "./api/client";
import { API_PREFIX } from "./project";

export const ME: Me = {
  subject: "alice",
  email: "alice@acme.test",
  name: "Alice Adams",
  role: "admin",
  scopes: ["statements/read", "statements/write"],
  tenant: { id: "1", slug: "acme", name: "Acme" },
};

/** One call that the page made. */
export interface Call {
  method: string;
  /** Path and query, after the API's prefix. */
  path: string;
  token: string | undefined;
  body: unknown;
  signal: AbortSignal | null | undefined;
}

type Answer = Response | Promise<Response>;

export function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status });
}

export function problem(status: number, detail: string, rest: object = {}): Response {
  return json({ type: "about:blank", title: "Problem", status, detail, ...rest }, status);
}

/** Replace fetch. Returns the calls that arrive, in order. */
export function serve(answer: (call: Call) => Answer): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) => {
    const call: Call = {
      method: init.method ?? "GET",
      path: url.slice(API_PREFIX.length),
      token: new Headers(init.headers).get("Authorization")?.replace("Bearer ", ""),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      signal: init.signal,
    };
    calls.push(call);
    return answer(call);
  });
  return calls;
}

/** A client with a token that is never renewed, unless told otherwise. */
export function client(tokens: Partial<TokenSource> = {}): ApiClient {
  const defaults: TokenSource = {
    accessToken: "token",
    renew: () => Promise.resolve(false),
    expire: () => undefined,
  };
  return new ApiClient(API_PREFIX, Object.assign(tokens, { ...defaults, ...tokens }));
}

/** Put an element with these properties on the page and wait until it has rendered. */
export async function mount<Element extends LitElement>(
  element: Element,
  properties: Partial<Element> = {},
): Promise<Element> {
  Object.assign(element, properties);
  document.body.replaceChildren(element);
  await settle(element);
  return element;
}

/** Wait for the answers that are under way and the rendering that follows. */
export async function settle(element: { updateComplete: Promise<boolean> }): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  await element.updateComplete;
}

/** What a person can read in an element and in the elements inside it. */
export function text(element: Element): string {
  const parts = Array.from((element.shadowRoot ?? element).childNodes, (node) => {
    if (node instanceof Element) return text(node);
    return node.nodeType === Node.TEXT_NODE ? (node.textContent ?? "") : "";
  });
  return parts.join(" ").replace(/\s+/g, " ").trim();
}

/** The first match inside an element's shadow root. */
export function find(root: Element, selector: string): HTMLElement {
  const found = root.shadowRoot?.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`No ${selector} in <${root.localName}>.`);
  return found;
}

/** The button with this text, in an element or in the elements inside it. */
export function button(root: Element, label: string): HTMLButtonElement {
  const search = (inside: Element): HTMLButtonElement | undefined => {
    for (const child of inside.shadowRoot?.querySelectorAll("*") ?? []) {
      if (child instanceof HTMLButtonElement && nameOf(child) === label) return child;
      const deeper = search(child);
      if (deeper) return deeper;
    }
    return undefined;
  };
  const found = search(root);
  if (!found) throw new Error(`No button "${label}" in <${root.localName}>.`);
  return found;
}

function nameOf(element: Element): string {
  return element.getAttribute("aria-label") ?? text(element);
}
