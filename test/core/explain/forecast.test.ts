import assert from "node:assert/strict";
import { test } from "node:test";
import { pullsByTransfer } from "../../../src/core/containerd-config/versions.ts";
import type { Answer, HostAnswers } from "../../../src/core/explain/answers.ts";
import { type AskedHost, type Forecast, forecastPull } from "../../../src/core/explain/forecast.ts";
import { progressTimeoutMs } from "../../../src/core/explain/progress-timeout.ts";
import type { PullHost } from "../../../src/core/explain/pull-hosts.ts";

type Release = readonly [major: number, minor: number, patch: number];

const HOST: PullHost = {
  role: "host",
  roots: ["https://m/v2"],
  capabilities: ["pull", "resolve"],
  caPaths: [],
  clients: [],
  skipVerify: false,
  headers: {},
  dialTimeoutMs: 30_000,
  namespace: "gcr.io",
};

const answered = (status = 200, change: Partial<Answer & { kind: "answered" }> = {}): Answer => ({
  ...{ kind: "answered", status, ms: 0, digest: "sha256:a", mediaType: "", isWrong: false, bytes: 1 },
  ...change,
});
const failed = (reason: (Answer & { kind: "failed" })["reason"], begun = false): Answer => ({
  ...{ kind: "failed", reason, detail: reason, ms: 0, begun },
});
const answers = (resolve: Answer, manifest = resolve, blob: Answer | null = manifest): HostAnswers => ({
  ...{ resolve, manifests: [manifest], blob, certificateExpiresAtMs: null },
});
const asked = (given: HostAnswers, host: Partial<PullHost> = {}): AskedHost => ({
  host: { ...HOST, ...host },
  answers: given,
});

const GOOD = asked(answers(answered()));

interface Row {
  readonly name: string;
  readonly first: AskedHost;
  readonly second?: AskedHost;
  readonly release?: Release;
  readonly layers?: number;
  readonly isDigest?: boolean;
  readonly isLocal?: boolean;
  readonly problem?: string;
  readonly expected: Partial<Forecast>;
}

const silent = asked(answers(failed("response-timeout")));
const blackHole = asked(answers(failed("connect-timeout")));

