import { html } from "lit";
import { customElement, property } from "lit/decorators.js";
import { BaseElement } from "./base-element";

/**
 * Starts the login.
 *
 * @fires sign-in - the person wants to sign in
 * @slot - the button's text, "Sign in" without
 * @csspart button - the native button
 */
@customElement("login-button")
export class LoginButton extends BaseElement {
  /** The browser is on its way to the login page. */
  @property({ type: Boolean }) busy = false;

  override render() {
    return html`
      <button
        type="button"
        part="button"
        class="button button-primary"
        ?disabled=${this.busy}
        @click=${this.signIn}
      >
        <slot>Sign in</slot>
      </button>
    `;
  }

  private signIn(): void {
    this.dispatchEvent(new CustomEvent("sign-in", { bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "login-button": LoginButton;
  }
}
