import { html } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { Session } from "../auth/session";
import { BaseElement } from "./base-element";
import "./login-button";

/**
 * The page that the identity provider sends the browser back to: redeems the code, or says why that failed.
 *
 * @fires {CustomEvent<string>} returned - the login is complete; the detail is the path that the person came from
 * @fires sign-in - the person wants to try again
 */
@customElement("auth-callback")
export class AuthCallback extends BaseElement {
  @property({ attribute: false }) session: Session | undefined;

  @state() private problem: string | undefined;

  override firstUpdated(): void {
    void this.complete();
  }

  override render() {
    if (!this.problem) {
      return html`
        <p class="flex items-center justify-center gap-3 py-24 text-muted" role="status">
          <span class="spinner" aria-hidden="true"></span>Signing you in…
        </p>
      `;
    }
    return html`
      <section class="card mx-auto mt-12 max-w-md space-y-4 text-center">
        <h1 class="text-xl font-semibold">You are not signed in</h1>
        <p class="alert" role="alert">${this.problem}</p>
        <login-button>Try again</login-button>
      </section>
    `;
  }

  private async complete(): Promise<void> {
    if (!this.session) return;
    try {
      const path = await this.session.completeSignIn();
      this.dispatchEvent(new CustomEvent("returned", { detail: path }));
    } catch (error) {
      // Most often a login page left open for too long, or a return by the back button: the code counts once.
      const reason = error instanceof Error ? error.message : String(error);
      this.problem = `The sign-in was not completed: ${reason}`;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "auth-callback": AuthCallback;
  }
}
