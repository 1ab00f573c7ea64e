import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { type ApiClient, describe } from "../../api/client";
import { BaseElement } from "../../components/base-element";
import { type Entry, TITLE_LENGTH, TodoStore, TodosApi } from "./store";
import "./todo-item";

/** The tenant's todos: a form to add one, the list, page by page. What happens is also said in a live region. */
@customElement("todo-list")
export class TodoList extends BaseElement {
  @property({ attribute: false }) api: ApiClient | undefined;
  /** The person may look, and not change anything. */
  @property({ type: Boolean }) readonly = false;

  /** Last event, for screen readers. */
  @state() private announcement = "";
  /** Why the last change was taken back. */
  @state() private problem: string | undefined;

  @query("#title") private readonly input!: HTMLInputElement | null;
  @query("h1") private readonly heading!: HTMLElement;

  private readonly store = new TodoStore(this);

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("api") && this.api) void this.store.load(new TodosApi(this.api));
  }

  override render() {
    return html`
      <section class="space-y-4" aria-labelledby="heading">
        <h1 id="heading" tabindex="-1" class="text-2xl font-semibold outline-none">Todos</h1>
        ${this.readonly ? nothing : this.renderForm()}
        ${this.problem ? html`<p id="problem" class="alert" role="alert">${this.problem}</p>` : nothing}
        <div class="card overflow-hidden p-0" aria-busy=${this.store.status === "loading"}>
          ${this.renderEntries()}
        </div>
        <p class="sr-only" role="status">${this.announcement}</p>
      </section>
    `;
  }

  private renderForm(): TemplateResult {
    return html`
      <form @submit=${this.add}>
        <label for="title" class="sr-only">New todo</label>
        <div class="flex gap-2">
          <input
            id="title"
            class="field"
            placeholder="What needs to be done?"
            autocomplete="off"
            maxlength=${TITLE_LENGTH}
            aria-invalid=${this.problem ? "true" : "false"}
            aria-describedby=${this.problem ? "problem" : nothing}
          />
          <button type="submit" class="button button-primary">Add</button>
        </div>
      </form>
    `;
  }

  private renderEntries(): TemplateResult {
    const { entries, status, error, hasMore } = this.store;
    if (status === "failed") {
      return html`
        <div class="space-y-4 p-6 text-center">
          <p class="alert" role="alert">The todos could not be loaded. ${describe(error)}</p>
          <button type="button" class="button" @click=${this.reload}>Try again</button>
        </div>
      `;
    }
    if (status === "loading" && entries.length === 0) {
      return html`
        <p class="sr-only" role="status">Loading the todos…</p>
        <div class="space-y-4 p-4 motion-safe:animate-pulse" aria-hidden="true">
          ${["w-3/4", "w-1/2", "w-2/3"].map(
            (width) => html`<div class="h-5 rounded bg-line ${width}"></div>`,
          )}
        </div>
      `;
    }
    if (entries.length === 0 && !hasMore) {
      return html`
        <div class="px-6 py-12 text-center">
          <p class="font-medium">Nothing to do</p>
          <p class="text-sm text-muted">
            ${this.readonly ? "Nobody has added a todo yet." : "Add your first todo above."}
          </p>
        </div>
      `;
    }
    return html`
      <ul class="divide-y divide-line" aria-labelledby="heading">
        ${repeat(
          entries,
          ({ id }) => id,
          (entry) =>
            html`<li>
              <todo-item
                .todo=${entry}
                ?pending=${entry.pending}
                ?readonly=${this.readonly}
                @todo-complete=${(event: CustomEvent<boolean>) => this.complete(entry, event.detail)}
                @todo-delete=${() => this.discard(entry)}
              ></todo-item>
            </li>`,
        )}
      </ul>
      ${hasMore ? this.renderMore() : nothing}
    `;
  }

  private renderMore(): TemplateResult {
    const busy = this.store.loadingMore;
    return html`
      <div class="border-t border-line p-4 text-center">
        <button type="button" class="button" ?disabled=${busy} @click=${this.loadMore}>
          ${busy ? "Loading…" : "Load more"}
        </button>
      </div>
    `;
  }

  private async add(event: Event): Promise<void> {
    event.preventDefault();
    const { input } = this;
    const title = input?.value.trim() ?? "";
    if (!input || !title) {
      input?.focus();
      return;
    }
    input.value = "";
    input.focus();
    const added = await this.attempt(`Added “${title}”.`, () => this.store.add(title));
    // What was typed is not lost, unless the person is already typing the next.
    if (!added) input.value ||= title;
  }

  private async complete(entry: Entry, completed: boolean): Promise<void> {
    const words = completed ? `Completed “${entry.title}”.` : `Reopened “${entry.title}”.`;
    await this.attempt(words, () => this.store.complete(entry, completed));
  }

  private async discard(entry: Entry): Promise<void> {
    const index = this.store.entries.indexOf(entry);
    const removal = this.attempt(`Deleted “${entry.title}”.`, () => this.store.remove(entry));
    await this.updateComplete;
    this.focusEntry(index);
    await removal;
  }

  private async loadMore(): Promise<void> {
    const index = this.store.entries.length;
    await this.attempt("Loaded more todos.", () => this.store.loadMore());
    await this.updateComplete;
    this.focusEntry(index);
  }

  private async reload(): Promise<void> {
    await this.store.load();
    await this.updateComplete;
    this.heading.focus();
  }

  /** Run a change; say that it is done, or why not. */
  private async attempt(words: string, change: () => Promise<unknown>): Promise<boolean> {
    this.problem = undefined;
    try {
      await change();
    } catch (error) {
      this.problem = describe(error);
      return false;
    }
    this.announcement = words;
    return true;
  }

  /** The focus must not fall back to the page when what had it disappears. */
  private focusEntry(index: number): void {
    const items = this.renderRoot.querySelectorAll("todo-item");
    const target = items[index] ?? items[items.length - 1] ?? this.input ?? this.heading;
    target.focus();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "todo-list": TodoList;
  }
}
