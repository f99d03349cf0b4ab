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
}

const usual = (certsDir: string): string => `version = 2\n${R2}config_path = "${certsDir}"\n`;

async function explain(
  workspace: Workspace,
  { registry = "gcr.io", hosts, text = usual, version = V17, change }: Node,
) {
  const certsDir = await workspace.folder("certs.d");
  if (hosts !== undefined) await workspace.file(`certs.d/${registry}/hosts.toml`, hosts);
  const config = resolveConfig([{ path: "/etc/containerd/config.toml", text: text(certsDir) }], version);
  const running = daemon({ version });
  const client = new HttpClient();
  workspace.onEnd(() => client.close());
  const settings = { client, proxy: NO_PROXY_ENVIRONMENT, architecture: "amd64", timeoutMs: 2000 };
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
  assert.equal((await explain(workspace, { ...node, text: colon })).source.kind, "none");
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
