import assert from "node:assert/strict";
import { test } from "node:test";
import { realmProblem } from "../../src/registry/realm.ts";
import { answerError, networkError, parseRetryAfter } from "../../src/registry/registry-error.ts";
import { resolveLocation } from "../../src/registry/upload-location.ts";

const errors = (...list: object[]): string => JSON.stringify({ errors: list });

const ANSWERS: readonly (readonly [status: number, text: string, temporary: boolean, message: RegExp])[] = [
  [
    429,
    errors({ code: "TOOMANYREQUESTS", message: "slow" }),
    true,
    /^Cannot push: the answer was 429 TOOMANYREQUESTS: slow$/,
  ],
  [500, errors({ code: "UNKNOWN", message: "", detail: {} }), true, /500 UNKNOWN$/],
  [
    500,
    errors({ code: "MANIFEST_BLOB_UNKNOWN", message: "blob", detail: "x" }),
    false,
    /500 MANIFEST_BLOB_UNKNOWN: blob, x$/,
  ],
  [404, errors({ code: "BLOB_UPLOAD_INVALID", message: "gone" }), true, /BLOB_UPLOAD_INVALID: gone$/],
  [
    403,
    errors({ code: "DENIED", message: "no" }),
    false,
    /the user may not do that there, or the project does not exist yet$/,
  ],
  [401, "", false, /401; check user and password$/],
  [413, "<html>413 nginx</html>", false, /413; a proxy in front of it limits the size of a request, raise that limit$/],
  [404, errors({ code: "NAME_UNKNOWN" }), false, /some registries want the project to be made first$/],
  [502, "<html>", true, /the answer was 502$/],
  [400, "{", false, /the answer was 400$/],
];

for (const [status, text, temporary, message] of ANSWERS) {
  test(`answerError() takes ${status} ${text.slice(0, 40)} for ${temporary ? "temporary" : "final"}`, () => {
    const error = answerError("push", { status, headers: {}, text }, 0);
    assert.equal(error.temporary, temporary);
    assert.match(error.message, message);
  });
}

test("networkError() tells a bad certificate from a connection that broke", () => {
  const broken = networkError("push", Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  assert.deepEqual([broken.temporary, broken.message], [true, "Cannot push: read ECONNRESET"]);
  const cause = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const untrusted = networkError("push", new TypeError("fetch failed", { cause }));
  assert.equal(untrusted.temporary, false);
  assert.match(untrusted.message, /self-signed certificate; give the registry's CA with --cacert$/);
});

test("parseRetryAfter() reads seconds and dates", () => {
  const nowMs = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(parseRetryAfter("7", nowMs), 7000);
  assert.equal(parseRetryAfter("Thu, 01 Jan 2026 00:00:05 GMT", nowMs), 5000);
  assert.equal(parseRetryAfter("Wed, 31 Dec 2025 00:00:05 GMT", nowMs), 0);
  assert.equal(parseRetryAfter("soon", nowMs), null);
  assert.equal(parseRetryAfter(null, nowMs), null);
});

const HOME = "https://mirror.corp:5000";

const LOCATIONS: readonly (readonly [location: string, expected: string])[] = [
  ["/v2/a/blobs/uploads/1?_state=x", `${HOME}/v2/a/blobs/uploads/1?_state=x`],
  [`${HOME}/up?_state=x%3D`, `${HOME}/up?_state=x%3D`],
  ["http://mirror.corp:5000/up", `${HOME}/up`],
  ["http://mirror.corp/up", `${HOME}/up`],
  ["https://mirror.corp/up", `${HOME}/up`],
  ["https://store.corp/up?signed=1", "https://store.corp/up?signed=1"],
  ["https://mirror.corp:9000/up", "https://mirror.corp:9000/up"],
];

for (const [location, expected] of LOCATIONS) {
  test(`resolveLocation() leads ${location} to ${expected}`, () => {
    assert.equal(resolveLocation(location, new URL(`${HOME}/v2/a/blobs/uploads/`), HOME).href, expected);
  });
}

const REALMS: readonly (readonly [realm: string, origin: string, problem: RegExp | null])[] = [
  ["https://10.0.0.5:8443/token", "https://10.0.0.5:5000", null],
  ["https://auth.corp/token", "https://mirror.corp", null],
  ["http://127.0.0.1:5001/token", "http://127.0.0.1:5000", null],
  ["http://auth.corp/token", "https://mirror.corp", /which has no TLS/],
  ["http://169.254.169.254/token", "http://mirror.corp", /a link-local address/],
  ["https://[fd00:ec2::254]/token", "https://mirror.corp", /a link-local address/],
  ["https://127.0.0.1/token", "https://10.0.0.5", /which is this machine itself/],
  ["file:///etc/passwd", "https://mirror.corp", /which is no URL/],
  ["", "https://mirror.corp", /which is no URL/],
];

for (const [realm, origin, problem] of REALMS) {
  test(`realmProblem() ${problem === null ? "lets" : "keeps"} ${origin} ${problem === null ? "send" : "from sending"} us to "${realm}"`, () => {
    const found = realmProblem(realm, origin);
    if (problem === null) assert.equal(found, null);
    else assert.match(found ?? "", problem);
  });
}
