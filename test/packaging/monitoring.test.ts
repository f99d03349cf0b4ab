// The alerts and the dashboard ask only for what there is, and say what to do.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { METRIC_PREFIX, METRICS } from "../../src/report/metrics-catalogue.ts";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startFaultyServer } from "../lab/faulty-server.ts";
import { type Scrape, untilMetrics } from "../lab/metrics.ts";
import { promtoolBinary, promtoolMissing } from "../lab/parts.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { dashboard, expressions, groupingOf, MONITORING, read, rules, usesOf, variableQueries } from "./monitoring.ts";

/** The program is read and compiled first: on a busy machine that takes its time. */
const PATIENT = { timeoutMs: 40_000 };
/** What Prometheus adds to every series. */
const TARGET_LABELS = ["instance", "job"];
const operations = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");

/** All label names of a scrape by metric; a histogram's parts under their own names. */
function labelsByName({ text, values }: Scrape): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name = "", type] of text.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    const parts = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const part of parts) found.set(name + part, new Set());
  }
  for (const series of values.keys()) {
    const [, name = "", labels = ""] = /^(\w+)(?:\{(.*)\})?$/.exec(series) ?? [];
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) found.get(name)?.add(label);
  }
  return found;
}

/** What a daemon shows that has a mirror with TLS and a credential, and has failed over. */
async function scrapeDaemon(workspace: Workspace): Promise<Scrape> {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const [mirror, upstream] = await Promise.all([startFaultyServer({ tls }), startFaultyServer()]);
  workspace.onEnd(() => Promise.all([mirror.close(), upstream.close()]).then(() => {}));
  const ca = await workspace.file("ca.crt", authority.cert);
  const auths = { [new URL(mirror.url).host]: { username: "joe", password: "hunter2" } };
  const credential = await workspace.file("docker.json", JSON.stringify({ auths }));
  const socketPath = join(workspace.dir, "metrics.sock");
  const config = `registryMirrors:
  - { endpoint: "${mirror.url}", hosts: [gcr.io], caCertPath: ${ca}, pullCredentialConfigPath: ${credential} }
agent:
  probe: { interval: 1s, timeout: 1s } # shorter, and a busy machine looks like a mirror that is down
  upstreams: { gcr.io: { endpoint: "${upstream.url}" } }
  metrics: { listen: "unix:${socketPath}" }\n`;
  const agent = await startAgent(workspace, { root: await workspace.folder("root"), config });
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up", PATIENT);
  await mirror.become("silent");
  await agent.untilStatus(({ routes }) => routes[0]?.failedOver === true, PATIENT);
  const failovers = 'mirror_agent_failovers_total{registry="gcr.io"}';
  return untilMetrics({ socketPath }, (values) => (values.get(failovers) ?? 0) >= 1, PATIENT);
}

test("alerts and dashboard use names and labels of a real scrape, and promtool finds nothing to say of it", async (t) => {
  await using workspace = await createWorkspace();
  const scrape = await scrapeDaemon(workspace);
  const real = labelsByName(scrape);
  assert.deepEqual(
    [...real.keys()].filter((name) => !/_(bucket|sum|count)$/.test(name)).sort(),
    Object.entries(METRICS)
      .flatMap(([name, { type }]) => (type === "histogram" ? [] : [METRIC_PREFIX + name]))
      .sort(),
  );
  // Without a Google key there is no token.
  for (const label of METRICS.token_expiry_timestamp_seconds.labels) {
    real.get("mirror_agent_token_expiry_timestamp_seconds")?.add(label);
  }
  assert.equal(variableQueries.length, 1);
  for (const [where, expr] of [...expressions, ...variableQueries.map((query) => ["variable", query] as const)]) {
    const uses = usesOf(expr);
    assert.ok(uses.length > 0, where);
    for (const { name, labels } of uses) {
      const known = real.get(name);
      assert.ok(known, `${where} asks for ${name}`);
      for (const label of labels)
        assert.ok(known.has(label) || TARGET_LABELS.includes(label), `${where}: ${name} ${label}`);
    }
    const grouped = new Set([...TARGET_LABELS, ...uses.flatMap(({ name }) => [...(real.get(name) ?? [])])]);
    for (const label of groupingOf(expr)) assert.ok(grouped.has(label), `${where} groups by ${label}`);
  }
  await t.test("promtool check metrics", { skip: promtoolMissing() }, () => {
    const output = execFileSync(promtoolBinary, ["check", "metrics"], { input: scrape.text, encoding: "utf8" });
    assert.equal(output, "");
  });
});

test("docs/operations.md lists every metric, and has a section for every alert", () => {
  for (const name of Object.keys(METRICS)) assert.ok(operations.includes(`\`${METRIC_PREFIX}${name}\``), name);
  const sections = new Set([...operations.matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) => title.toLowerCase()));
  for (const { alert, annotations } of rules) {
    const [file, anchor = ""] = annotations.runbook?.split("#") ?? [];
    assert.equal(file, "docs/operations.md");
    assert.ok(sections.has(anchor), `${alert}: ${anchor}`);
  }
});

