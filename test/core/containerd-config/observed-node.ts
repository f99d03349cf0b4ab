// A node with a containerd 1.7 and one config.toml, for the tests of what has to happen to it.

import type { ObservedContainerd, RunningDaemon } from "../../../src/core/containerd-config/observed-containerd.ts";
import {
  planTakeover,
  type TakeoverMemory,
  type TakeoverWish,
} from "../../../src/core/containerd-config/plan-takeover.ts";
import { type ConfigFile, resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";

export const ROOT = "/etc/containerd/config.toml";
export const WISH: TakeoverWish = { certsDir: "/etc/containerd/certs.d", restart: "when-needed" };
export const NOTHING: TakeoverMemory = { inEffect: null, failed: null, fingerprintKey: "key", edits: {} };
export const R2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
export const SET = `version = 2\n${R2}config_path = "/etc/containerd/certs.d"\n`;
export const UNSET = "version = 2\n";
export const VERSION = { major: 1, minor: 7, patch: 24 };

export function daemon(changes: Partial<RunningDaemon> = {}): RunningDaemon {
  const unit = { name: "containerd.service", killMode: "process" };
  const base = { identity: "b:1:1", pid: 1, startedAtMs: 1000, version: VERSION, workingFolder: "/" };
  return { ...base, unit, criProblem: null, ...changes };
}

export function observed(text: string | null, changes: Partial<ObservedContainerd> = {}): ObservedContainerd {
  const version = changes.version === undefined ? VERSION : changes.version;
  const files: ConfigFile[] = [{ path: ROOT, text }];
  return {
    socket: "/run/containerd/containerd.sock",
    daemon: daemon(),
    binary: "/usr/bin/containerd",
    version,
    managedBy: null,
    config: version && resolveConfig(files, version),
    configChangedAtMs: 500,
    ...changes,
  };
}

export function plan(node: ObservedContainerd, wish: Partial<TakeoverWish> = {}, memory: Partial<TakeoverMemory> = {}) {
  return planTakeover(node, { ...WISH, ...wish }, { ...NOTHING, ...memory });
}
