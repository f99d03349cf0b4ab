// What `explain` says about a node's files, with real servers and a containerd that is only described.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ExplainSettings, explainImage } from "../../src/agent/explain-image.ts";
import { resolveConfig } from "../../src/core/containerd-config/resolve-config.ts";
import type { Explanation } from "../../src/core/explain/explanation.ts";
import { parseImageReference } from "../../src/core/image-reference.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { daemon, observed, R2 } from "../core/containerd-config/observed-node.ts";
import { type Behaviour, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const IMAGE = buildImage({ seed: "explain", layerSizes: [50] });
const V17 = { major: 1, minor: 7, patch: 24 };

async function serve(workspace: Workspace, behaviour: Behaviour): Promise<string> {
  const server = await startFaultyServer({ source: { files: filesOf(IMAGE, "app", "1") } });
  workspace.onEnd(() => server.close());
  await server.become(behaviour);
  return server.url;
}

interface Node {
  /** A server of this test where it is asked itself. */
  readonly registry?: string;
  /** Its hosts.toml. */
  readonly hosts?: string;
  /** Of config.toml, given the folder of hosts.toml. */
  readonly text?: (certsDir: string) => string;
  readonly version?: typeof V17;
  readonly change?: Partial<ExplainSettings["observed"]>;
  readonly inEffect?: ExplainSettings["inEffect"];
}

const usual = (certsDir: string): string => `version = 2\n${R2}config_path = "${certsDir}"\n`;

async function explain(
  workspace: Workspace,
  { registry = "gcr.io", hosts, text = usual, version = V17, change, inEffect = null }: Node,
) {
  const certsDir = await workspace.folder("certs.d");
  if (hosts !== undefined) await workspace.file(`certs.d/${registry}/hosts.toml`, hosts);
  const config = resolveConfig([{ path: "/etc/containerd/config.toml", text: text(certsDir) }], version);
  const running = daemon({ version });
  const client = new HttpClient();
  workspace.onEnd(() => client.close());
  const settings = { client, inEffect, proxy: NO_PROXY_ENVIRONMENT, architecture: "amd64", timeoutMs: 2000 };
  const node = observed("", { version, config, daemon: running, ...change });
  const parsed = parseImageReference(`${registry}/app:1`);
  assert.ok(parsed.ok);
  return explainImage(parsed.reference, { ...settings, observed: node }, new AbortController().signal);
}

const V21 = { major: 2, minor: 1, patch: 9 };

test("explainImage() looks into the first of several folders on 2.1 where a setting makes it pull as before", async () => {
  await using workspace = await createWorkspace();
  const mirror = await serve(workspace, "healthy");
  const colon = (certsDir: string): string => usual(`${certsDir}:/etc/docker/certs.d`);
  const node = { registry: new URL(mirror).host, version: V21, hosts: `server = "${mirror}"\n` };
  const ignored = await explain(workspace, { ...node, text: colon });
  assert.equal(ignored.source.kind, "none");
  assert.match(ignored.doubts.join(), /config_path names several folders, which containerd 2\.1\.9 ignores/);
  const local = (certsDir: string): string =>
    `${colon(certsDir)}[plugins."io.containerd.cri.v1.images"]\nuse_local_image_pull = true\n`;
  assert.equal((await explain(workspace, { ...node, text: local })).source.kind, "hosts.toml");
});

const legacy =
  (registry: string, mirror: string): (() => string) =>
  () =>
    `version = 2\n${R2}mirrors."${registry}".endpoint = ["${mirror}"]\n`;

test("explainImage() knows that mirrors of the old kind on 2.1 are pulled from in the old way, with its time limit", async () => {
  await using workspace = await createWorkspace();
  const upstream = await serve(workspace, "healthy");
  const registry = new URL(upstream).host;
  const explanation = await explain(workspace, { registry, version: V21, text: legacy(registry, upstream) });
  assert.equal(explanation.source.kind, "legacy");
  assert.deepEqual(explanation.silence, { kind: "hangs", cancelledAfterMs: 300_000 });
});

test("explainImage() reads mirrors of the old kind also where they cannot be edited, and says what cannot be told", async () => {
  await using workspace = await createWorkspace();
  const upstream = await serve(workspace, "healthy");
  const registry = new URL(upstream).host;
  const text = (): string =>
    `${legacy(registry, upstream)()}configs."other:5000".tls.ca_file = "relative.pem"\nmirrors."${registry}".rewrite = {}\n`;
  const explanation = await explain(workspace, { registry, text });
  assert.deepEqual([explanation.source.kind, explanation.forecast.kind], ["legacy", "served"]);
  assert.match(explanation.doubts.join(), /holds "rewrite"/);
});

const statuses = ({ hosts }: Explanation): unknown =>
  hosts.map(({ manifestByDigest }) => manifestByDigest?.kind === "answered" && manifestByDigest.status);

test("explainImage() does not mind a web page at a server that is not asked", async () => {
  await using workspace = await createWorkspace();
  const [mirror, upstream] = [await serve(workspace, "healthy"), await serve(workspace, "html")];
  const explanation = await explain(workspace, { hosts: `server = "${upstream}"\n[host."${mirror}"]\n` });
  assert.deepEqual(explanation.forecast, { kind: "served", by: 0, resolvedBy: 0, delayMs: 0 });
  assert.equal(explanation.digestsDiffer, false, "the hash of a page is no digest");
});

test("explainImage() names the server that answers with a web page, and asks the others for the image all the same", async () => {
  await using workspace = await createWorkspace();
  const [mirror, upstream] = [await serve(workspace, "html"), await serve(workspace, "healthy")];
  const explanation = await explain(workspace, { hosts: `server = "${upstream}"\n[host."${mirror}"]\n` });
  const { forecast } = explanation;
  assert.deepEqual([forecast.kind, forecast.kind === "fails" && forecast.at], ["fails", 0]);
  assert.deepEqual(statuses(explanation), [200, 200], "the upstream has the image, under its own digest");
});

test("explainImage() asks nobody where containerd serves no pulls", async () => {
  await using workspace = await createWorkspace();
  const change = { daemon: daemon({ criProblem: "its CRI plugin is not loaded" }) };
  const explanation = await explain(workspace, { hosts: 'server = "http://127.0.0.1:1"\n', change });
  assert.deepEqual([explanation.hosts, explanation.source], [[], { kind: "unread" }]);
  const because = "containerd serves no pulls: its CRI plugin is not loaded";
  assert.deepEqual(explanation.forecast, { kind: "fails", because, at: null, delayMs: 0 });
});

test("explainImage() says that what it found holds only after a restart, where config.toml was changed since the last", async () => {
  await using workspace = await createWorkspace();
  const hosts = `server = "${await serve(workspace, "healthy")}"\n[host]\n`;
  const late = await explain(workspace, { hosts, change: { configChangedAtMs: 2000 } });
  assert.equal(late.forecast.kind, "served");
  assert.match(late.containerd.pending ?? "", /changed after it was started/);
});

test("explainImage() looks where the running containerd does, and not where config.toml says since", async () => {
  await using workspace = await createWorkspace();
  const hosts = `server = "${await serve(workspace, "healthy")}"\n[host]\n`;
  const inEffect = { daemon: daemon().identity, configPath: await workspace.folder("certs.d"), auths: {} };
  const changed = await explain(workspace, { hosts, text: () => usual("/elsewhere"), inEffect });
  assert.deepEqual([changed.source.kind, changed.containerd.pending], ["hosts.toml", null]);
  assert.match(changed.doubts.join(), /has not loaded/);
});
