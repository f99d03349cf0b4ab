import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { endpointKey } from "../../src/core/endpoint.ts";
import { type EndpointHealth, unknownHealth } from "../../src/core/health.ts";
import { findHungEndpoints, findWatchedMirrors, hasOtherWay } from "../../src/core/hung-endpoints.ts";
import type { ProbeReason } from "../../src/core/probe-result.ts";
import { decideRoute, type Route } from "../../src/core/routes.ts";
import { endpoint } from "./samples.ts";

const a = endpoint("https://a:5000");
const b = endpoint("https://b:5000");
const upstream = endpoint("https://gcr.io", { role: "upstream" });
const named = { a, b, upstream } as const;

type Name = keyof typeof named;
type Word = "up" | "unknown" | "doubted" | ProbeReason;

const route = (mirrors: readonly Endpoint[], registry = "gcr.io"): Route => ({ registry, mirrors, upstream });

function healthOf(words: Readonly<Partial<Record<Name, Word>>>) {
  const healths = new Map(
    Object.entries(words).map(([name, word]) => [endpointKey(named[name as Name]), health(word)]),
  );
  return (wanted: Endpoint): EndpointHealth => healths.get(endpointKey(wanted)) ?? unknownHealth(0);
}

function health(word: Word): EndpointHealth {
  if (word === "up" || word === "unknown") return { ...unknownHealth(0), state: word };
  if (word === "doubted") return { ...unknownHealth(0), state: "up", streak: 1 };
  return { ...unknownHealth(0), state: "down", reason: word, detail: word };
}

interface Case {
  readonly name: string;
  readonly routes?: readonly Route[];
  readonly wasOut?: readonly Endpoint[];
  readonly words: Readonly<Partial<Record<Name, Word>>>;
  readonly hung: readonly Endpoint[];
  readonly suspect?: readonly Endpoint[];
}

const cases: readonly Case[] = [
  { name: "all is well", words: { a: "up" }, hung: [] },
  { name: "a mirror hangs, the upstream answers", words: { a: "response-timeout", upstream: "up" }, hung: [a] },
  { name: "a mirror hangs, another answers", routes: [route([a, b])], words: { a: "body-stall", b: "up" }, hung: [a] },
  { name: "a mirror is down and does not hang", words: { a: "refused", upstream: "up" }, hung: [] },
  { name: "nothing else is proven", words: { a: "response-timeout" }, hung: [] },
  { name: "nothing else answers", words: { a: "response-timeout", upstream: "refused" }, hung: [] },
  {
    name: "it was taken out, and now nothing else answers",
    wasOut: [a],
    words: { a: "response-timeout", upstream: "refused" },
    hung: [],
  },
  {
    name: "one route goes past it, another has to stay",
    routes: [route([a]), { registry: "docker.io", mirrors: [a], upstream: null }],
    words: { a: "response-timeout", upstream: "up" },
    hung: [],
  },
  { name: "the upstream hangs, the mirror answers", words: { a: "up", upstream: "connect-timeout" }, hung: [upstream] },
  {
    name: "the upstream of two registries hangs, one mirror answers",
    routes: [route([a]), route([b], "eu.gcr.io")],
    words: { a: "up", b: "response-timeout", upstream: "connect-timeout" },
    hung: [],
  },
  { name: "a probe failed once", words: { a: "doubted" }, hung: [], suspect: [a] },
];

for (const { name, routes = [route([a])], wasOut = [], words, hung, suspect = [] } of cases) {
  test(`findHungEndpoints() gives what may be freed: ${name}`, () => {
    const healthNow = healthOf(words);
    const stateOf = (wanted: Endpoint) => healthNow(wanted).state;
    const out = new Set(wasOut.map(endpointKey));
    const decisions = routes.map((each) => decideRoute(each, { stateOf, wasOut: out }));
    const found = findHungEndpoints(decisions, healthNow);
    assert.deepEqual({ hung: found.hung, suspect: found.suspect }, { hung, suspect });
    assert.ok(found.used.every((each) => !hung.includes(each)));
  });
}

test("findHungEndpoints() leaves a mirror alone as long as the files still lead to it", () => {
  const before = decideRoute(route([a]), { stateOf: () => "up", wasOut: new Set() });
  assert.deepEqual(findHungEndpoints([before], healthOf({ a: "response-timeout", upstream: "up" })).hung, []);
});

test("findHungEndpoints() names what is in use, so that what it shares with a mirror is spared", () => {
  const health = healthOf({ a: "response-timeout", b: "up" });
  const decision = decideRoute(route([a, b]), { stateOf: (wanted) => health(wanted).state, wasOut: new Set() });
  assert.deepEqual(findHungEndpoints([decision], health).used, [b, upstream]);
});

const decide = (route: Route) => decideRoute(route, { stateOf: () => "up", wasOut: new Set() });

test("findWatchedMirrors() finds those in use that are up, each once, and says which are in doubt", () => {
  const decisions = [decide(route([a, b])), decide(route([a], "docker.io"))];
  const found = findWatchedMirrors(decisions, healthOf({ a: "up", b: "doubted", upstream: "up" }));
  assert.deepEqual(found, { endpoints: [a, b], doubted: [b] });
  assert.deepEqual(findWatchedMirrors(decisions, healthOf({ a: "unknown", b: "refused" })).endpoints, []);
});

test("hasOtherWay() asks for a proof at every registry that uses the endpoint", () => {
  const [two, one] = [decide(route([a, b])), decide(route([a], "docker.io"))];
  assert.equal(hasOtherWay(a, [two], healthOf({ a: "up" })), false);
  assert.equal(hasOtherWay(a, [two], healthOf({ a: "up", b: "up" })), true);
  assert.equal(hasOtherWay(a, [two, one], healthOf({ a: "up", b: "up" })), false);
  assert.equal(hasOtherWay(a, [two, one], healthOf({ a: "up", upstream: "up" })), true);
  assert.equal(hasOtherWay(b, [two, one], healthOf({ a: "up" })), true, "docker.io does not use it");
});
