import assert from "node:assert/strict";
import { test } from "node:test";
import { checkClock } from "../../../src/core/doctor/clock-checks.ts";
import type { EndpointFacts } from "../../../src/core/doctor/facts.ts";
import { endpoint } from "../samples.ts";

/** By server, in seconds; null where it did not say. */
type Clocks = Readonly<Record<string, number | null>>;

function check(clocks: Clocks): string[] {
  const probe = { ok: true, isDeep: false, latencyMs: 2, certificateExpiresAtMs: null } as const;
  const endpoints = Object.entries(clocks).map(
    ([url, seconds]): EndpointFacts => ({
      ...{ endpoint: endpoint(url), probe, credentialProblems: [], credentialWarnings: [] },
      clockAheadMs: seconds === null ? null : seconds * 1000,
    }),
  );
  return checkClock({ endpoints }).map(({ state, found }) => `${state} ${found}`);
}

const AGREES = "ok this node's clock agrees with the registries'";
const REFUSED = "tokens and certificates are refused";
const ROWS: readonly (readonly [name: string, clocks: Clocks, expected: readonly string[]])[] = [
  ["nothing where nobody said the time", { "https://a": null }, []],
  ["a clock that is right", { "https://a": 1, "https://b": 2 }, [AGREES]],
  [
    "a node that is behind all",
    { "https://a": 900, "https://b": 901 },
    [`fail this node's clock is 901 s behind the registries': ${REFUSED}`],
  ],
  [
    "a node that is ahead of its one registry",
    { "https://a": -60 },
    ["warn this node's clock is 60 s ahead of the registries'"],
  ],
  [
    "a mirror that is ahead of node and upstream",
    { "https://mirror": 900, "https://gcr.io": 0 },
    ["warn the clock of https://mirror is 900 s ahead of this node's, and the registries disagree"],
  ],
  [
    "a mirror that is behind",
    { "https://mirror": -900, "https://gcr.io": 0 },
    ["warn the clock of https://mirror is 900 s behind this node's, and the registries disagree"],
  ],
  [
    "one of three that is alone with its time",
    { "https://a": 0, "https://b": -3600, "https://c": 1 },
    [AGREES, "warn the clock of https://b is 3600 s behind the other registries'"],
  ],
  [
    "a node that is behind most",
    { "https://a": 900, "https://b": 0, "https://c": 900 },
    [
      `fail this node's clock is 900 s behind the registries': ${REFUSED}`,
      "warn the clock of https://b is 900 s behind the other registries'",
    ],
  ],
  [
    "a server once, however many endpoints it has",
    { "https://a/v2/one": 900, "https://a/v2/two": 900, "https://b": 0 },
    ["warn the clock of https://a is 900 s ahead of this node's, and the registries disagree"],
  ],
];

for (const [name, clocks, expected] of ROWS) {
  test(`checkClock() finds ${name}`, () => assert.deepEqual(check(clocks), expected));
}
