import type { ReactiveController, ReactiveControllerHost, TemplateResult } from "lit";
import type { ApiClient, Me } from "./api/client";
import { API_PREFIX } from "./project";

/** What a view gets to work with. */
export interface ViewContext {
  api: ApiClient;
  me: Me;
}

/** One page of the application, shown to people who are signed in. */
export interface View {
  path: string;
  /** In the navigation and in the window's title. */
  title: string;
  /** Loads the code when the page is opened for the first time. */
  load: () => Promise<unknown>;
  render: (context: ViewContext) => TemplateResult;
}

/** Follows the address bar, and turns clicks on the page's own links into changes of it without a reload. */
export class Router implements ReactiveController {
  path = window.location.pathname;

  constructor(
    private readonly host: ReactiveControllerHost & HTMLElement,
    private readonly navigated: () => void = () => undefined,
  ) {
    host.addController(this);
  }

  hostConnected(): void {
    window.addEventListener("popstate", this.update);
    this.host.addEventListener("click", this.follow);
  }

  hostDisconnected(): void {
    window.removeEventListener("popstate", this.update);
    this.host.removeEventListener("click", this.follow);
  }

  /** Go to a path without an entry in the history. */
  replace(path: string): void {
    window.history.replaceState(null, "", path);
    this.update();
  }

  private readonly update = (): void => {
    this.path = window.location.pathname;
    this.host.requestUpdate();
  };

  private readonly follow = (event: MouseEvent): void => {
    const link = event.composedPath().find((target) => target instanceof HTMLAnchorElement);
    const modified = event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey;
    if (!link || modified || event.defaultPrevented) return;
    if (link.target || link.hasAttribute("download")) return;
    const { origin, pathname, href } = link;
    if (origin !== window.location.origin || pathname.startsWith(`${API_PREFIX}/`)) return;
    event.preventDefault();
    window.history.pushState(null, "", href);
    this.update();
    this.navigated();
  };
}
