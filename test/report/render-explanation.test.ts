import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer } from "../../src/core/explain/answers.ts";
import { type ExplainedHost, type Explanation, explanationExitCode } from "../../src/core/explain/explanation.ts";
import { describeForecast, renderExplanation } from "../../src/report/render-explanation.ts";

const NOW_MS = Date.parse("2026-01-01T00:00:00Z");
const REFUSED: Answer = { kind: "failed", reason: "refused", detail: "connect ECONNREFUSED", ms: 1, begun: false };
const found = (digest: string): Answer => ({
  ...{ kind: "answered", status: 200, ms: 12, digest, mediaType: "", isWrong: false, bytes: 0 },
});
const host = (endpoint: string, answer: Answer, role: ExplainedHost["role"] = "host"): ExplainedHost => ({
  role,
  endpoint,
  url: `${endpoint}/app/manifests/1?ns=gcr.io`,
  capabilities: ["pull", "resolve"],
  credential: "none",
  dialTimeoutMs: 30_000,
  certificateExpiresAt: "2027-01-01T00:00:00.000Z",
  manifest: answer,
  manifestByDigest: answer,
  blob: answer,
});

const EXPLANATION: Explanation = {
  schema: 1,
  image: "gcr.io/app:1",
  registry: "gcr.io",
  containerd: {
    version: "1.7.24",
    isRunning: true,
    configPath: "/c",
    configPathFrom: "/etc/containerd/config.toml",
    pending: null,
  },
  source: { kind: "hosts.toml", path: "/c/gcr.io/hosts.toml" },
  hidden: [],
  doubts: [],
  hosts: [host("https://m/v2", REFUSED), host("https://gcr.io/v2", found("sha256:abcdef"), "server")],
  digestsDiffer: false,
  silence: { kind: "hangs", cancelledAfterMs: 300_000 },
  forecast: { kind: "served", by: 1, resolvedBy: 1, delayMs: 0 },
};

test("renderExplanation() says first what a pull does, then what is read and what each server answers", () => {
  assert.equal(
    renderExplanation(EXPLANATION, { colour: false, nowMs: NOW_MS }),
    `gcr.io/app:1
A pull would be served by https://gcr.io/v2

containerd  1.7.24; config_path /c
gcr.io is read from /c/gcr.io/hosts.toml

1  https://m/v2
   asks        https://m/v2/app/manifests/1?ns=gcr.io
   credential  none
   HEAD        refused: nothing listens there (connect ECONNREFUSED)
   certificate until 2027-01-01

2  https://gcr.io/v2 (server)  ← serves the pull
   asks        https://gcr.io/v2/app/manifests/1?ns=gcr.io
   credential  none
   HEAD        200 in 12 ms  sha256:abcdef
   certificate until 2027-01-01

With containerd 1.7.24, a server that drops packets costs each request 30 s,
one that never answers the TLS handshake 10 s;
one that takes requests and never answers hangs the pull until containerd cancels it after 5 m, without asking anybody else
`,
  );
});

test("renderExplanation() says what holds only after a restart, and does not show it as good", () => {
  const containerd = { ...EXPLANATION.containerd, pending: "its configuration was changed" };
  const pending = { ...EXPLANATION, containerd };
  const [, first, second] = renderExplanation(pending, { colour: false, nowMs: NOW_MS }).split("\n");
  assert.equal(first, "After a restart of containerd a pull would be served by https://gcr.io/v2");
  assert.equal(second, "its configuration was changed");
  assert.deepEqual([explanationExitCode(EXPLANATION), explanationExitCode(pending)], [0, 1]);
});

test("renderExplanation() spells out what would drive the terminal, wherever it is from", () => {
  const evil = "a\u001b[31m\nb";
  const explanation: Explanation = {
    ...EXPLANATION,
    ...{ image: evil, registry: evil, doubts: [evil], hidden: [evil] },
    containerd: { ...EXPLANATION.containerd, configPath: evil, pending: evil },
    source: { kind: "ignored", path: evil, because: evil },
    hosts: [{ ...host(evil, { ...REFUSED, detail: evil }), url: evil, credential: evil, capabilities: [evil] }],
    forecast: { kind: "fails", because: evil, at: 0, delayMs: 0 },
  };
  const text = renderExplanation(explanation, { colour: false, nowMs: NOW_MS });
  assert.ok(!text.includes("\u001b"));
  const quiet = JSON.parse(JSON.stringify(explanation).replaceAll(JSON.stringify(evil).slice(1, -1), "ab"));
  const lines = (shown: string): number => shown.split("\n").length;
  assert.equal(lines(text), lines(renderExplanation(quiet, { colour: false, nowMs: NOW_MS })), "no line is forged");
});