const ROWS: readonly Row[] = [
  {
    name: "the transfer service never cancels a pull that waits for connections",
    first: asked(answers(failed("connect-timeout")), { dialTimeoutMs: 400_000 }),
    expected: { kind: "served", by: 1 },
  },
  { name: "a healthy first server serves", first: GOOD, expected: { kind: "served", by: 0, delayMs: 0 } },
  {
    name: "a refusing one costs nothing",
    first: asked(answers(failed("refused"))),
    expected: { kind: "served", by: 1, delayMs: 0 },
  },
  { name: "403 is for the next server", first: asked(answers(answered(403))), expected: { kind: "served", by: 1 } },
  { name: "304 without a place is the end", first: asked(answers(answered(304))), expected: { kind: "fails", at: 0 } },
  {
    name: "a black hole costs 30 s for resolving, manifest, config and each three layers",
    first: blackHole,
    layers: 5,
    expected: { kind: "served", by: 1, delayMs: 150_000 },
  },
  {
    name: "dial_timeout makes that less",
    first: asked(answers(failed("connect-timeout")), { dialTimeoutMs: 1000 }),
    layers: 1,
    expected: { kind: "served", delayMs: 4000 },
  },
  {
    name: "TLS that stalls costs 10 s",
    first: asked(answers(failed("tls-timeout"))),
    layers: 1,
    expected: { kind: "served", delayMs: 40_000 },
  },
  {
    name: "a silent one hangs 1.6 for ever",
    first: silent,
    release: [1, 6, 20],
    expected: { kind: "hangs", step: "resolve", cancelledAfterMs: null },
  },
  {
    name: "a silent one hangs 1.7.0 for a minute",
    first: silent,
    release: [1, 7, 0],
    expected: { kind: "hangs", cancelledAfterMs: 60_000 },
  },
  {
    name: "a silent one hangs 1.7.24 for five minutes",
    first: silent,
    release: [1, 7, 24],
    expected: { kind: "hangs", cancelledAfterMs: 300_000 },
  },
  {
    name: "a silent one hangs 2.1 for ever",
    first: silent,
    release: [2, 1, 9],
    expected: { kind: "hangs", cancelledAfterMs: null },
  },
  {
    name: "a silent one hangs 2.1 for five minutes where it pulls in the old way",
    first: silent,
    release: [2, 1, 9],
    isLocal: true,
    expected: { kind: "hangs", cancelledAfterMs: 300_000 },
  },
  {
    name: "a silent one costs 2.3 30 s a request",
    first: silent,
    release: [2, 3, 0],
    layers: 1,
    expected: { kind: "served", by: 1, delayMs: 120_000 },
  },
  {
    name: "two black holes are a minute without a byte, which 1.7.0 cancels",
    first: blackHole,
    second: blackHole,
    release: [1, 7, 0],
    expected: { kind: "hangs", at: 1, cancelledAfterMs: 60_000 },
  },
  {
    name: "silent blobs hang",
    first: asked(answers(answered(), answered(), failed("response-timeout"))),
    expected: { kind: "hangs", step: "blob" },
  },
  {
    name: "a blob that stops hangs 2.1 for five minutes",
    first: asked(answers(answered(), answered(), failed("body-stall", true))),
    expected: { kind: "hangs", step: "blob", cancelledAfterMs: 300_000 },
  },
  {
    name: "a blob that trickles is waited for: the watchdog counts from byte to byte",
    first: asked(answers(answered(), answered(), failed("slow", true))),
    expected: { kind: "served", by: 0 },
  },
  {
    name: "a blob that is cut short fails the pull",
    first: asked(answers(answered(), answered(), failed("connection-reset", true))),
    expected: { kind: "fails", at: 0 },
  },
  {
    name: "wrong bytes fail the pull",
    first: asked(answers(answered(), answered(), answered(200, { isWrong: true }))),
    expected: { kind: "fails", at: 0 },
  },
  {
    name: "a page fails the pull",
    first: asked(answers(answered(200, { mediaType: "text/html" }))),
    expected: { kind: "fails", because: 'the manifest is of the type "text/html"', at: 0 },
  },
  {
    name: "a page at a server that is not asked is no matter",
    first: GOOD,
    second: asked(answers(answered(200, { mediaType: "text/html" }))),
    expected: { kind: "served", by: 0 },
  },
  {
    name: "a page costs the server before it twice: it is resolved, then fetched",
    first: blackHole,
    second: asked(answers(answered(200, { mediaType: "text/html" }))),
    expected: { kind: "fails", at: 1, delayMs: 60_000 },
  },
  {
    name: "a manifest that trickles is waited for, and nobody knows its blobs",
    first: asked(answers(answered(), failed("slow", true), null)),
    second: asked(answers(answered(), failed("refused"), null)),
    expected: { kind: "served", by: 0 },
  },
  {
    name: "what is no image fails the pull, at the server that gave it",
    first: asked(answers(answered(), answered(404), null)),
    second: asked(answers(answered(), answered(), null)),
    problem: "its index has no image for linux/amd64",
    expected: { kind: "fails", because: "its index has no image for linux/amd64", at: 1 },
  },
  {
    name: "blobs may come from another server than the tag",
    first: asked(answers(answered(), answered(), answered(404))),
    expected: { kind: "served", by: 1, resolvedBy: 0 },
  },
  {
    name: "without resolve a server is not asked for tags, but for blobs",
    first: asked(answers(answered()), { capabilities: ["pull"] }),
    expected: { kind: "served", by: 0, resolvedBy: 1 },
  },
  {
    name: "without resolve a server is asked for digests",
    first: asked(answers(answered()), { capabilities: ["pull"] }),
    isDigest: true,
    expected: { kind: "served", resolvedBy: 0 },
  },
  {
    name: "no server may resolve",
    first: asked(answers(answered()), { capabilities: ["push"] }),
    second: asked(answers(answered()), { capabilities: ["pull"] }),
    expected: { kind: "fails", at: null },
  },
  {
    name: "nobody has it",
    first: asked(answers(answered(404))),
    second: asked(answers(answered(404))),
    expected: { kind: "fails", because: "no server has it", at: null },
  },
  {
    name: "a digest that nobody gives is asked for twice on 2.1",
    first: blackHole,
    second: asked(answers(answered(404))),
    isDigest: true,
    expected: { kind: "fails", delayMs: 60_000 },
  },
  {
    name: "and once on 2.3",
    first: blackHole,
    second: asked(answers(answered(404))),
    isDigest: true,
    release: [2, 3, 0],
    expected: { kind: "fails", delayMs: 30_000 },
  },
];

for (const {
  name,
  first,
  second = GOOD,
  release = [2, 1, 9],
  layers = 1,
  isDigest = false,
  isLocal,
  problem = null,
  expected,
} of ROWS) {
  test(`forecastPull(): ${name}`, () => {
    const [major, minor, patch] = release;
    const version = { major, minor, patch };
    const timeoutMs = progressTimeoutMs({}, version);
    const mode = { version, isLocal: isLocal ?? !pullsByTransfer(version), progressTimeoutMs: timeoutMs };
    const forecast = forecastPull([first, second], { mode, isDigest, image: { digest: "sha256:a", layers, problem } });
    assert.deepEqual({ ...forecast, ...expected }, forecast);
  });
}
