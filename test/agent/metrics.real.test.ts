// The daemon as a process, with metrics: what it shows while a mirror goes down and returns, and where.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { runCommand } from "../commands/run-command.ts";
import { type LabAgent, startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { freePort } from "../lab/free-port.ts";
import { ask, parseMetrics, type Scrape, untilMetrics, type Where } from "../lab/metrics.ts";
import { untilFile } from "../lab/until-file.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

interface Node {
  readonly root: string;
  readonly socketPath: string;
  readonly textfile: string;
  readonly mirror: FaultyServer;
  readonly upstream: FaultyServer;
  config(metrics: string, mirrors?: string): string;
  start(metrics: string): Promise<LabAgent>;
}

async function makeNode(workspace: Workspace): Promise<Node> {
  const [root, folder] = await Promise.all([workspace.folder("root"), workspace.folder("node-exporter")]);
  const [mirror, upstream] = await Promise.all([startFaultyServer(), startFaultyServer()]);
  workspace.onEnd(() => Promise.all([mirror.close(), upstream.close()]).then(() => {}));
  const own = `  - { endpoint: "${mirror.url}", hosts: [gcr.io] }\n`;
  const config = (metrics: string, mirrors = own): string =>
    `registryMirrors:\n${mirrors}agent:
  probe: { interval: 500ms, timeout: 500ms }
  upstreams: { gcr.io: { endpoint: "${upstream.url}" }, quay.io: { endpoint: "${upstream.url}" } }
  metrics: ${metrics}\n`;
  return {
    root,
    socketPath: join(workspace.dir, "metrics.sock"),
    textfile: join(folder, "mirror-agent.prom"),
    mirror,
    upstream,
    config,
    start: (metrics) => startAgent(workspace, { root, config: config(metrics) }),
  };
}

const of = ({ values }: Scrape, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined => {
  const list = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return values.get(`mirror_agent_${name}${list.length === 0 ? "" : `{${list.join(",")}}`}`);
};

/** All counters that are not zero, but for those of probes, without their prefix. */
const countersOf = ({ values }: Scrape): Record<string, number> =>
  Object.fromEntries(
    [...values].flatMap(([name, value]) =>
      /_total\b/.test(name) && value > 0 && !/probes_failed|seconds/.test(name)
        ? [[name.replace("mirror_agent_", ""), value]]
        : [],
    ),
  );

test("run counts exactly one failover when the mirror goes down and returns, at a socket and in the file", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const { mirror, upstream, socketPath, textfile } = node;
  const agent = await node.start(`{ listen: "unix:${socketPath}", textfile: ${textfile} }`);
  const own = { endpoint: mirror.url, role: "mirror" };
  const up = await untilMetrics(
    { socketPath },
    (values) => values.size > 0 && [...values].some(([name, value]) => name.includes("endpoint_up") && value === 1),
  );
  assert.deepEqual(countersOf(up), {});
  assert.equal(of(up, "failovers_total", { registry: "gcr.io" }), 0, "shown before it first happens");

  const beganAt = performance.now();
  await mirror.become("silent");
  await agent.untilStatus(({ routes }) => routes[0]?.failedOver === true);
  const down = await untilMetrics(
    { socketPath },
    (values) => values.get('mirror_agent_registry_failed_over{registry="gcr.io"}') === 1,
  );
  assert.deepEqual(countersOf(down), {
    [`endpoint_transitions_total{endpoint="${mirror.url}",role="mirror",to="down",reason="response-timeout"}`]: 1,
    'failovers_total{registry="gcr.io"}': 1,
  });
  assert.equal(of(down, "endpoint_up", own), 0);
  assert.equal(of(down, "endpoint_up", { endpoint: upstream.url, role: "upstream" }), 1);
  assert.ok((of(down, "probes_failed_total", { ...own, reason: "response-timeout" }) ?? 0) >= 2);

  await mirror.become("healthy");
  await agent.untilStatus(({ routes }) => routes[0]?.failedOver === false);
  const longestS = (performance.now() - beganAt) / 1000;
  await agent.stop();
  const after = parseMetrics(await readFile(textfile, "utf8"));
  assert.deepEqual(countersOf(after), {
    [`endpoint_transitions_total{endpoint="${mirror.url}",role="mirror",to="down",reason="response-timeout"}`]: 1,
    [`endpoint_transitions_total{endpoint="${mirror.url}",role="mirror",to="up",reason=""}`]: 1,
    'failovers_total{registry="gcr.io"}': 1,
  });
  assert.equal(of(after, "endpoint_up", own), 1);
  assert.equal(of(after, "registry_failed_over", { registry: "gcr.io" }), 0);
  const seconds = of(after, "failed_over_seconds_total", { registry: "gcr.io" }) ?? 0;
  assert.ok(seconds > 0.2 && seconds < longestS, `${seconds} s of ${longestS} s`);
  const probes = of(after, "probe_duration_seconds_count", own) ?? 0;
  const asked = mirror.requests.filter(({ url }) => url === "/v2/").length;
  assert.ok(probes >= 5 && probes <= asked, `${probes} probes, ${asked} requests`);
  assert.equal((await stat(textfile)).mode & 0o777, 0o644);
});

test("run shows repairs, a rejected config and a pass that went well, and forgets what leaves the config", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const metrics = `{ listen: "unix:${node.socketPath}" }`;
  const where: Where = { socketPath: node.socketPath };
  const agent = await node.start(metrics);
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  const hosts = join(node.root, "etc/containerd/certs.d/gcr.io/hosts.toml");
  await writeFile(hosts, "# somebody\n");
  await agent.waitForLine((line) => line.startsWith("Repaired "));
  const repaired = await untilMetrics(where, (values) => values.get("mirror_agent_drift_repairs_total") === 1);
  const passedAt = of(repaired, "last_pass_success_timestamp_seconds") ?? 0;
  assert.ok(Math.abs(passedAt - Date.now() / 1000) < 30, String(passedAt));

  await agent.configure("registryMirrors: [{ endpont: x }]\n");
  await agent.untilStatus(({ config }) => config.state === "rejected");
  const rejected = await untilMetrics(
    where,
    (values) => values.get('mirror_agent_config_state{state="rejected"}') === 1,
  );
  assert.equal(of(rejected, "config_state", { state: "applied" }), 0);
  assert.equal(of(rejected, "registry_mirrors_used", { registry: "gcr.io" }), 1, "the last good one is in force");

  await agent.configure(node.config(metrics, `  - { endpoint: "${node.upstream.url}", hosts: [quay.io] }\n`));
  const other = await untilMetrics(where, (values) =>
    [...values.keys()].some((name) => name.includes("endpoint_up") && name.includes(node.upstream.url)),
  );
  assert.ok(!other.text.includes(node.mirror.url), "the mirror has left");
  assert.ok(!other.text.includes('"gcr.io"'), "its registry has left");
  assert.equal(of(other, "drift_repairs_total"), 1, "what is the node's own goes on");
});

