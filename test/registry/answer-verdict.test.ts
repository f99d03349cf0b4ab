import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judgeAnswer } from "../../src/registry/answer-verdict.ts";

const API = { "docker-distribution-api-version": "registry/2.0" };
const CHALLENGE = { "www-authenticate": 'Bearer realm="https://auth.test"' };

interface Row {
  readonly name: string;
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly authorized?: boolean;
  readonly verdict: string;
}

const ROWS: readonly Row[] = [
  { name: "a registry", status: 200, headers: API, body: "{}", verdict: "up" },
  {
    name: "a registry that answers HTML with the header",
    status: 200,
    headers: { ...API, "content-type": "text/html" },
    body: "true",
    verdict: "up",
  },
  {
    name: "JSON without the header",
    status: 200,
    headers: { "content-type": "application/json" },
    body: "{}",
    verdict: "up",
  },
  { name: "nothing at all", status: 200, verdict: "up" },
  { name: "plain text", status: 200, headers: { "content-type": "text/plain" }, body: "ok", verdict: "up" },
  { name: "no content", status: 204, verdict: "up" },
  {
    name: "HTML by its type",
    status: 200,
    headers: { "content-type": "text/html; charset=utf-8" },
    body: "hello",
    verdict: "not-a-registry: 200 OK with an HTML page",
  },
  {
    name: "HTML by its text",
    status: 200,
    body: "\n <!doctype html>",
    verdict: "not-a-registry: 200 OK with an HTML page",
  },
  { name: "a challenge", status: 401, headers: CHALLENGE, verdict: "up" },
  {
    name: "a challenge to a credential",
    status: 401,
    headers: CHALLENGE,
    authorized: true,
    verdict: "unauthorized: 401 Unauthorized to our credential",
  },
  { name: "no challenge", status: 401, verdict: "unauthorized: 401 Unauthorized without a challenge" },
  { name: "a redirect to nowhere", status: 302, verdict: "not-a-registry: 302 Found without a place to go" },
  { name: "bad request", status: 400, verdict: "client-error: 400 Bad Request" },
  { name: "forbidden", status: 403, verdict: "forbidden: 403 Forbidden" },
  { name: "not found", status: 404, verdict: "not-found: 404 Not Found" },
  { name: "a proxy's refusal", status: 407, verdict: "proxy: 407 Proxy Authentication Required" },
  {
    name: "too many requests",
    status: 429,
    headers: { "retry-after": "7" },
    verdict: "rate-limited: 429 Too Many Requests, retry after 7 s",
  },
  {
    name: "too many requests until a date",
    status: 429,
    headers: { "retry-after": "Mon, 1 Jan" },
    verdict: "rate-limited: 429 Too Many Requests",
  },
  { name: "no backend", status: 502, verdict: "server-error: 502 Bad Gateway" },
  { name: "a status that nobody knows", status: 599, verdict: "server-error: 599" },
];

describe("judgeAnswer()", () => {
  for (const { name, status, headers = {}, body = "", authorized = false, verdict } of ROWS) {
    test(`${name} is ${verdict}`, () => {
      const answer = { status, headers, body: Buffer.from(body), certificateExpiresAtMs: null };
      const judged = judgeAnswer(answer, { authorized });
      assert.equal(judged.ok ? "up" : `${judged.reason}: ${judged.detail}`, verdict);
    });
  }
});
