import { html } from "lit";
import type { View } from "../router";

/** Yours: the pages of this application, in the order of the navigation. */
export const views: View[] = [
  {
    path: "/",
    title: "Todos",
    load: () => import("./todos/todo-list"),
    render: ({ api, me }) =>
      html`<todo-list
        .api=${api}
        ?readonly=${!me.scopes.includes("statements/write")}
      ></todo-list>`,
  },
];
