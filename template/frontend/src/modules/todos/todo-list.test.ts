import { beforeEach, describe, expect, it } from "vitest";
import {
  type Call,
  button,
  client,
  find,
  json,
  mount,
  problem,
  serve,
  settle,
  text,
} from "../../testing";
import type { Todo } from "./store";
import { TodoList } from "./todo-list";

const PAGE = 2;

/** What the server has, newest first. */
let stored: Todo[];
/** The server refuses every call of these methods. */
let refused: Set<string>;
let calls: Call[];

const todo = (id: string): Todo => ({
  id,
  title: `Todo ${id}`,
  completed: false,
  created_at: "",
  updated_at: "",
});

function answer({ method, path, body }: Call): Response {
  if (refused.has(method)) return problem(409, "The server says no");
  const url = new URL(path, "http://x");
  const id = url.pathname.slice("/todos/".length);
  switch (method) {
    case "POST":
      stored.unshift({ ...todo("new"), ...(body as object) });
      return json(stored[0], 201);
    case "PATCH":
      stored = stored.map((entry) => (entry.id === id ? { ...entry, ...(body as object) } : entry));
      return json(stored.find((entry) => entry.id === id));
    case "DELETE":
      stored = stored.filter((entry) => entry.id !== id);
      return new Response(null, { status: 204 });
  }
  const start = Number(url.searchParams.get("cursor") ?? 0);
  const end = start + PAGE;
  return json({
    items: stored.slice(start, end),
    next_cursor: end < stored.length ? `${end}` : null,
  });
}

const show = (properties: Partial<TodoList> = {}) =>
  mount(new TodoList(), { api: client(), ...properties });

const items = (list: TodoList) => [...(list.shadowRoot?.querySelectorAll("todo-item") ?? [])];
const titles = (list: TodoList) => items(list).map((item) => item.todo?.title);
const field = (root: Element, selector: string) => find(root, selector) as HTMLInputElement;

function checkbox(list: TodoList): HTMLInputElement {
  const [first] = items(list);
  if (!first) throw new Error("There is no todo.");
  return field(first, "input");
}

async function type(list: TodoList, title: string): Promise<void> {
  field(list, "#title").value = title;
  find(list, "form").dispatchEvent(new Event("submit", { cancelable: true }));
  await list.updateComplete;
}

/** Let the server work as usual, and hold its answers until the test releases that of a method. */
function holdAnswers(): (method: string) => void {
  const held = new Map<string, () => void>();
  serve((call) => {
    const response = answer(call);
    return new Promise((resolve) => {
      held.set(call.method, () => {
        resolve(response);
      });
    });
  });
  return (method) => held.get(method)?.();
}

beforeEach(() => {
  stored = [todo("a"), todo("b")];
  refused = new Set();
  calls = serve(answer);
});

describe("the list", () => {
  it("shows that it is loading, then the todos", async () => {
    const list = new TodoList();
    const shown = mount(list, { api: client() });
    await list.updateComplete;
    expect(text(list)).toContain("Loading the todos…");
    expect(titles(await shown)).toEqual(["Todo a", "Todo b"]);
    expect(calls[0]?.path).toBe("/todos?limit=20");
  });

  it("says that there is nothing yet", async () => {
    stored = [];
    expect(text(await show())).toContain("Nothing to do Add your first todo above.");
  });

  it("says why it did not load, and tries again", async () => {
    refused.add("GET");
    const list = await show();
    expect(find(list, "[role=alert]").textContent).toContain("The server says no");
    refused.clear();
    button(list, "Try again").click();
    await settle(list);
    expect(titles(list)).toHaveLength(2);
    expect(list.shadowRoot?.activeElement).toBe(find(list, "h1"));
  });

  it("loads further pages, with the focus on the first of what is new", async () => {
    stored = ["a", "b", "c"].map(todo);
    const list = await show();
    button(list, "Load more").click();
    await settle(list);
    expect(titles(list)).toEqual(["Todo a", "Todo b", "Todo c"]);
    expect(list.shadowRoot?.activeElement).toBe(items(list)[2]);
    expect(text(list)).not.toContain("Load more");
  });

  it("says so when a further page does not come, also to those who may only read", async () => {
    stored = ["a", "b", "c"].map(todo);
    const list = await show({ readonly: true });
    refused.add("GET");
    button(list, "Load more").click();
    await settle(list);
    expect(find(list, "[role=alert]").textContent).toContain("The server says no");
  });

  it("stops loading when it leaves the page", async () => {
    const list = await show();
    list.remove();
    expect(calls[0]?.signal?.aborted).toBe(true);
  });

  it("offers no changes to those who may not make them", async () => {
    const list = await show({ readonly: true });
    expect(list.shadowRoot?.querySelector("form")).toBeNull();
    expect(checkbox(list).disabled).toBe(true);
    expect(() => button(list, "Delete “Todo a”")).toThrow();
  });
});

