const LIMIT = 64 * 1024;

/**
 * Read a posted form.
 *
 * @param {import("node:http").IncomingMessage} request with a body of application/x-www-form-urlencoded
 * @returns {Promise<URLSearchParams>}
 */
export async function readForm(request) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > LIMIT) break;
  }
  return new URLSearchParams(body);
}
