// A node in a folder: config.toml, and a containerd that is a file saying how often it was started and with what.
// It outlives the process that works on it, so a test can kill that anywhere. As a program (node restart-world.ts
// DIR KILL_AT POLICY) it does one pass: resume, plan, perform.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Change } from "../../src/core/containerd-config/plan-takeover.ts";
import { performTakeover, type RestartPolicy, type RestartPorts, resumeTakeover } from "../../src/node/restart.ts";
import { RestartMemory } from "../../src/node/restart-memory.ts";

export const OLD = "version = 2\n";
export const WANTED = "/certs.d";

export interface World {
  /** How often containerd was started; 0: it does not run. */
  starts: number;
  /** The config.toml that it runs with. */
  loaded: string | null;
  /** Configurations containing this leave the CRI plugin failed; null: none does. */
  breaksOn: string | null;
  pulls: number[];
}

export const POLICY: RestartPolicy = { pullsWithinMs: 5000, spreadMs: 0, answersWithinMs: 0, settlesWithinMs: 0 };

export function readWorld(dir: string): World {
  return JSON.parse(readFileSync(join(dir, "world.json"), "utf8"));
}

export function writeWorld(dir: string, world: Partial<World>): void {
  const before = existsSync(join(dir, "world.json"))
    ? readWorld(dir)
    : { starts: 1, loaded: OLD, breaksOn: null, pulls: [] };
  writeFileSync(join(dir, "world.json"), JSON.stringify({ ...before, ...world }));
}

export function configOf(dir: string): string | null {
  const path = join(dir, "config.toml");
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}

export function restartContainerd(dir: string): void {
  writeWorld(dir, { starts: readWorld(dir).starts + 1, loaded: configOf(dir) });
}

export function portsOf(dir: string, onStep: (step: string) => void = () => {}): RestartPorts {
  return {
    findIdentity: async () => (readWorld(dir).starts === 0 ? null : `boot:${readWorld(dir).starts}`),
    restart: async () => {
      restartContainerd(dir);
      return null;
    },
    findCriProblem: async () => {
      const { loaded, breaksOn } = readWorld(dir);
      return breaksOn !== null && loaded?.includes(breaksOn) ? "the CRI plugin is not loaded" : null;
    },
    countPulls: async () => {
      const [now = 0, ...later] = readWorld(dir).pulls;
      writeWorld(dir, { pulls: later });
      return now;
    },
    findLoadProblem: async () => null,
    backUp: async () => {},
    onStep,
  };
}

/** What planning would say: null once the running containerd has the wanted value. */
export async function planIn(
  dir: string,
  memory: RestartMemory,
  restart: Change["restart"] = "now",
): Promise<Change | null> {
  const { loaded, starts } = readWorld(dir);
  const text = configOf(dir);
  const edited = text?.includes(WANTED) ?? false;
  if (edited && loaded?.includes(WANTED)) return null;
  if (memory.now.failed?.key === "key") return null;
  const undo = {
    path: ["config_path"],
    value: WANTED,
    previousRaw: null,
    addedTable: false,
    addedVersion: false,
    splice: { offset: OLD.length, removed: "", inserted: `config_path = "${WANTED}"\n` },
  };
  const newText = `${text ?? ""}config_path = "${WANTED}"\n`;
  const edit = edited
    ? null
    : { path: join(dir, "config.toml"), oldText: text, newText, undo, drops: [], auths: [], isRestore: false };
  const daemon = starts === 0 ? null : `boot:${starts}`;
  return { kind: "change", because: "test", edit, restart, daemon, key: "key", wanted: WANTED, auths: {} };
}

/** One pass; what resuming or performing came to. */
export async function pass(dir: string, { onStep = (_: string) => {}, restart = "now" as Change["restart"] } = {}) {
  const memory = await RestartMemory.open(join(dir, "state"));
  const run = { memory, ports: portsOf(dir, onStep), policy: POLICY };
  const signal = new AbortController().signal;
  const resumed = await resumeTakeover(run, signal);
  const change = await planIn(dir, memory, restart);
  return change ? performTakeover(change, run, signal) : resumed;
}

if (import.meta.main) {
  const [, , dir = "", killAt] = process.argv;
  const onStep = (step: string): void => {
    if (step === killAt) process.kill(process.pid, "SIGKILL");
  };
  await pass(dir, { onStep });
}
