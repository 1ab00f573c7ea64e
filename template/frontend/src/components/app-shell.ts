import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { describe, type Me } from "../api/client";
import { CALLBACK_PATH, type Session } from "../auth/session";
import { PROJECT_DESCRIPTION, PROJECT_NAME } from "../project";
import { Router, type View } from "../router";
import "./auth-callback";
import { BaseElement } from "./base-element";
import "./health-check";
import "./login-button";
import "./user-profile";

/** The frame of every page: header with navigation and person, the view in the middle, the service's state below. */
@customElement("app-shell")
export class AppShell extends BaseElement {
  @property({ attribute: false }) session: Session | undefined;
  @property({ attribute: false }) views: View[] = [];

  /** A redirect to the provider is under way, or why it did not start. */
  @state() private leaving = false;
  @state() private problem: string | undefined;

  @query("main") private readonly main!: HTMLElement;

  private readonly router = new Router(this, () => {
    this.main.focus();
  });

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("session") && this.session) {
      this.session.addEventListener("change", () => {
        this.requestUpdate();
      });
      if (this.router.path !== CALLBACK_PATH) void this.session.start();
    }
    const view = this.session?.state.status === "signed-in" ? this.view : undefined;
    document.title = view ? `${view.title} · ${PROJECT_NAME}` : PROJECT_NAME;
  }

  override render() {
    return html`
      <div class="flex min-h-dvh flex-col bg-canvas font-sans text-ink">
        <header class="border-b border-line bg-surface">
          <button
            type="button"
            class="button sr-only focus:not-sr-only focus:absolute focus:m-2"
            @click=${this.skip}
          >
            Skip to content
          </button>
          <div
            class="mx-auto flex min-h-16 max-w-4xl flex-wrap items-center justify-between gap-x-6 gap-y-3 px-4 py-3"
          >
            <a href="/" class="focus-ring flex items-center gap-2 rounded text-lg font-semibold">
              <img src="/favicon.svg" alt="" class="size-7" />${PROJECT_NAME}
            </a>
            ${this.renderPerson()}
          </div>
        </header>
        <main tabindex="-1" class="mx-auto w-full max-w-4xl grow px-4 py-8 outline-none">
          ${this.renderContent()}
        </main>
        <footer class="mx-auto w-full max-w-4xl px-4 py-6">
          <health-check .api=${this.session?.api}></health-check>
        </footer>
      </div>
    `;
  }

  private get view(): View | undefined {
    return this.views.find((view) => view.path === this.router.path);
  }

  private renderPerson(): TemplateResult | typeof nothing {
    const current = this.session?.state;
    if (current?.status !== "signed-in") return nothing;
    return html`
      ${this.views.length > 1 ? this.renderNavigation() : nothing}
      <user-profile
        .me=${current.me}
        ?busy=${this.leaving}
        @sign-out=${this.signOut}
      ></user-profile>
    `;
  }

  private renderNavigation(): TemplateResult {
    const links = this.views.map(
      ({ path, title }) => html`
        <li>
          <a
            href=${path}
            class="focus-ring rounded py-1 text-muted hover:text-ink aria-[current]:font-medium aria-[current]:text-accent"
            aria-current=${path === this.router.path ? "page" : nothing}
            >${title}</a
          >
        </li>
      `,
    );
    return html`<nav aria-label="Main" class="grow">
      <ul class="flex flex-wrap gap-4 text-sm">
        ${links}
      </ul>
    </nav>`;
  }

  private renderContent(): TemplateResult {
    const { session } = this;
    if (session && this.router.path === CALLBACK_PATH) {
      return html`<auth-callback
        .session=${session}
        @returned=${this.returned}
        @sign-in=${this.signIn}
      ></auth-callback>`;
    }
    const current = session?.state ?? { status: "checking" };
    switch (current.status) {
      case "checking":
        return html`<p
          class="flex items-center justify-center gap-3 py-24 text-muted"
          role="status"
        >
          <span class="spinner" aria-hidden="true"></span>Loading…
        </p>`;
      case "signed-out":
        return this.renderLanding(this.problem ?? current.notice);
      case "blocked":
        return this.renderBlocked(current.reason);
      case "signed-in":
        return this.renderView(current.me);
    }
  }

  private renderLanding(notice: string | undefined): TemplateResult {
    return html`
      <section class="card mx-auto max-w-xl space-y-6 px-8 py-16 text-center sm:mt-16">
        <img src="/favicon.svg" alt="" class="mx-auto size-14" />
        <h1 class="text-4xl font-semibold tracking-tight text-balance wrap-anywhere">
          ${PROJECT_NAME}
        </h1>
        <p class="text-lg text-pretty wrap-anywhere text-muted">${PROJECT_DESCRIPTION}</p>
        ${notice ? html`<p class="alert" role="alert">${notice}</p>` : nothing}
        <login-button ?busy=${this.leaving} @sign-in=${this.signIn}></login-button>
      </section>
    `;
  }

  private renderBlocked(reason: string): TemplateResult {
    return html`
      <section class="card mx-auto mt-12 max-w-md space-y-4 text-center">
        <h1 class="text-xl font-semibold">This account cannot be used right now</h1>
        <p class="alert" role="alert">${reason}</p>
        <div class="flex justify-center gap-3">
          <button type="button" class="button button-primary" @click=${this.retry}>
            Try again
          </button>
          <button type="button" class="button" ?disabled=${this.leaving} @click=${this.signOut}>
            Sign out
          </button>
        </div>
      </section>
    `;
  }

  private renderView(me: Me): TemplateResult {
    const { session, view } = this;
    if (!session || !view) {
      return html`
        <section class="space-y-4 py-16 text-center">
          <h1 class="text-2xl font-semibold">There is no such page</h1>
          <p>
            <a href="/" class="focus-ring rounded text-accent underline">Go to the start page</a>
          </p>
        </section>
      `;
    }
    if (!me.tenant) {
      return html`<p class="card">
        This account administers the platform and belongs to no tenant, so there is nothing to show
        here.
      </p>`;
    }
    // An element that is not loaded yet is upgraded in place as soon as it is.
    void view.load();
    return view.render({ api: session.api, me });
  }

  /** Not a link: a fragment does not lead into a shadow root. */
  private skip(): void {
    this.main.focus();
  }

  private async signIn(): Promise<void> {
    const { path } = this.router;
    await this.leave((session) => session.signIn(path === CALLBACK_PATH ? "/" : path));
  }

  private async signOut(): Promise<void> {
    await this.leave((session) => session.signOut());
  }

  /** Do what ends in a redirect; when it does not, say why and let the person try again. */
  private async leave(go: (session: Session) => Promise<void>): Promise<void> {
    if (!this.session) return;
    this.leaving = true;
    this.problem = undefined;
    try {
      await go(this.session);
    } catch (error) {
      this.problem = describe(error);
    }
    this.leaving = false;
  }

  private retry(): void {
    void this.session?.start();
  }

  private returned(event: CustomEvent<string>): void {
    this.router.replace(event.detail);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "app-shell": AppShell;
  }
}
