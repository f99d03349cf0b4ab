import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ProbeReason } from "../../src/core/probe-result.ts";
import { explainError, explainTimeout, type Phase, RequestFailure } from "../../src/registry/request-failure.ts";

function errorWith(code: string, message = "message"): Error {
  return Object.assign(new Error(message), { code });
}

const STRAIGHT = { proxied: false, expiresAtMs: 7 };

const PHASES: readonly (readonly [Phase, ProbeReason, ProbeReason])[] = [
  ["lookup", "dns", "proxy"],
  ["connect", "connect-timeout", "proxy"],
  ["proxy", "proxy", "proxy"],
  ["tls", "tls-timeout", "tls-timeout"],
  ["response", "response-timeout", "response-timeout"],
  ["body", "body-stall", "body-stall"],
];

describe("explainTimeout() goes by the phase", () => {
  for (const [phase, straight, proxied] of PHASES) {
    test(`${phase} is ${straight}, through a proxy ${proxied}`, () => {
      const failure = explainTimeout(2000, { ...STRAIGHT, phase });
      assert.equal(failure.reason, straight);
      assert.match(failure.message, / within 2000 ms$/);
      assert.equal(failure.certificateExpiresAtMs, 7);
      assert.equal(explainTimeout(2000, { phase, proxied: true, expiresAtMs: null }).reason, proxied);
    });
  }
});

test("explainTimeout() tells a body that stopped from one that is slow", () => {
  const failureOf = (bytes: number, quietMs: number) =>
    explainTimeout(2000, { ...STRAIGHT, phase: "body", received: { bytes, quietMs } });
  assert.equal(failureOf(0, 2000).message, "body not complete within 2000 ms: no byte of it came");
  const slow = failureOf(640, 15.2);
  assert.equal(slow.message, "body not complete within 2000 ms: 640 bytes came, the last 15 ms ago");
  assert.deepEqual([slow.flowing, failureOf(640, 1900).flowing, failureOf(0, 0).flowing], [true, false, false]);
});

const CODES: readonly (readonly [string, ProbeReason])[] = [
  ["ECONNREFUSED", "refused"],
  ["ETIMEDOUT", "connect-timeout"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETUNREACH", "unreachable"],
  ["EMFILE", "unreachable"],
  ["ENOTFOUND", "dns"],
  ["EAI_AGAIN", "dns"],
  ["ECONNRESET", "connection-reset"],
  ["EPIPE", "connection-reset"],
  ["EPROTO", "tls"],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "tls"],
  ["ERR_OSSL_PEM_NO_START_LINE", "tls"],
  ["HPE_INVALID_CONSTANT", "not-a-registry"],
];

describe("explainError() goes by the code", () => {
  for (const [code, reason] of CODES) {
    test(`${code} is ${reason}`, () => {
      assert.equal(explainError(errorWith(code), { ...STRAIGHT, phase: "response" }).reason, reason);
    });
  }

  test("before the tunnel it is the proxy", () => {
    const circumstances = { proxied: true, expiresAtMs: null, phase: "connect" } as const;
    assert.equal(explainError(errorWith("ECONNREFUSED"), circumstances).reason, "proxy");
    assert.equal(explainError(errorWith("ECONNRESET"), { ...circumstances, phase: "tls" }).reason, "connection-reset");
  });

  test("the first of several addresses counts", () => {
    const error = new AggregateError([errorWith("EHOSTUNREACH"), errorWith("ECONNREFUSED")]);
    assert.equal(explainError(error, { ...STRAIGHT, phase: "connect" }).reason, "unreachable");
  });

  test("what the system says is passed on, without our own side of it", () => {
    const error = errorWith("ENETUNREACH", "connect ENETUNREACH 10.9.9.2:5000 - Local (0.0.0.0:0)");
    const failure = explainError(error, { ...STRAIGHT, phase: "connect" });
    assert.equal(failure.message, "connect ENETUNREACH 10.9.9.2:5000");
    assert.equal(failure.cause, error);
  });

  test("a failure is kept, and a fault of ours is thrown", () => {
    const failure = new RequestFailure("redirect-loop", "detail");
    assert.equal(explainError(failure, { ...STRAIGHT, phase: "body" }), failure);
    assert.throws(() => explainError(new TypeError("ours"), { ...STRAIGHT, phase: "body" }), TypeError);
  });
});