describe("every alert", () => {
  const cases = read("mirror-agent.rules.test.yaml");
  for (const { alert, labels, annotations, expr } of rules) {
    test(`${alert} says what is the case and what to do, and is made to fire by a test`, () => {
      assert.match(alert, /^MirrorAgent[A-Z]\w+$/);
      assert.ok(["critical", "warning", "info"].includes(labels.severity ?? ""));
      assert.match(annotations.summary ?? "", /^\S.{20,120}[^.]$/);
      assert.match(annotations.description ?? "", /^\S.{60,}\.$/);
      assert.match(cases, RegExp(`- labels: 'ALERTS\\{alertname="${alert}", alertstate="firing"`));
      const shown = Object.values(annotations).flatMap((text) => [...text.matchAll(/\$labels\.(\w+)/g)]);
      const known = new Set([
        ...TARGET_LABELS,
        ...usesOf(expr).flatMap(({ name }) => METRICS[name.slice(METRIC_PREFIX.length) as keyof typeof METRICS].labels),
      ]);
      for (const [, label = ""] of shown) assert.ok(known.has(label as never), `${alert} shows ${label}`);
    });
  }
});

test("the dashboard has no data source of its own, and its panels fill one screen without overlap", () => {
  const datasource = { type: "prometheus", uid: "$datasource" };
  assert.deepEqual(
    dashboard.templating.list.map(({ name, type }) => [name, type]),
    [
      ["datasource", "datasource"],
      ["instance", "query"],
    ],
  );
  const taken = new Set<string>();
  for (const panel of dashboard.panels) {
    assert.deepEqual(panel.datasource, datasource, panel.title);
    for (const target of panel.targets) assert.deepEqual(target.datasource, datasource, panel.title);
    assert.match(panel.description, /\.$/, panel.title);
    const { x, y, w, h } = panel.gridPos;
    assert.ok(x + w <= 24 && y + h <= 27, panel.title);
    for (let column = x; column < x + w; column++) {
      for (let row = y; row < y + h; row++) {
        assert.ok(!taken.has(`${column},${row}`), `${panel.title} overlaps at ${column}, ${row}`);
        taken.add(`${column},${row}`);
      }
    }
  }
  assert.equal(taken.size, 24 * 27);
  // The uid of a data source, or its number, would be another on every Grafana.
  assert.deepEqual(
    new Set(read("mirror-agent.dashboard.json").match(/"uid": "[^"]*"/g)),
    new Set(['"uid": "$datasource"', '"uid": "mirror-agent"']),
  );
});

describe("promtool finds nothing wrong with", { skip: promtoolMissing() }, () => {
  const promtool = (...args: string[]): string =>
    execFileSync(promtoolBinary, args, { cwd: MONITORING, encoding: "utf8", stdio: "pipe" });

  test("the alert rules", () => assert.match(promtool("check", "rules", "mirror-agent.rules.yaml"), /SUCCESS/));

  test("what they do", () => assert.match(promtool("test", "rules", "mirror-agent.rules.test.yaml"), /SUCCESS/));

  test("what the panels of falls and of failed probes make of the first, which begins at one, and of a node that was not scraped for a while", async () => {
    await using workspace = await createWorkspace();
    const own = 'instance="a", job="node", endpoint="https://m", role="mirror"';
    const panels = [
      ["Transitions 0", `mirror_agent_endpoint_transitions_total{${own}, to="down", reason="refused"}`, 'to="down", '],
      ["Probes that failed 0", `mirror_agent_probes_failed_total{${own}, reason="refused"}`, ""],
    ] as const;
    const tests = panels.map(([panel, series, label]) => {
      const at = (time: string, value: number | null) => {
        const labels = `{endpoint="https://m", ${label}reason="refused"}`;
        const samples = value === null ? [] : [{ labels, value }];
        return { expr: expressions.get(panel), eval_time: time, exp_samples: samples };
      };
      return {
        interval: "1m",
        input_series: [
          { series: 'mirror_agent_build_info{instance="a", job="node"}', values: "1x59 _x20 1x40" },
          { series, values: "_x19 1x39 _x20 1x40" },
        ],
        promql_expr_test: [at("20m", 1), at("23m", 1), at("30m", null), at("82m", null)],
      };
    });
    const path = await workspace.file("first.yaml", JSON.stringify({ evaluation_interval: "1m", tests }));
    assert.match(promtool("test", "rules", path), /SUCCESS/);
  });

  test("the expressions of the dashboard", async () => {
    await using workspace = await createWorkspace();
    const records = [...expressions.values()].map((expr, index) => ({ record: `panel:${index}`, expr }));
    const path = await workspace.file("panels.yaml", JSON.stringify({ groups: [{ name: "panels", rules: records }] }));
    assert.match(promtool("check", "rules", path), new RegExp(`SUCCESS: ${records.length} rules found`));
  });
});
