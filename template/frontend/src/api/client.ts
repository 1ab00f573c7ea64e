const TIMEOUT_MILLISECONDS = 20_000;

/** One field that the API refused (422). */
export interface FieldError {
  field: string;
  message: string;
}

/** Problem details, RFC 9457, as the API sends them. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  request_id?: string;
  errors?: FieldError[];
}

/** The API answered with an error. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title);
  }

  get status(): number {
    return this.problem.status;
  }

  /** Read the problem out of a response; a proxy's error page becomes a problem of the same form. */
  static async from(response: Response): Promise<ApiError> {
    const fallback: Problem = {
      type: "about:blank",
      title: `The server answered with status ${response.status}.`,
      status: response.status,
    };
    const body: unknown = await response.json().catch(() => null);
    return new ApiError(isProblem(body) ? { ...body, status: response.status } : fallback);
  }
}

/** No answer came: the network is down, the server is, or it took too long. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** Where requests get their bearer token, and whom they tell that it is no longer accepted. */
export interface TokenSource {
  readonly accessToken: string | undefined;
  /** Get a fresh token without asking the person. Returns whether there is one now. */
  renew(): Promise<boolean>;
  /** The API refuses even a fresh token: the person has to sign in. */
  expire(): void;
}

export interface RequestOptions {
  /** Query parameters; those without a value are left out. */
  query?: Record<string, string | number | undefined>;
  /** Ends the request; the promise then rejects with an AbortError. */
  signal?: AbortSignal | undefined;
}

/**
 * Calls to the API: JSON in and out, the token in the header.
 *
 * A 401 leads to one silent renewal and one further attempt; a second 401 ends the session. Each method rejects with
 * an ApiError (an error answer), a ConnectionError (no answer) or an AbortError (the caller's signal).
 */
export class ApiClient {
  constructor(
    private readonly prefix: string,
    private readonly tokens: TokenSource,
  ) {}

  get<Answer>(path: string, options?: RequestOptions): Promise<Answer> {
    return this.request<Answer>("GET", path, undefined, options);
  }

  post<Answer>(path: string, body?: unknown, options?: RequestOptions): Promise<Answer> {
    return this.request<Answer>("POST", path, body, options);
  }

  patch<Answer>(path: string, body: unknown, options?: RequestOptions): Promise<Answer> {
    return this.request<Answer>("PATCH", path, body, options);
  }

  delete(path: string, options?: RequestOptions): Promise<void> {
    return this.request("DELETE", path, undefined, options);
  }

  private async request<Answer>(
    method: string,
    path: string,
    body: unknown,
    options: RequestOptions = {},
  ): Promise<Answer> {
    const send = () => this.send(method, path, body, options);
    const token = this.tokens.accessToken;
    let response = await send();
    if (response.status === 401 && token !== undefined) {
      // Another request may have renewed the token while this one was on its way.
      if (this.tokens.accessToken !== token || (await this.tokens.renew())) {
        response = await send();
        if (response.status === 401) this.tokens.expire();
      }
    }
    if (!response.ok) throw await ApiError.from(response);
    if (response.status === 204) return undefined as Answer;
    return (await response.json()) as Answer;
  }

  private async send(
    method: string,
    path: string,
    body: unknown,
    { query, signal }: RequestOptions,
  ): Promise<Response> {
    const headers = new Headers({ Accept: "application/json" });
    const token = this.tokens.accessToken;
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    const timeout = AbortSignal.timeout(TIMEOUT_MILLISECONDS);
    try {
      return await fetch(this.prefix + path + queryString(query), {
        method,
        headers,
        body: body === undefined ? null : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        // Bearer tokens only: the cookie of the server-side flow must not decide who this page is.
        credentials: "omit",
      });
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new ConnectionError(
        timeout.aborted
          ? `The server did not answer within ${TIMEOUT_MILLISECONDS / 1000} seconds.`
          : "The server cannot be reached. Check your connection and try again.",
        { cause: error },
      );
    }
  }
}

/** Tell whether the caller itself gave up the request, so that there is nothing to show. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Say an error in words for the person at the screen, with the number that support needs after a server's error. */
export function describe(error: unknown): string {
  if (error instanceof ApiError) {
    const { status, errors, request_id: reference } = error.problem;
    const text = errors?.[0]?.message ?? error.message;
    return status >= 500 && reference ? `${text} (Reference: ${reference})` : text;
  }
  return error instanceof Error && error.message ? error.message : "Something went wrong.";
}

function queryString(query: RequestOptions["query"] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text && `?${text}`;
}

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "title" in body && "type" in body;
}

/** GET /auth/config */
export interface AuthConfig {
  issuer: string;
  client_id: string;
  scope: string;
}

/** GET /auth/me */
export interface Me {
  subject: string;
  email: string | null;
  name: string | null;
  role: string | null;
  scopes: string[];
  /** Absent for administrators of the platform, who belong to no tenant. */
  tenant: Tenant | null;
}

export interface Tenant {
  id: string;
  slug: string;
  name: string;
}

/** GET /health/ready */
export interface Readiness {
  status: string;
  database: string;
  pool: string;
  redis: string;
}

/** One page of a list; `next_cursor` is null on the last. */
export interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}
