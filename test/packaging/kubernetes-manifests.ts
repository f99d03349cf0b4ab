// The manifests of packaging/kubernetes as values, also as kustomize makes them of an overlay: its patches are lists of
// JSON Patch operations (RFC 6902), of which add and replace are in use.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DaemonSet } from "kubernetes-types/apps/v1.d.ts";
import type { ConfigMap, Container, PodSpec } from "kubernetes-types/core/v1.d.ts";
import { parse } from "yaml";

export const MANIFESTS = join(import.meta.dirname, "../../packaging/kubernetes");

interface Kustomization {
  readonly resources: readonly string[];
  readonly patches?: readonly { readonly path: string; readonly target: { readonly kind: string } }[];
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

/** All objects of the base, or of an overlay of it. */
export function readManifests(overlay = "base"): Manifest[] {
  const folder = join(MANIFESTS, overlay);
  const { resources, patches = [] } = parse(readFileSync(join(folder, "kustomization.yaml"), "utf8")) as Kustomization;
  const manifests = resources.flatMap((path) =>
    path.endsWith(".yaml") ? [parse(readFileSync(join(folder, path), "utf8"))] : readManifests(join(overlay, path)),
  );
  for (const { path, target } of patches) {
    const patched = manifests.filter(({ kind }) => kind === target.kind);
    if (patched.length !== 1) throw new Error(`${path} finds ${patched.length} of kind ${target.kind}`);
    for (const operation of parse(readFileSync(join(folder, path), "utf8"))) patch(patched[0], operation);
  }
  return manifests;
}

function patch(manifest: unknown, { op, path, value }: Operation): void {
  const keys = path.split("/").slice(1);
  const last = keys.pop() ?? "";
  const parent = keys.reduce((at, key) => (at as Record<string, unknown>)?.[key], manifest) as Record<string, unknown>;
  if (typeof parent !== "object" || parent === null) throw new Error(`There is nothing at ${dirname(path)}`);
  if (op !== "add" && op !== "replace") throw new Error(`"${op}" is not known here`);
  if (op === "replace" && !(last in parent)) throw new Error(`There is nothing to replace at ${path}`);
  parent[last] = value;
}

export interface AgentManifest {
  readonly pod: PodSpec;
  readonly container: Container;
  readonly configMap: ConfigMap;
}

/** The pod of the DaemonSet, and its config. */
export function readAgentManifest(overlay = "base"): AgentManifest {
  const manifests = readManifests(overlay);
  const daemonSet = manifests.find(({ kind }) => kind === "DaemonSet") as DaemonSet | undefined;
  const configMap = manifests.find(({ kind }) => kind === "ConfigMap") as ConfigMap | undefined;
  const pod = daemonSet?.spec?.template.spec;
  const container = pod?.containers[0];
  if (!pod || !container || !configMap) throw new Error("The DaemonSet or its ConfigMap is missing");
  return { pod, container, configMap };
}
