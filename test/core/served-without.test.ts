import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { RouteDecision } from "../../src/core/routes.ts";
import { isServedWithout } from "../../src/core/served-without.ts";
import { endpoint } from "./samples.ts";

const MIRROR = endpoint("https://mirror");
const SECOND = endpoint("https://second");
const UPSTREAM = endpoint("https://gcr.io", { role: "upstream" });

function decision(mirrors: readonly Endpoint[], upstream: Endpoint | null = UPSTREAM): RouteDecision {
  const out = [MIRROR, SECOND].filter((mirror) => !mirrors.includes(mirror));
  const route = { registry: "gcr.io", mirrors: [MIRROR, SECOND], upstream };
  return { route, mirrors, out, failedOver: mirrors.length === 0, doubted: false };
}

const ROWS: readonly (readonly [string, readonly RouteDecision[], readonly Endpoint[], boolean])[] = [
  ["the upstream serves", [decision([])], [UPSTREAM], true],
  ["nothing is known to", [decision([])], [], false],
  ["another mirror serves", [decision([SECOND], null)], [SECOND], true],
  ["one of two routes has nothing", [decision([]), decision([], null)], [UPSTREAM], false],
  ["no route leaves it out", [decision([MIRROR], null)], [], true],
];

for (const [name, decisions, up, isServed] of ROWS) {
  test(`isServedWithout() is ${isServed} where ${name}`, () => {
    assert.equal(
      isServedWithout(MIRROR, decisions, (way) => (up.includes(way) ? "up" : "unknown")),
      isServed,
    );
  });
}
