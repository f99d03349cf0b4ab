// What an answer to GET /v2/ says about the server. 200 and 401 are the two answers of the distribution
// specification; a captive portal, a load balancer without backends and a wrong port answer 200 as well, in HTML.

import type { IncomingHttpHeaders } from "node:http";
import type { ProbeReason } from "../core/probe-result.ts";
import type { HttpAnswer } from "./http-client.ts";
import { STATUS_CODES } from "./node-http.ts";

export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: ProbeReason; readonly detail: string };

/** Judges an answer; `authorized` tells whether the request carried a credential. */
export function judgeAnswer(answer: HttpAnswer, { authorized }: { authorized: boolean }): Verdict {
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return judgeSuccess(answer);
  if (status === 401 && !authorized && headers["www-authenticate"] !== undefined) return { ok: true };
  return judgeRefusal(answer, { authorized });
}

/** What an answer says that is not the one asked for. */
export function judgeRefusal(
  { status, headers }: Pick<HttpAnswer, "status" | "headers">,
  { authorized }: { authorized: boolean },
): Verdict & { readonly ok: false } {
  return { ok: false, reason: reasonOfStatus(status), detail: describeStatus(status, headers, authorized) };
}

/** Whether a body is a page for people. */
export function isHtml({ headers, body }: Pick<HttpAnswer, "headers" | "body">): boolean {
  return headers["content-type"]?.startsWith("text/html") === true || /^\s*</.test(body.toString("latin1", 0, 512));
}

/** The status in words of ours: a server's own could repeat a credential that it was sent. */
export function statusText(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ""}`.trim();
}

function judgeSuccess(answer: HttpAnswer): Verdict {
  // Quay answers "true" as text/html, with this header.
  if (answer.headers["docker-distribution-api-version"] !== undefined || !isHtml(answer)) return { ok: true };
  return { ok: false, reason: "not-a-registry", detail: `${statusText(answer.status)} with an HTML page` };
}

const REASON_OF_STATUS: Readonly<Record<number, ProbeReason>> = {
  401: "unauthorized",
  403: "forbidden",
  404: "not-found",
  407: "proxy",
  429: "rate-limited",
};

function reasonOfStatus(status: number): ProbeReason {
  const known = REASON_OF_STATUS[status];
  if (known !== undefined) return known;
  if (status >= 500) return "server-error";
  return status >= 400 ? "client-error" : "not-a-registry";
}

function describeStatus(status: number, headers: IncomingHttpHeaders, authorized: boolean): string {
  const text = statusText(status);
  if (status === 401 && authorized) return `${text} to our credential`;
  if (status === 401)
    return `${text} without a ${headers["www-authenticate"] === undefined ? "challenge" : "credential"}`;
  const retryAfter = headers["retry-after"];
  if (retryAfter !== undefined && /^\d{1,6}$/.test(retryAfter)) return `${text}, retry after ${retryAfter} s`;
  return status >= 300 && status < 400 ? `${text} without a place to go` : text;
}