test("run moves, closes and opens metrics as the config says, without a restart", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const port = await freePort();
  const agent = await node.start(`{ listen: "127.0.0.1:${port}", textfile: ${node.textfile} }`);
  await untilMetrics({ port }, (values) => values.has('mirror_agent_config_state{state="applied"}'));
  await untilFile(node.textfile, { root: workspace.dir, wanted: (text) => text !== null });

  await agent.configure(node.config(`{ listen: "unix:${node.socketPath}" }`));
  await untilMetrics({ socketPath: node.socketPath }, (values) => values.size > 0);
  await untilFile(node.textfile, { root: workspace.dir, wanted: (text) => text === null });
  await assert.rejects(ask({ port }), { code: "ECONNREFUSED" });

  await agent.configure(node.config("{}"));
  await untilFile(node.socketPath, {
    root: workspace.dir,
    wanted: () => !readdirSync(workspace.dir).includes("metrics.sock"),
  });
  await agent.configure(node.config(`{ listen: "127.0.0.1:${port}" }`));
  await untilMetrics({ port }, (values) => values.has('mirror_agent_config_state{state="applied"}'));
  const told = () => agent.lines.filter((line) => line.startsWith("Metrics are "));
  await agent.waitForLine(() => told().length >= 4); // it serves before it says so
  assert.equal(told().length, 4);
});

