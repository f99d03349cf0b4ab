// What must survive a restart of the agent: the last good config and the last known health.
//
// Invariants:
// 1. Both are conveniences: a state file that is missing or damaged means "nothing known", never an error.
// 2. The last good config is kept as its text together with the names of its TLS copies (tls/SHA256.pem),
//    so that it can be put in force again when the files it names are gone.
// 3. No secret is in it: the config only names files.

import { readFile } from "node:fs/promises";
import type { TlsFile } from "../core/compile-node.ts";
import type { EndpointHealth } from "../core/health.ts";
import type { RecentTransition } from "../core/recent-transitions.ts";
import { makeFolder, readTextIfThere, writeFileAtomic } from "./files.ts";

export interface KnownHealth {
  /** By endpointKey. */
  readonly endpoints: Readonly<Record<string, EndpointHealth>>;
  /** The mirrors left out of routes: endpointKeys, by registry. */
  readonly out: Readonly<Record<string, readonly string[]>>;
  /** Missing in what an earlier version kept. */
  readonly recent?: readonly RecentTransition[];
}

export interface LastGood {
  readonly text: string;
  readonly tlsFiles: readonly TlsFile[];
}

type KeptTlsFile = Omit<TlsFile, "pem">;

const NOTHING_KNOWN: KnownHealth = { endpoints: {}, out: {} };

/** The last known health, or none. */
export async function readHealth(stateDir: string): Promise<KnownHealth> {
  return (await readJson<KnownHealth>(`${stateDir}/health.json`)) ?? NOTHING_KNOWN;
}

/** Remembers health across restarts. */
export async function writeHealth(stateDir: string, health: KnownHealth): Promise<void> {
  await writeJson(stateDir, "health.json", health);
}

/** The last config that was put in force, with its TLS files; null if there is none or a copy is gone. */
export async function readLastGood(stateDir: string): Promise<LastGood | null> {
  const kept = await readJson<{ text: string; tlsFiles: KeptTlsFile[] }>(`${stateDir}/last-good.json`);
  if (!kept) return null;
  try {
    const tlsFiles = await Promise.all(kept.tlsFiles.map((file) => withPem(file, stateDir)));
    return { text: kept.text, tlsFiles };
  } catch {
    return null;
  }
}

/** Remembers the config that is in force; its TLS copies are already on disk. */
export async function writeLastGood(stateDir: string, { text, tlsFiles }: LastGood): Promise<void> {
  await writeJson(stateDir, "last-good.json", { text, tlsFiles: tlsFiles.map(({ pem: _, ...file }) => file) });
}

async function withPem(file: KeptTlsFile, stateDir: string): Promise<TlsFile> {
  return { ...file, pem: await readFile(`${stateDir}/tls/${file.sha256}.pem`, "utf8") };
}

async function readJson<T extends object>(path: string): Promise<T | null> {
  const text = await readTextIfThere(path);
  try {
    const value = JSON.parse(text ?? "null") as ({ schema: number } & T) | null;
    return value?.schema === 1 ? value : null;
  } catch {
    return null;
  }
}

async function writeJson(stateDir: string, name: string, value: object): Promise<void> {
  await makeFolder(stateDir, 0o700);
  await writeFileAtomic(`${stateDir}/${name}`, `${JSON.stringify({ schema: 1, ...value })}\n`, { mode: 0o600 });
}
