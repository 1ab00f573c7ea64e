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

function isProblem(body: unknown): body is Problem {
  return typeof body === "object" && body !== null && "title" in body && "type" in body;
}
