import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Transition } from "../../src/core/health-transition.ts";
import { PROBE_REASONS } from "../../src/core/probe-result.ts";
import type { RouteDecision } from "../../src/core/routes.ts";
import type { Event } from "../../src/report/events.ts";
import { mergeSamples } from "../../src/report/merge-samples.ts";
import { METRIC_PREFIX, METRICS, type Metric, type Sample } from "../../src/report/metrics-catalogue.ts";
import { countEvent, zeroCounts } from "../../src/report/metrics-counts.ts";
import { MetricsRegistry } from "../../src/report/metrics-registry.ts";
import { compileScope, MOST_ENDPOINTS, MOST_REGISTRIES, NO_SCOPE, OTHER } from "../../src/report/metrics-scope.ts";
import { endpoint } from "../core/samples.ts";

const MIRROR = endpoint("https://mirror:5000");
const UPSTREAM = endpoint("https://gcr.io", { role: "upstream" });
const LABELS = { endpoint: "https://mirror:5000", role: "mirror" };

function decision(registry: string, mirrors = [MIRROR], upstream = UPSTREAM): RouteDecision {
  return { route: { registry, mirrors, upstream }, mirrors, out: [], failedOver: false, doubted: false };
}

const SCOPE = compileScope([decision("gcr.io")]);
const changed = (transition: Transition, of = MIRROR): Event => ({
  kind: "endpointChanged",
  endpoint: of,
  transition,
  decisions: [],
});
const fall = { to: "down", atMs: 9, reason: "refused", detail: "x", relapses: 0, holdDownMs: 0 } as const;

const COUNTED: Readonly<Record<string, readonly [Event, string, object, number]>> = {
  "a fall by its reason": [
    changed({ ...fall, lastedMs: 5 }),
    "endpoint_transitions_total",
    { ...LABELS, to: "down", reason: "refused" },
    1,
  ],
  "a fall at the first look": [
    changed({ ...fall, lastedMs: null }),
    "endpoint_transitions_total",
    { ...LABELS, to: "down", reason: "refused" },
    1,
  ],
  "a recovery": [
    changed({ to: "up", atMs: 9, lastedMs: 5 }),
    "endpoint_transitions_total",
    { ...LABELS, to: "up", reason: "" },
    1,
  ],
  "connections that were closed": [{ kind: "pullsFreed", endpoint: MIRROR, count: 3 }, "pulls_freed_total", LABELS, 3],
  "connections that hung at a mirror that answers": [
    { kind: "stuckPullsFreed", endpoint: MIRROR, count: 2, isSentOn: true },
    "pulls_freed_total",
    LABELS,
    2,
  ],
  "a restart of containerd": [
    { kind: "takeoverDone", path: null, restarted: true },
    "containerd_restarts_total",
    {},
    1,
  ],
  "a restart because of pulls that hang": [
    { kind: "hangRestartEnded", problem: null },
    "containerd_restarts_total",
    {},
    1,
  ],
  "a restart that was undone": [
    { kind: "takeoverFailed", because: "x", recovered: true },
    "containerd_restarts_failed_total",
    {},
    1,
  ],
  "a repair": [{ kind: "driftRepaired", path: "/x" }, "drift_repairs_total", {}, 1],
  "a file that was given up": [{ kind: "fightStopped", path: "/x" }, "drift_given_up_total", {}, 1],
  "a pass that failed": [{ kind: "passFailed", message: "x", retryInMs: 1 }, "passes_failed_total", {}, 1],
};

const NOT_COUNTED: Readonly<Record<string, Event>> = {
  "an endpoint that is well at the first look": changed({ to: "up", atMs: 9, lastedMs: null }),
  "an endpoint that has left the config": changed({ ...fall, lastedMs: 5 }, endpoint("https://gone")),
  "the upstream of the same URL as a mirror": changed({ ...fall, lastedMs: 5 }, { ...MIRROR, role: "upstream" }),
  "a takeover without a restart": { kind: "takeoverDone", path: "/x", restarted: false },
  "a restart that there was not": { kind: "hangRestartEnded", problem: "x" },
  "a start": { kind: "started", version: "1", configPath: "/x" },
};

describe("countEvent() counts", () => {
  for (const [name, [event, metric, labels, by]] of Object.entries(COUNTED)) {
    test(name, () => assert.deepEqual(countEvent(event, SCOPE), [{ name: metric, labels, by }]));
  }
  for (const [name, event] of Object.entries(NOT_COUNTED)) {
    test(`not ${name}`, () => assert.deepEqual(countEvent(event, SCOPE), []));
  }
});

test("countEvent() and zeroCounts() use the labels that the catalogue names", () => {
  const increments = [...Object.values(COUNTED).flatMap(([event]) => countEvent(event, SCOPE)), ...zeroCounts(SCOPE)];
  for (const { name, labels } of increments) assert.deepEqual(Object.keys(labels), [...METRICS[name].labels], name);
});

