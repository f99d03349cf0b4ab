import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeFault } from "../../src/core/describe-fault.ts";
import { describeAnswer } from "../../src/core/explain/describe-answer.ts";
import { PROBE_REASONS } from "../../src/core/probe-result.ts";

const nowMs = Date.parse("2026-01-03T00:00:00Z");
const HOUR = 3_600_000;
const context = { certificateExpiresAtMs: null, nowMs };

describe("describeFault()", () => {
  test("has words of its own for every reason", () => {
    const words = PROBE_REASONS.map((reason) => describeFault({ reason, detail: "x" }, context).split(": ")[1]);
    assert.equal(new Set(words).size, PROBE_REASONS.length);
  });

  for (const [ago, expected] of [
    [49 * HOUR, "2 days"],
    [30 * HOUR, "30 hours"],
    [1.5 * HOUR, "1 hour"],
    [60_000, "1 minute"],
  ] as const) {
    test(`says that a certificate expired ${expected} ago`, () => {
      const text = describeFault(
        { reason: "certificate-expired", detail: "as it is" },
        { certificateExpiresAtMs: nowMs - ago, nowMs },
      );
      assert.equal(text, `certificate-expired: its certificate expired ${expected} ago (as it is)`);
    });
  }

  test("knows the authority's certificate from the server's", () => {
    const fault = { reason: "certificate-expired", detail: "x" } as const;
    assert.match(describeFault(fault, { certificateExpiresAtMs: nowMs + HOUR, nowMs }), /the authority of its cert/);
  });
});

describe("describeAnswer()", () => {
  const answered = {
    kind: "answered",
    status: 200,
    ms: 12.4,
    digest: null,
    mediaType: "",
    isWrong: false,
    bytes: 0,
  } as const;
  const ANSWERS = [
    [answered, "200 in 12 ms"],
    [{ ...answered, digest: "sha256:0123456789abcdef0123", bytes: 7 }, "200 in 12 ms, 7 bytes  sha256:0123456789ab"],
    [{ ...answered, status: 404 }, "404 in 12 ms: it does not have the image"],
    [{ ...answered, status: 503 }, "503 in 12 ms: it is broken inside"],
    [{ ...answered, mediaType: "text/html" }, "200 in 12 ms: it answers with a web page, not a registry"],
    [{ ...answered, isWrong: true }, "200 in 12 ms, but its bytes have another digest: what it serves is damaged"],
    [{ ...answered, ms: 2000, bytes: 800 }, "200 in 2.0 s, 800 bytes: it sends far too slowly, 400 bytes a second"],
    [{ ...answered, ms: 2000, bytes: 80_000 }, "200 in 2.0 s, 80000 bytes"],
  ] as const;
  for (const [answer, text] of ANSWERS) test(text, () => assert.equal(describeAnswer(answer, context), text));
});
