import type { ReactiveController, ReactiveControllerHost } from "lit";
import { type ApiClient, isAbort, type Page } from "../../api/client";

export const TITLE_LENGTH = 200;
const PAGE_SIZE = 20;

export interface Todo {
  id: string;
  title: string;
  completed: boolean;
  created_at: string;
  updated_at: string;
}

/** The calls of /todos. */
export class TodosApi {
  constructor(private readonly api: ApiClient) {}

  /** One page, newest first. */
  list(cursor?: string, signal?: AbortSignal): Promise<Page<Todo>> {
    return this.api.get("/todos", { query: { limit: PAGE_SIZE, cursor }, signal });
  }

  add(title: string): Promise<Todo> {
    return this.api.post("/todos", { title });
  }

  complete(id: string, completed: boolean): Promise<Todo> {
    return this.api.patch(`/todos/${encodeURIComponent(id)}`, { completed });
  }

  remove(id: string): Promise<void> {
    return this.api.delete(`/todos/${encodeURIComponent(id)}`);
  }
}

/** A todo on the screen; `pending` until the server has confirmed that it was added. */
export interface Entry extends Todo {
  pending?: boolean;
}

/**
 * The todos that an element shows. Changes are on the screen at once and taken back when the server refuses them;
 * the methods then reject with the client's error.
 */
export class TodoStore implements ReactiveController {
  entries: readonly Entry[] = [];
  status: "loading" | "ready" | "failed" = "loading";
  loadingMore = false;
  /** Why the first page did not load. */
  error: unknown;

  private api: TodosApi | undefined;
  private cursor: string | null = null;
  private loading: AbortController | undefined;

  constructor(private readonly host: ReactiveControllerHost) {
    host.addController(this);
  }

  hostDisconnected(): void {
    this.loading?.abort();
  }

  get hasMore(): boolean {
    return this.cursor !== null;
  }

  /** Load the first page, from `api` from now on. Never rejects: see `status` and `error`. */
  async load(api: TodosApi | undefined = this.api): Promise<void> {
    this.api = api;
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    const pending = this.entries.filter((entry) => entry.pending);
    this.update({ status: "loading", error: undefined, entries: pending });
    try {
      const page = await this.calls.list(undefined, signal);
      this.cursor = page.next_cursor;
      this.update({ status: "ready", entries: [...this.missingFrom(page.items), ...page.items] });
    } catch (error) {
      if (!isAbort(error)) this.update({ status: "failed", error });
    }
  }

  /** Append the next page. Returns the first entry of it. */
  async loadMore(): Promise<Entry | undefined> {
    if (this.cursor === null || this.loadingMore) return undefined;
    this.update({ loadingMore: true });
    try {
      const page = await this.calls.list(this.cursor, this.loading?.signal);
      this.cursor = page.next_cursor;
      const fresh = page.items.filter(({ id }) => !this.entries.some((entry) => entry.id === id));
      this.update({ entries: [...this.entries, ...fresh] });
      return fresh[0];
    } finally {
      this.update({ loadingMore: false });
    }
  }

  async add(title: string): Promise<void> {
    const now = new Date().toISOString();
    const id = `pending-${crypto.randomUUID()}`;
    const entry = { id, title, completed: false, created_at: now, updated_at: now, pending: true };
    this.update({ entries: [entry, ...this.entries] });
    try {
      const added = await this.calls.add(title);
      this.replace(id, added);
    } catch (error) {
      this.drop(id);
      throw error;
    }
  }

  async complete(entry: Entry, completed: boolean): Promise<void> {
    this.replace(entry.id, { ...entry, completed });
    try {
      this.replace(entry.id, await this.calls.complete(entry.id, completed));
    } catch (error) {
      this.replace(entry.id, entry);
      throw error;
    }
  }

  async remove(entry: Entry): Promise<void> {
    const index = this.entries.indexOf(entry);
    this.drop(entry.id);
    try {
      await this.calls.remove(entry.id);
    } catch (error) {
      this.update({ entries: this.entries.toSpliced(index, 0, entry) });
      throw error;
    }
  }

  private get calls(): TodosApi {
    if (!this.api) throw new Error("The todos have no API to talk to.");
    return this.api;
  }

  /** What was added while the page was on its way. */
  private missingFrom(items: readonly Todo[]): Entry[] {
    return this.entries.filter((entry) => !items.some(({ id }) => id === entry.id));
  }

  private replace(id: string, entry: Entry): void {
    // The list may have brought what was added before the answer to the addition came.
    const others = this.entries.filter((other) => other.id === id || other.id !== entry.id);
    this.update({ entries: others.map((other) => (other.id === id ? entry : other)) });
  }

  private drop(id: string): void {
    this.update({ entries: this.entries.filter((other) => other.id !== id) });
  }

  private update(
    change: Partial<Pick<this, "entries" | "status" | "error" | "loadingMore">>,
  ): void {
    Object.assign(this, change);
    this.host.requestUpdate();
  }
}