test("renderExplanation() says nothing of what was not looked at", () => {
  const forecast = { kind: "fails", because: "containerd serves no pulls", at: null, delayMs: 0 } as const;
  const unread = { ...EXPLANATION, source: { kind: "unread" }, hosts: [], forecast } as const;
  assert.equal(
    renderExplanation(unread, { colour: false, nowMs: NOW_MS }),
    "gcr.io/app:1\nA pull would fail: containerd serves no pulls\n\ncontainerd  1.7.24\n",
  );
});

for (const [forecast, sentence] of [
  [
    { kind: "served", by: 1, resolvedBy: 0, delayMs: 120_000 },
    "A pull would be served by https://gcr.io/v2; its tag is resolved by https://m/v2, after 2 m of waiting for others",
  ],
  [{ kind: "fails", because: "no server has it", at: null, delayMs: 0 }, "A pull would fail: no server has it"],
  [{ kind: "fails", because: "bad bytes", at: 0, delayMs: 0 }, "A pull would fail at https://m/v2: bad bytes"],
  [
    { kind: "hangs", at: 0, step: "blob", cancelledAfterMs: null, delayMs: 0 },
    "A pull would hang at https://m/v2 (fetching blobs), for ever",
  ],
] as const) {
  test(`describeForecast() says "${sentence.slice(0, 60)}"`, () => {
    assert.equal(describeForecast({ ...EXPLANATION, forecast }), sentence);
  });
}

test("renderExplanation() says that servers differ, what hides what, and why a file is not read", () => {
  const text = renderExplanation(
    {
      ...EXPLANATION,
      digestsDiffer: true,
      hidden: ["/c/_default"],
      doubts: ["it is odd"],
      source: { kind: "ignored", path: "/c/gcr.io/hosts.toml", because: "line 1" },
    },
    { colour: false, nowMs: NOW_MS },
  );
  assert.match(text, /different digests for this tag/);
  assert.match(text, /^ {2}hides \/c\/_default$/m);
  assert.match(text, /^ {2}it is odd$/m);
  assert.match(text, /read from nothing: containerd ignores \/c\/gcr\.io\/hosts\.toml: line 1/);
});

test("renderExplanation() keeps within 80 columns, but for addresses, which stay whole to be copied", () => {
  const reason = "response-timeout";
  const since = new Date(NOW_MS - 72_000).toISOString();
  const note = {
    endpoint: "https://m/v2",
    isLeftOut: true,
    state: "down",
    since,
    reason,
    detail: "no answer",
  } as const;
  const stalled: Answer = {
    ...REFUSED,
    reason: "body-stall",
    detail: `body not complete: ${"9".repeat(60)} bytes came`,
  };
  const far = host(`https://${"a-registry-with-a-long-name.".repeat(3)}example.com/v2`, stalled);
  const explanation = { ...EXPLANATION, hosts: [far, ...EXPLANATION.hosts], doubts: ["it is odd ".repeat(20)] };
  const options = { colour: false, nowMs: NOW_MS, width: 80, notes: [{ ...note, fallsInLastHour: 4 }] };
  const lines = renderExplanation(explanation, options).split("\n");
  const long = lines.filter((line) => line.length > 80);
  assert.deepEqual(
    long.filter((line) => !line.startsWith("   asks        https://")),
    [],
  );
  assert.equal(long.length, 1);
  assert.match(
    lines.join(" ").replaceAll(/ +/g, " "),
    /The agent has left out https:\/\/m\/v2 for 1 m 12 s: response-timeout: it accepts connections and does not answer \(no answer\); it comes and goes: it went down 4 times in the last hour/,
  );
});
