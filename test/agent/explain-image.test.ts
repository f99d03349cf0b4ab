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
  /** Below certs.d: what hosts.toml of gcr.io says. */
  readonly hosts?: string;
  /** Of config.toml, given the folder of hosts.toml. */
  readonly text?: (certsDir: string) => string;
  readonly version?: typeof V17;
  readonly change?: Partial<ExplainSettings["observed"]>;
}

const usual = (certsDir: string): string => `version = 2\n${R2}config_path = "${certsDir}"\n`;

async function explain(workspace: Workspace, { hosts, text = usual, version = V17, change }: Node) {
  const certsDir = await workspace.folder("certs.d");
  if (hosts !== undefined) await workspace.file("certs.d/gcr.io/hosts.toml", hosts);
  const config = resolveConfig([{ path: "/etc/containerd/config.toml", text: text(certsDir) }], version);
  const running = daemon({ version });
  const client = new HttpClient();
  workspace.onEnd(() => client.close());
  const settings = { client, proxy: NO_PROXY_ENVIRONMENT, architecture: "amd64", timeoutMs: 2000 };
  const node = observed("", { version, config, daemon: running, ...change });
  const parsed = parseImageReference("gcr.io/app:1");
  assert.ok(parsed.ok);
  return explainImage(parsed.reference, { ...settings, observed: node }, new AbortController().signal);
}

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
