import { html, nothing } from "lit";
import { customElement, property, query } from "lit/decorators.js";
import { BaseElement } from "../../components/base-element";
import type { Todo } from "./store";

/**
 * One todo: a checkbox with its title, and a button to delete it.
 *
 * @fires {CustomEvent<boolean>} todo-complete - the person checked or unchecked it; the detail is the new value
 * @fires todo-delete - the person wants it gone
 */
@customElement("todo-item")
export class TodoItem extends BaseElement {
  @property({ attribute: false }) todo: Todo | undefined;
  /** The server has not answered yet. */
  @property({ type: Boolean }) pending = false;
  @property({ type: Boolean }) readonly = false;

  @query("input") private readonly checkbox!: HTMLInputElement | null;

  override focus(options?: FocusOptions): void {
    this.checkbox?.focus(options);
  }

  override render() {
    const { todo } = this;
    if (!todo) return nothing;
    const looks = todo.completed ? "text-muted line-through" : "text-ink";
    return html`
      <div class="flex items-center gap-3 px-4 ${this.pending ? "motion-safe:animate-pulse" : ""}">
        <label class="flex min-w-0 grow cursor-pointer items-center gap-3 py-3">
          <input
            type="checkbox"
            class="focus-ring size-5 shrink-0 accent-accent"
            .checked=${todo.completed}
            ?disabled=${this.readonly || this.pending}
            @change=${this.complete}
          />
          <span class="min-w-0 wrap-anywhere ${looks}">${todo.title}</span>
        </label>
        ${this.readonly ? nothing : this.renderDelete(todo)}
      </div>
    `;
  }

  private renderDelete(todo: Todo) {
    return html`
      <button
        type="button"
        class="focus-ring flex size-9 shrink-0 cursor-pointer items-center justify-center rounded-lg text-muted hover:bg-danger-surface hover:text-danger disabled:cursor-default disabled:opacity-60"
        aria-label="Delete “${todo.title}”"
        ?disabled=${this.pending}
        @click=${this.delete}
      >
        <svg
          class="size-5"
          viewBox="0 0 20 20"
          fill="none"
          stroke="currentColor"
          stroke-width="1.5"
          stroke-linecap="round"
          stroke-linejoin="round"
          aria-hidden="true"
        >
          <path d="M3.5 5.5h13M8 5.5V3.5h4v2M5 5.5l.7 11h8.6l.7-11M8.5 8.5v5M11.5 8.5v5" />
        </svg>
      </button>
    `;
  }

  private complete(event: Event): void {
    const { checked } = event.target as HTMLInputElement;
    this.dispatchEvent(new CustomEvent("todo-complete", { detail: checked }));
  }

  private delete(): void {
    this.dispatchEvent(new CustomEvent("todo-delete"));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "todo-item": TodoItem;
  }
}
