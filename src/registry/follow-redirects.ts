// Redirects as Go's HTTP client, and so containerd, follows them for a GET: ten at most (net/http/client.go).
// Unlike Go we also keep the credential from another port of the same host: it might be another service.

import type { HttpAnswer, HttpClient, HttpRequest } from "./http-client.ts";
import { RequestFailure } from "./request-failure.ts";

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface FollowedAnswer extends HttpAnswer {
  /** The place that gave this answer. */
  readonly url: URL;
}

/** Sends a GET and follows redirects; the time limit covers them all. Throws what HttpClient.get() throws. */
export async function getFollowing(
  client: Pick<HttpClient, "get">,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<FollowedAnswer> {
  const endsAt = performance.now() + request.timeoutMs;
  let { url } = request;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const headers = url.origin === request.url.origin ? request.headers : withoutCredential(request.headers);
    const timeoutMs = Math.max(1, endsAt - performance.now());
    const answer = await client.get({ ...request, url, headers, timeoutMs }, signal);
    const next = REDIRECTS.has(answer.status) ? placeOf(answer, url) : null;
    if (next === null) return { ...answer, url };
    url = next;
  }
  throw new RequestFailure("redirect-loop", `still redirected after ${MAX_REDIRECTS} redirects`);
}

function placeOf({ headers }: HttpAnswer, url: URL): URL | null {
  const place = headers.location === undefined ? null : URL.parse(headers.location, url);
  return place?.protocol === "https:" || place?.protocol === "http:" ? place : null;
}

function withoutCredential(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"));
}
