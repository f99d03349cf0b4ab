// The ports of a restart on this node.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { isCertsDir } from "../core/containerd-config/certs-dir.ts";
import type { AuthChange, FileEdit } from "../core/containerd-config/find-edit.ts";
import { tableAt } from "../core/containerd-config/legacy-registry.ts";
import { alwaysPullsLocally } from "../core/containerd-config/local-pull.ts";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import {
  isSameValue,
  type TomlMap,
  valueAt,
  withoutEmptyTables,
  withValueAt,
} from "../core/containerd-config/toml-text.ts";
import { type ContainerdVersion, CRI_V2, CRI_V3 } from "../core/containerd-config/versions.ts";
import { findCriProblem } from "./containerd.ts";
import { ContainerdBinaryError, dumpCandidate, dumpConfig } from "./containerd-binary.ts";
import { findIdentity } from "./containerd-daemon.ts";
import { statIfThere } from "./files.ts";
import { countPullsInFlight } from "./pulls-in-flight.ts";
import type { RestartPorts } from "./restart.ts";

export interface NodeOptions {
  /** Null: systemd, by the daemon's own unit. */
  readonly restartCommand: readonly string[] | null;
  /** A private folder, for trials. */
  readonly stateDir: string;
  readonly wanted: string;
  readonly backUp: RestartPorts["backUp"];
}

const RESTART_TIMEOUT_MS = 90_000;

/** How a restart of the observed containerd is done. */
export function createRestartPorts(observed: ObservedContainerd, options: NodeOptions): RestartPorts {
  const { socket } = observed;
  return {
    findIdentity: () => findIdentity(socket),
    findCriProblem: (signal) => findCriProblem(socket, signal),
    countPulls: (signal) => countPullsInFlight(socket, signal),
    findLoadProblem: (edit, signal) => findLoadProblem(observed, { edit, ...options }, signal),
    restart: () => restart(options.restartCommand ?? unitCommand(observed)),
    backUp: options.backUp,
  };
}

// Not to be cancelled: what was begun goes on in systemd anyway, and half a restart is no state to leave.
async function restart(command: readonly string[]): Promise<string | null> {
  const [file = "", ...args] = command;
  const unit = file.endsWith("systemctl") ? args.at(-1) : undefined;
  // A unit that failed too often in a row is not started again until it is told to forget that.
  if (unit !== undefined) await run(file, ["reset-failed", unit]);
  return run(file, args);
}

async function run(file: string, args: readonly string[]): Promise<string | null> {
  try {
    await promisify(execFile)(file, args, { timeout: RESTART_TIMEOUT_MS });
    return null;
  } catch (error) {
    const { code } = error as { code?: string | number };
    return `"${[file, ...args].join(" ")}" ended with ${code}`;
  }
}

function unitCommand({ daemon }: ObservedContainerd): readonly string[] {
  return ["systemctl", "restart", daemon?.unit?.name ?? "containerd.service"];
}

interface Trial {
  readonly edit: FileEdit | null;
  readonly stateDir: string;
  readonly wanted: string;
}

/** Lets the very program that will read the configuration read it, before and after the edit. */
async function findLoadProblem(
  observed: ObservedContainerd,
  trial: Trial,
  signal: AbortSignal,
): Promise<string | null> {
  const { binary, config, version, daemon } = observed;
  if (binary === null || config === null || version === null) return "no containerd was found on this node";
  try {
    const options = { workingFolder: daemon?.workingFolder ?? "/", folder: trial.stateDir, signal };
    const isThere = (await statIfThere(config.rootPath)) !== null;
    const before = isThere
      ? await dumpConfig(binary, config.rootPath, options)
      : await dumpCandidate(binary, [], options);
    const registry = ["plugins", imagesPlugin(version), "registry"];
    if (trial.edit === null) return findMismatch(before, trial.wanted, version);
    const after = await dumpCandidate(binary, editedFiles(observed, trial.edit), options);
    const mismatch = findMismatch(after, trial.wanted, version);
    if (mismatch !== null) return mismatch;
    const wrong = trial.edit.auths.find((change) => !holdsAuth(valueAt(after, registry), change));
    if (wrong) return `containerd itself would not read the credential for "${wrong.host}" as it was written`;
    const changed = [...trial.edit.drops, ...trial.edit.auths.map(({ host }) => ["configs", host, "auth"])];
    const drops = [["imports"], [...registry, "config_path"], ...changed.map((drop) => [...registry, ...drop])];
    if (isSameValue(without(before, drops), without(after, drops))) return null;
    return `"${binary}" would read other settings differently after the edit of "${trial.edit.path}"`;
  } catch (error) {
    if (error instanceof ContainerdBinaryError) return error.message;
    throw error;
  }
}

// What is not set is dumped as an empty text.
function holdsAuth(registry: unknown, { host, auth }: AuthChange): boolean {
  const dumped = Object.entries(valueAt(registry, ["configs", host, "auth"]) ?? {}).filter(([, value]) => value !== "");
  return isSameValue(Object.fromEntries(dumped), { ...auth });
}

function without(dump: TomlMap, drops: readonly (readonly string[])[]): TomlMap {
  return drops.reduce((rest, path) => withoutEmptyTables(withValueAt(rest, path, undefined), path), dump);
}

function findMismatch(dump: TomlMap, wanted: string, version: ContainerdVersion): string | null {
  const images = tableAt(tableAt(dump, "plugins"), imagesPlugin(version));
  const dumped = valueAt(images, ["registry", "config_path"]);
  const isLocal = alwaysPullsLocally(images, version);
  if (typeof dumped === "string" && isCertsDir(dumped, wanted, { isLocal })) return null;
  return `containerd itself reads config_path as ${JSON.stringify(dumped ?? "")}, not as "${wanted}"`;
}

function editedFiles({ config }: ObservedContainerd, { path, newText }: FileEdit) {
  if (newText === null) return (config?.files ?? []).filter((file) => file.path !== path);
  const files = (config?.files ?? []).map((file) => (file.path === path ? { path, text: newText } : file));
  return files.length === 0 ? [{ path, text: newText }] : files;
}

function imagesPlugin(version: ContainerdVersion): string {
  return version.major < 2 ? CRI_V2 : CRI_V3;
}
