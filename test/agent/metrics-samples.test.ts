import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentView } from "../../src/agent/agent-ports.ts";
import { compileSamples } from "../../src/agent/metrics-samples.ts";
import { METRICS } from "../../src/report/metrics-catalogue.ts";
import { compileScope } from "../../src/report/metrics-scope.ts";
import { endpoint, NO_TLS } from "../core/samples.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { MemoryNode } from "../scenarios/memory-node.ts";

const MIRROR = "https://mirror:5000";
const FACTS = { version: "1.2.3", nodeVersion: "26.0.0", startedAtMs: 1_000 };
const CONFIG = `registryMirrors:\n  - endpoint: ${MIRROR}\n`;

async function viewOf(config = CONFIG) {
  const node = new MemoryNode(config);
  const agent = node.start();
  await agent.pass();
  return { node, agent };
}

const samplesOf = (view: AgentView) =>
  compileSamples(view, compileScope(view.decisions), FACTS).map(
    ({ name, labels, value }) => [`${name} ${Object.values(labels).join(" ")}`.trim(), value] as const,
  );

test("compileSamples() shows a node whose mirror was not probed yet, and no state of it", async () => {
  const { agent } = await viewOf();
  const samples = new Map(samplesOf(agent.view));
  assert.equal(samples.get("build_info 1.2.3 26.0.0"), 1);
  assert.equal(samples.get("start_timestamp_seconds"), 1);
  assert.equal(samples.get("last_pass_success_timestamp_seconds"), (agent.view.passedAtMs ?? 0) / 1000);
  assert.equal(samples.get("config_state applied"), 1);
  assert.equal(samples.get("config_state rejected"), 0);
  assert.equal(samples.get("containerd_reads_routes"), 1);
  assert.equal(samples.get("registry_mirrors_used gcr.io"), 1);
  assert.ok(![...samples.keys()].some((key) => key.startsWith("endpoint_")));
});

test("compileSamples() shows a mirror that is down while the upstream serves, and while nothing does", async () => {
  const { node, agent } = await viewOf();
  for (const _ of [1, 2]) node.probe(agent, MIRROR, "response-timeout");
  await agent.pass();
  const doubted = new Map(samplesOf(agent.view));
  assert.equal(doubted.get(`endpoint_up ${MIRROR} mirror`), 0);
  assert.deepEqual([doubted.get("registry_failed_over gcr.io"), doubted.get("registry_unserved gcr.io")], [0, 1]);
  node.probe(agent, "https://gcr.io", null);
  await agent.pass();
  const failedOver = new Map(samplesOf(agent.view));
  assert.equal(failedOver.get("endpoint_up https://gcr.io upstream"), 1);
  assert.deepEqual([failedOver.get("registry_failed_over gcr.io"), failedOver.get("registry_unserved gcr.io")], [1, 0]);
  assert.equal(failedOver.get("registry_mirrors_used gcr.io"), 0);
});

test("compileSamples() shows a config that was rejected", async () => {
  const { node, agent } = await viewOf();
  node.configText = "registryMirrors: [{ endpont: x }]\n";
  await agent.pass();
  const samples = new Map(samplesOf(agent.view));
  assert.deepEqual([samples.get("config_state applied"), samples.get("config_state rejected")], [0, 1]);
});

test("compileSamples() shows when certificates and tokens end, and whether credentials work", async () => {
  const { agent } = await viewOf();
  const authority = makeAuthority();
  const { view } = agent;
  const tls = { ...NO_TLS, caCertPath: "/ca.pem", clientCertPath: "/client.pem" };
  const mirror = endpoint(MIRROR, { tls, credentialPath: "/config.json" });
  const route = { registry: "gcr.io", mirrors: [mirror], upstream: null };
  const file = (pem: string) => ({ sourcePath: "", pem, sha256: "", secret: false });
  const client = authority.issue(["DNS:client"]);
  const samples = new Map(
    samplesOf({
      ...view,
      decisions: [{ route, mirrors: [mirror], out: [], failedOver: false, doubted: false }],
      inForce: view.inForce && {
        ...view.inForce,
        tlsFiles: new Map([
          ["/ca.pem", file(`${authority.cert}\n${makeAuthority().cert}`)],
          ["/client.pem", file(client.cert)],
        ]),
      },
      credentials: new Map([
        [
          `mirror ${MIRROR}`,
          {
            endpoint: mirror,
            choice: { kind: "anonymous", because: "", warnings: [] },
            problem: "it is gone",
            warnings: [],
            tokenExpiresAtMs: 5_000,
          },
        ],
      ]),
    }),
  );
  assert.equal(samples.get(`credential_ok ${MIRROR} mirror`), 0);
  assert.equal(samples.get(`token_expiry_timestamp_seconds ${MIRROR} mirror`), 5);
  for (const certificate of ["ca", "client"]) {
    const ends = samples.get(`certificate_expiry_timestamp_seconds ${MIRROR} mirror ${certificate}`) ?? 0;
    assert.ok(ends > Date.now() / 1000, `${certificate}: ${ends}`);
  }
  assert.equal(samples.get(`certificate_expiry_timestamp_seconds ${MIRROR} mirror server`), undefined);
});

test("compileSamples() uses the labels that the catalogue names, and every gauge's name once for each of them", async () => {
  const { node, agent } = await viewOf();
  node.probe(agent, MIRROR, null);
  await agent.pass();
  const samples = compileSamples(agent.view, compileScope(agent.view.decisions), FACTS);
  for (const { name, labels } of samples) assert.deepEqual(Object.keys(labels), [...METRICS[name].labels], name);
  assert.equal(new Set(samples.map((each) => JSON.stringify([each.name, each.labels]))).size, samples.length);
});
