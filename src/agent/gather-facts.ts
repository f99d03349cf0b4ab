// Gathers what `doctor` judges: reads files, looks at containerd and the host, asks every endpoint once. Changes
// nothing on this node.

import { planTakeover } from "../core/containerd-config/plan-takeover.ts";
import { findDataFolder } from "../core/containerd-config/resolve-config.ts";
import type { AgentFacts, CertsFacts, DoctorFacts } from "../core/doctor/facts.ts";
import type { Places } from "../core/explain/hosts-folder.ts";
import { readRoute } from "../core/explain/pull-hosts.ts";
import { tlsPaths } from "../core/explain/tls-contents.ts";
import type { NodePaths } from "../core/node-paths.ts";
import { compileRoutes } from "../core/routes.ts";
import { observeCertsDir } from "../node/certs-dir.ts";
import { readTextIfThere, statIfThere } from "../node/files.ts";
import { observeHost } from "../node/host-facts.ts";
import { findAgentPid } from "../node/process-powers.ts";
import { readPlaces, readTexts } from "../node/read-places.ts";
import type { Remembered } from "../node/restart-memory.ts";
import type { Status, StatusTransition } from "../report/status.ts";
import { askEndpoints } from "./ask-endpoints.ts";
import { askImages } from "./ask-images.ts";
import type { NodeView, ObserveOptions } from "./observe-node.ts";

/** Gathers everything; rejects only when the signal is aborted, or this host itself does not answer. */
export async function gatherFacts(node: NodeView, options: ObserveOptions, signal: AbortSignal): Promise<DoctorFacts> {
  const { paths, loaded, observed, proxy, remembered } = node;
  const { config, issues } = loaded;
  const wish = { certsDir: paths.certsDir, restart: config?.agent.containerd.restart ?? "when-needed" };
  const dataFolder = (observed.config && findDataFolder(observed.config)) ?? `${options.root}/var/lib/containerd`;
  const routes = config === null ? [] : compileRoutes(config);
  const [certs, endpoints, images, agent, host] = await Promise.all([
    gatherCerts(node),
    askEndpoints(node, options, signal),
    askImages({ ...node, nowMs: options.nowMs }, routes, signal),
    gatherAgent(paths, remembered),
    observeHost({
      paths: [dataFolder, paths.stateDir],
      root: options.root,
      certsDir: paths.certsDir,
    }),
  ]);
  return {
    nowMs: options.nowMs(),
    config: {
      path: paths.config,
      isValid: config !== null,
      issues,
      registries: routes.map(({ registry }) => registry),
    },
    containerd: observed,
    takeover: config === null ? null : planTakeover(observed, wish, remembered),
    certs,
    endpoints,
    proxy,
    images,
    agent,
    host,
  };
}

async function gatherCerts({ paths: { certsDir }, observed }: NodeView): Promise<CertsFacts> {
  const { folders, hostsFiles } = await observeCertsDir(certsDir).catch(() => ({
    folders: new Set<string>(),
    hostsFiles: new Map(),
  }));
  const places = await readPlaces([...folders].map((name) => `${certsDir}/${name}`));
  const version = observed.daemon?.version ?? observed.version;
  const named = version === null ? [] : [...places].flatMap((entry) => namedBy(entry, version));
  return {
    certsDir,
    places,
    modes: new Map([...hostsFiles].map(([path, { mode }]) => [path, mode])),
    tlsFiles: await readTexts([...new Set(named)]),
  };
}

function namedBy(
  [path, place]: Places extends ReadonlyMap<infer K, infer V> ? [K, V] : never,
  version: Parameters<typeof readRoute>[1]["version"],
): readonly string[] {
  if (place.kind !== "folder") return [];
  const folder = { ...place, kind: "found", path, hidden: [] } as const;
  return readRoute(folder, { registry: path.slice(path.lastIndexOf("/") + 1), version }).hosts.flatMap(tlsPaths);
}

async function gatherAgent(
  { stateDir, status, runDir }: NodePaths,
  { journal, failed }: Remembered,
): Promise<AgentFacts> {
  const [shown, stat, pid] = await Promise.all([
    readTextIfThere(status),
    statIfThere(stateDir),
    findAgentPid(`${runDir}/run.lock`),
  ]);
  return {
    ...readStatus(shown, { isRunning: pid !== null }),
    stateDir,
    stateDirMode: stat === null ? null : stat.mode & 0o777,
    restartOwed: journal?.step === "owed",
    restartFailed: failed?.because ?? null,
  };
}

function readStatus(
  text: string | null,
  { isRunning }: { isRunning: boolean },
): Pick<AgentFacts, "statusAtMs" | "falls" | "freeing"> {
  try {
    const status = JSON.parse(text ?? "null") as Pick<Status, "updatedAt" | "transitions" | "freeing"> | null;
    const atMs = Date.parse(status?.updatedAt ?? "");
    return {
      statusAtMs: Number.isNaN(atMs) ? null : atMs,
      falls: (status?.transitions ?? []).flatMap(readFall),
      freeing: isRunning ? (status?.freeing ?? null) : null,
    };
  } catch {
    return { statusAtMs: null, falls: [], freeing: null };
  }
}

function readFall({ at, endpoint, to, reason }: StatusTransition): AgentFacts["falls"] {
  return to === "down" ? [{ atMs: Date.parse(at), endpoint, reason }] : [];
}
