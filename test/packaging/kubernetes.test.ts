import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { DaemonSet } from "kubernetes-types/apps/v1.d.ts";
import { parseConfig } from "../../src/core/config/parse-config.ts";
import { VERSION } from "../../src/version.ts";
import { readAgentManifest, readManifests } from "./kubernetes-manifests.ts";

const ROOT = join(import.meta.dirname, "../..");
const TYPES: Readonly<Record<string, string>> = { v1: "core/v1", "apps/v1": "apps/v1" };
const OVERLAYS = ["base", "free-pulls", "restarts"];

test("the manifests hold what Kubernetes' own API has, and nothing else", async () => {
  assert.equal(await typeCheck(OVERLAYS.flatMap((overlay) => readManifests(overlay))), "");
});

for (const overlay of OVERLAYS) {
  test(`the pod (${overlay}) mounts each of its volumes once, each somewhere else`, () => {
    const { pod, container } = readAgentManifest(overlay);
    const mounts = container.volumeMounts ?? [];
    assert.deepEqual(mounts.map(({ name }) => name).sort(), (pod.volumes ?? []).map(({ name }) => name).sort());
    assert.equal(new Set(mounts.map(({ mountPath }) => mountPath)).size, mounts.length);
  });
}

test("a key that Kubernetes does not have is found", async () => {
  const text = JSON.stringify(readManifests()).replace('"readOnlyRootFilesystem"', '"readonlyRootFilesystem"');
  assert.match(await typeCheck(JSON.parse(text)), /readonlyRootFilesystem"?' does not exist/);
});

test("the DaemonSet selects its own pods", () => {
  const { spec } = readManifests().find(({ kind }) => kind === "DaemonSet") as DaemonSet;
  assert.deepEqual(spec?.selector.matchLabels, spec?.template.metadata?.labels);
});

test("the image is this version's, and the limit of memory the unit's", () => {
  const { container } = readAgentManifest();
  assert.equal(container.image, `mirror-agent:${VERSION}`);
  const unit = readFileSync(join(ROOT, "systemd/mirror-agent.service"), "utf8");
  assert.equal(container.resources?.limits?.memory, `${/^MemoryMax=(\d+)M$/m.exec(unit)?.[1]}Mi`);
});

test("the ConfigMap's config is valid, and names files that the pod has", () => {
  const { container, configMap } = readAgentManifest();
  const { config, issues } = parseConfig(configMap.data?.["config.yaml"] ?? "");
  assert.deepEqual(issues, []);
  const paths =
    JSON.stringify(config)
      .match(/"\/[^"]+"/g)
      ?.map((path) => path.slice(1, -1)) ?? [];
  assert.ok(paths.length >= 3);
  for (const path of paths) {
    const mount = container.volumeMounts?.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    assert.ok(mount, `${path} is in no volume`);
    if (mount.name === "config") assert.ok(path.slice(mount.mountPath.length + 1) in (configMap.data ?? {}), path);
  }
});

/** What the compiler says of them beside the types that are generated from Kubernetes' OpenAPI. */
async function typeCheck(manifests: readonly { apiVersion: string; kind: string }[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "mirror-agent-"));
  const lines = manifests.map((manifest, index) => {
    const path = join(ROOT, `node_modules/kubernetes-types/${TYPES[manifest.apiVersion]}.d.ts`);
    assert.ok(existsSync(path), path);
    return `export const it${index}: import(${JSON.stringify(path)}).${manifest.kind} = ${JSON.stringify(manifest)};\n`;
  });
  try {
    await writeFile(join(dir, "manifests.ts"), lines.join(""));
    const options = ["--noEmit", "--strict", "--ignoreConfig", "--types", "", join(dir, "manifests.ts")];
    await promisify(execFile)(join(ROOT, "node_modules/.bin/tsc"), options);
    return "";
  } catch (error) {
    return (error as { stdout: string }).stdout || String(error);
  } finally {
    await rm(dir, { recursive: true });
  }
}
