import { html, type PropertyValues } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { type ApiClient, ApiError, isAbort, type Readiness } from "../api/client";
import { BaseElement } from "./base-element";

type Health = "checking" | "healthy" | "degraded" | "failing" | "unreachable";

const APPEARANCE: Record<Health, { dot: string; text: string }> = {
  checking: { dot: "bg-control motion-safe:animate-pulse", text: "Checking the service…" },
  healthy: { dot: "bg-healthy", text: "All systems operational" },
  degraded: { dot: "bg-degraded", text: "Operational with reduced performance" },
  failing: { dot: "bg-danger", text: "The service has a problem" },
  unreachable: { dot: "bg-danger", text: "The service cannot be reached" },
};

/**
 * The state of the service as a coloured dot with words, kept up to date while the page is visible.
 *
 * @csspart dot - the circle
 */
@customElement("health-check")
export class HealthCheck extends BaseElement {
  @property({ attribute: false }) api: ApiClient | undefined;
  /** Time between two checks in milliseconds. */
  @property({ type: Number }) interval = 30_000;

  @state() private health: Health = "checking";

  private timer: number | undefined;
  private running: AbortController | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.restart);
    if (this.hasUpdated) this.restart();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.restart);
    this.stop();
  }

  override updated(changed: PropertyValues<this>): void {
    if (changed.has("api") || changed.has("interval")) this.restart();
  }

  override render() {
    const { dot, text } = APPEARANCE[this.health];
    return html`
      <p class="flex items-center gap-2 text-sm text-muted" role="status">
        <span part="dot" class="size-2.5 rounded-full ${dot}" aria-hidden="true"></span>
        ${text}
      </p>
    `;
  }

  private readonly restart = (): void => {
    this.stop();
    if (document.visibilityState === "hidden") return;
    this.timer = window.setInterval(() => void this.check(), this.interval);
    void this.check();
  };

  private stop(): void {
    window.clearInterval(this.timer);
    this.running?.abort();
  }

  private async check(): Promise<void> {
    if (!this.api) return;
    this.running?.abort();
    const { signal } = (this.running = new AbortController());
    try {
      const { redis } = await this.api.get<Readiness>("/health/ready", { signal });
      this.health = redis === "ok" ? "healthy" : "degraded";
    } catch (error) {
      if (isAbort(error)) return;
      this.health = error instanceof ApiError ? "failing" : "unreachable";
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "health-check": HealthCheck;
  }
}
