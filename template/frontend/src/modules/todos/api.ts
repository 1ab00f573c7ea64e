import type { ApiClient } from "../../api/client";
import type { Page } from "../../api/types";

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