test("run warns once of a port in use and a folder that is missing, routes on, and tries again", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const other = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const missing = join(workspace.dir, "missing");
  const agent = await node.start(`{ listen: "127.0.0.1:${port}", textfile: ${missing}/a.prom }`);
  const warnings = () => agent.lines.filter((line) => line.startsWith("Cannot ")).sort();
  await agent.waitForLine((line) => line.startsWith("Cannot serve metrics"));
  await agent.waitForLine((line) => line.startsWith("Cannot write metrics"));
  assert.deepEqual(warnings(), [
    `Cannot serve metrics at http://127.0.0.1:${port}/metrics: listen EADDRINUSE: address already in use 127.0.0.1:${port}; this is tried again until it works`,
    `Cannot write metrics to "${missing}/a.prom": there is no folder "${missing}"; this is tried again until it works`,
  ]);
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  other.close();
  await workspace.folder("missing");
  await untilMetrics({ port }, (values) => values.has('mirror_agent_config_state{state="applied"}'), {
    timeoutMs: 40_000,
  });
  await agent.waitForLine((line) => line === `Metrics are written to ${missing}/a.prom`);
  assert.equal(warnings().length, 2, "each is said once");
});

test("run shows when the mirror's certificate and its CA end, and no secret of a credential file", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const server = await startFaultyServer({ tls });
  workspace.onEnd(() => server.close());
  const ca = await workspace.file("ca.crt", authority.cert);
  const password = `hunter2-${crypto.randomUUID()}`;
  const auths = { [new URL(server.url).host]: { username: "joe", password } };
  const credentials = await workspace.file("docker.json", JSON.stringify({ auths }));
  await chmod(credentials, 0o600);
  const mirrors = `  - { endpoint: "${server.url}", hosts: [gcr.io], caCertPath: ${ca}, pullCredentialConfigPath: ${credentials} }\n`;
  const config = node.config(`{ listen: "unix:${node.socketPath}" }`, mirrors);
  await startAgent(workspace, { root: node.root, config });
  const labels = { endpoint: server.url, role: "mirror" };
  const key = `mirror_agent_certificate_expiry_timestamp_seconds{endpoint="${server.url}",role="mirror",certificate="server"}`;
  const scrape = await untilMetrics({ socketPath: node.socketPath }, (values) => values.has(key));
  for (const certificate of ["server", "ca"]) {
    const endsAt = of(scrape, "certificate_expiry_timestamp_seconds", { ...labels, certificate }) ?? 0;
    assert.ok(endsAt > Date.now() / 1000, certificate);
  }
  assert.equal(of(scrape, "credential_ok", labels), 1);
  for (const secret of [password, Buffer.from(`joe:${password}`).toString("base64"), "docker.json"]) {
    assert.ok(!scrape.text.includes(secret));
  }
});

test("restore removes the file that the daemon left, and no other program's", async () => {
  await using workspace = await createWorkspace();
  const node = await makeNode(workspace);
  const agent = await node.start(`{ textfile: ${node.textfile} }`);
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up");
  await agent.stop();
  assert.match(await readFile(node.textfile, "utf8"), /mirror_agent_endpoint_up\{.*\} 1\n/);
  const restored = await runCommand(["--root", node.root, "restore"]);
  assert.ok(restored.stdout.includes(`Removed ${node.textfile}\n`), restored.stdout + restored.stderr);
  await assert.rejects(stat(node.textfile), { code: "ENOENT" });
  await writeFile(node.textfile, "apt_upgrades 3\n");
  const again = await runCommand(["--root", node.root, "restore"]);
  assert.ok(!again.stdout.includes(node.textfile), again.stdout);
  assert.equal(await readFile(node.textfile, "utf8"), "apt_upgrades 3\n");
});

test("nothing that the daemon loads at its start counts, serves or renders metrics", () => {
  const src = resolve(import.meta.dirname, "../../src");
  const loaded = new Set<string>();
  const packages = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const text = readFileSync(file, "utf8");
    for (const [, type, specifier = ""] of text.matchAll(/^(?:import|export)( type)?\b[^;]*?\bfrom "([^"]+)";/gm)) {
      if (type !== undefined) continue;
      if (specifier.startsWith(".")) load(resolve(dirname(file), specifier));
      else packages.add(specifier);
    }
  };
  load(join(src, "commands/run.ts"));
  load(join(src, "agent/run-daemon.ts"));
  const names = [...loaded].map((file) => file.slice(src.length + 1));
  assert.ok(names.includes("agent/metrics.ts") && names.includes("agent/daemon.ts"), names.join());
  assert.deepEqual(
    names.filter((name) => /metrics-|merge-samples|failover-time/.test(name)),
    [],
  );
  assert.deepEqual(
    [...packages].filter((name) => name.startsWith("prom-client")),
    [],
  );
});