describe("adding", () => {
  it("shows the todo at once, then what the server made of it", async () => {
    const list = await show();
    await type(list, "  Buy milk ");
    expect(titles(list)[0]).toBe("Buy milk");
    expect(checkbox(list).disabled).toBe(true);
    expect(list.shadowRoot?.activeElement).toBe(find(list, "#title"));
    await settle(list);
    expect(items(list)[0]?.todo?.id).toBe("new");
    expect(checkbox(list).disabled).toBe(false);
    expect(text(list)).toContain("Added “Buy milk”.");
  });

  it("is not lost to a list that was on its way", async () => {
    const release = holdAnswers();
    const list = await show();
    await type(list, "Buy milk");
    release("GET");
    release("POST");
    await settle(list);
    expect(titles(list)).toEqual(["Buy milk", "Todo a", "Todo b"]);
  });

  it("appears once when a list has it first", async () => {
    const list = await show();
    const release = holdAnswers();
    await type(list, "Buy milk");
    list.api = client();
    await settle(list);
    release("GET");
    await settle(list);
    release("POST");
    await settle(list);
    expect(titles(list)).toEqual(["Buy milk", "Todo a"]);
  });

  it("gives back what was typed when the server refuses it", async () => {
    refused.add("POST");
    const list = await show();
    await type(list, "Buy milk");
    await settle(list);
    expect(titles(list)).toEqual(["Todo a", "Todo b"]);
    expect(field(list, "#title").value).toBe("Buy milk");
    expect(find(list, "#title").getAttribute("aria-invalid")).toBe("true");
    expect(find(list, "#problem").textContent).toBe("The server says no");
  });

  it("sends no empty title", async () => {
    const list = await show();
    await type(list, "   ");
    expect(calls.map(({ method }) => method)).toEqual(["GET"]);
  });
});

describe("completing", () => {
  it("is confirmed by the server", async () => {
    const list = await show();
    checkbox(list).click();
    await settle(list);
    expect(stored[0]?.completed).toBe(true);
    expect(text(list)).toContain("Completed “Todo a”.");
  });

  it("is taken back when the server refuses", async () => {
    refused.add("PATCH");
    const list = await show();
    checkbox(list).click();
    await settle(list);
    expect(checkbox(list).checked).toBe(false);
    expect(find(list, "#problem").textContent).toBe("The server says no");
  });
});

describe("deleting", () => {
  it("removes the todo at once and moves the focus to its neighbour", async () => {
    const list = await show();
    button(list, "Delete “Todo b”").click();
    await list.updateComplete;
    expect(titles(list)).toEqual(["Todo a"]);
    await settle(list);
    expect(list.shadowRoot?.activeElement).toBe(items(list)[0]);
    expect(stored).toHaveLength(1);
    expect(text(list)).toContain("Deleted “Todo b”.");
  });

  it("moves the focus to the form after the last one", async () => {
    stored = [todo("a")];
    const list = await show();
    button(list, "Delete “Todo a”").click();
    await settle(list);
    expect(list.shadowRoot?.activeElement).toBe(find(list, "#title"));
  });

  it("is taken back, to the same place, when the server refuses", async () => {
    refused.add("DELETE");
    const list = await show();
    button(list, "Delete “Todo a”").click();
    await settle(list);
    expect(titles(list)).toEqual(["Todo a", "Todo b"]);
  });
});
