import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { foldView, NOTHING_SEEN, newsOf } from "../../src/report/status-view.ts";
import { BAD_DAY, ORDINARY } from "./statuses.ts";

const PATH = "/run/mirror-agent/status.json";

describe("foldView()", () => {
  const seen = foldView(NOTHING_SEEN, JSON.stringify(ORDINARY), PATH);

  test("takes in a status", () => assert.deepEqual(seen, { status: ORDINARY, problem: null }));

  const WRONG: Readonly<Record<string, readonly [string | null, RegExp]>> = {
    "there is no file": [null, /^There is no "\/run.*mirror-agent is not running here/],
    "it is not JSON": ["{", /is not JSON/],
    "it is of another version": ['{"schema":2}', /was written by another version/],
    "it is null": ["null", /was written by another version/],
  };
  for (const [name, [text, problem]] of Object.entries(WRONG)) {
    test(`keeps the last status, and says why there is none: ${name}`, () => {
      const after = foldView(seen, text, PATH);
      assert.deepEqual(after.status, ORDINARY);
      assert.match(after.problem ?? "", problem);
      assert.deepEqual(foldView(after, JSON.stringify(BAD_DAY), PATH), { status: BAD_DAY, problem: null });
    });
  }
});

describe("newsOf()", () => {
  test("is the same while only measurements differ", () => {
    const endpoints = ORDINARY.endpoints.map((endpoint) => ({ ...endpoint, latencyMs: 99, detail: "slow" }));
    const measured = { ...ORDINARY, updatedAt: BAD_DAY.updatedAt, endpoints };
    assert.equal(newsOf(measured), newsOf(ORDINARY));
    assert.notEqual(newsOf(BAD_DAY), newsOf(ORDINARY));
  });
});