test("compileScope() gives as many series of their own as are bounded, mirrors first, and one for all others", () => {
  const decisions = Array.from({ length: 1000 }, (_, index) =>
    decision(
      `r${index}.test`,
      [MIRROR, endpoint("https://second")],
      endpoint(`https://r${index}.test`, { role: "upstream" }),
    ),
  );
  const { endpoints, registries, endpointLabels, registryLabels } = compileScope(decisions);
  assert.equal(endpoints.length, 1002);
  const shown = new Set(endpoints.map((each) => JSON.stringify(endpointLabels(each))));
  assert.equal(shown.size, MOST_ENDPOINTS + 1);
  assert.ok(shown.has(JSON.stringify({ endpoint: "https://second", role: "mirror" })));
  assert.ok(shown.has(JSON.stringify({ endpoint: OTHER, role: "upstream" })));
  assert.equal(new Set(registries.map((each) => registryLabels(each)?.registry)).size, MOST_REGISTRIES + 1);
});

test("compileScope() leaves out registries without mirrors, and what is not in the config", () => {
  const { endpoints, registries, registryLabels } = compileScope([decision("own.corp", [])]);
  assert.deepEqual([endpoints, registries, registryLabels("own.corp")], [[], [], null]);
  assert.equal(NO_SCOPE.endpointLabels(MIRROR), null);
});

test("mergeSamples() shows of several that share a series the one that needs attention", () => {
  const shared = { endpoint: OTHER, role: "upstream" };
  const samples: Sample[] = [1, 0, 1].map((value) => ({ name: "endpoint_up", labels: shared, value }));
  const failed: Sample[] = [0, 1, 0].map((value) => ({
    name: "registry_failed_over",
    labels: { registry: OTHER },
    value,
  }));
  assert.deepEqual(mergeSamples([...samples, ...failed]), [samples[1], failed[1]]);
});

test("METRICS are named as Prometheus asks", () => {
  for (const [name, { type, help, labels }] of Object.entries<Metric>(METRICS)) {
    assert.match(METRIC_PREFIX + name, /^[a-z]+(?:_[a-z]+)*$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^\S.*\.$/, name);
    for (const label of labels) assert.ok(!["le", "instance", "job", "node"].includes(label), `${name} ${label}`);
  }
});

test("MetricsRegistry.show() shows nothing that is not known, and no longer what is not said again", async () => {
  const registry = new MetricsRegistry();
  const gauges = Object.entries<Metric>(METRICS).flatMap(([name, { type }]) => (type === "gauge" ? [name] : []));
  const shown = async () =>
    (await registry.render())
      .split("\n")
      .filter((line) => gauges.some((name) => RegExp(`^${METRIC_PREFIX}${name}[ {]`).test(line)));
  assert.deepEqual(await shown(), []);
  registry.show([
    { name: "containerd_reads_routes", labels: {}, value: 1 },
    { name: "endpoint_up", labels: LABELS, value: 0 },
  ]);
  assert.deepEqual((await shown()).sort(), [
    "mirror_agent_containerd_reads_routes 1",
    'mirror_agent_endpoint_up{endpoint="https://mirror:5000",role="mirror"} 0',
  ]);
  registry.show([]);
  assert.deepEqual(await shown(), []);
});

test("MetricsRegistry.keepOnly() drops counters and measurements of what has left, and no others", async () => {
  const registry = new MetricsRegistry();
  const gone = { endpoint: "https://gone", role: "mirror" };
  for (const labels of [LABELS, gone]) {
    registry.observeProbe(labels, 0.003);
    registry.add([{ name: "pulls_freed_total", labels, by: 2 }]);
  }
  registry.add([{ name: "drift_repairs_total", labels: {}, by: 1 }]);
  registry.keepOnly((labels) => labels.endpoint !== "https://gone");
  const text = await registry.render();
  assert.doesNotMatch(text, /https:\/\/gone/);
  assert.match(text, /probe_duration_seconds_count\{endpoint="https:\/\/mirror:5000",role="mirror"\} 1\n/);
  assert.match(text, /pulls_freed_total\{endpoint="https:\/\/mirror:5000",role="mirror"\} 2\n/);
  assert.match(text, /drift_repairs_total 1\n/);
});

/** How many series a metric may have, but for those that tell reasons of failures. */
function mostSeries(metric: Metric): number {
  const { labels } = metric;
  const has = (label: string): boolean => labels.includes(label);
  const each = metric.type === "histogram" ? metric.buckets.length + 3 : 1; // +Inf, sum, count
  if (has("reason") && !has("to")) return 0;
  if (has("endpoint")) return each * (MOST_ENDPOINTS + 2) * (has("certificate") ? 3 : 1); // "_other" of each role
  if (has("registry")) return each * (MOST_REGISTRIES + 1);
  return has("state") ? 3 : each;
}

test("docs/operations.md says how many series there are at most", () => {
  const operations = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  const most = Object.values<Metric>(METRICS).reduce((sum, metric) => sum + mostSeries(metric), 0);
  assert.match(operations, RegExp(`\\b${most.toLocaleString("en")} are the most while nothing has failed`));
  assert.match(operations, RegExp(`up to ${2 * PROBE_REASONS.length} more once it has failed`));
  assert.match(operations, RegExp(`${MOST_ENDPOINTS} endpoints .*${MOST_REGISTRIES} registries`));
});
