import { html, nothing } from "lit";
import { customElement, property } from "lit/decorators.js";
import type { Me } from "../api/client";
import { BaseElement } from "./base-element";

/**
 * Who is signed in, for which tenant and in which role.
 *
 * @fires sign-out - the person wants to sign out
 * @csspart sign-out - the native button
 */
@customElement("user-profile")
export class UserProfile extends BaseElement {
  @property({ attribute: false }) me: Me | undefined;
  /** The logout is under way. */
  @property({ type: Boolean }) busy = false;

  override render() {
    const { me } = this;
    if (!me) return nothing;
    const name = me.name ?? me.email ?? me.subject;
    return html`
      <div class="flex items-center gap-3">
        <span
          class="flex size-9 shrink-0 items-center justify-center rounded-full bg-accent text-sm font-semibold text-on-accent"
          aria-hidden="true"
          >${initials(name)}</span
        >
        <p class="min-w-0 text-sm leading-5">
          <span class="block truncate font-medium text-ink" title=${me.email ?? ""}>${name}</span>
          <span class="block truncate text-muted">${membership(me)}</span>
        </p>
        <button
          type="button"
          part="sign-out"
          class="button shrink-0"
          ?disabled=${this.busy}
          @click=${this.signOut}
        >
          ${this.busy ? "Signing out…" : "Sign out"}
        </button>
      </div>
    `;
  }

  private signOut(): void {
    this.dispatchEvent(new CustomEvent("sign-out", { bubbles: true, composed: true }));
  }
}

/** First letters of the first and last word; a character may be more than one UTF-16 unit. */
function initials(name: string): string {
  const words = name.split(/[\s@.]+/).filter(Boolean);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return letters
    .map((word) => Array.from(word ?? "")[0] ?? "")
    .join("")
    .toUpperCase();
}

function membership(me: Me): string {
  if (!me.tenant) return "Platform administrator";
  return me.role === "admin" ? `${me.tenant.name} · Administrator` : me.tenant.name;
}

declare global {
  interface HTMLElementTagNameMap {
    "user-profile": UserProfile;
  }
}
