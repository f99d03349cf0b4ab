// Keeps Google's access tokens across a restart of the agent, so that pulls do not lose what hosts.toml holds because
// Google cannot be reached just then. It tells no more than hosts.toml does, to root alone; the keys that the tokens
// were got with are not in it. A file that is damaged means that none is kept.

import { createHash } from "node:crypto";
import type { KeptToken } from "../core/credentials/kept-token.ts";
import { Secret } from "../core/credentials/secret.ts";
import { makeFolder, readTextIfThere, removeFile, writeFileAtomic } from "./files.ts";

interface Entry {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly lifetimeMs: number;
}

type Entries = Readonly<Record<string, Entry | null>>;

/** The token that was kept of a key, be it still good or not. */
export async function readKeptToken(stateDir: string, keyJson: Secret): Promise<KeptToken | null> {
  const entry = (await readEntries(stateDir))[hashOf(keyJson)];
  if (typeof entry?.token !== "string" || !Number.isFinite(entry.expiresAtMs) || !(entry.lifetimeMs > 0)) return null;
  return { ...entry, keyJson, token: new Secret(entry.token) };
}

/** Keeps these and no others; without any there is no file. */
export async function writeKeptTokens(stateDir: string, tokens: readonly KeptToken[]): Promise<void> {
  const path = pathIn(stateDir);
  const entries = tokens.map(({ keyJson, token, expiresAtMs, lifetimeMs }) => {
    return [hashOf(keyJson), { token: token.reveal(), expiresAtMs, lifetimeMs }] as const;
  });
  if (entries.length === 0) return void (await removeFile(path));
  const text = `${JSON.stringify({ schema: 1, tokens: Object.fromEntries(entries) })}\n`;
  if (text === (await readTextIfThere(path))) return;
  await makeFolder(stateDir, 0o700);
  await writeFileAtomic(path, text, { mode: 0o600 });
}

async function readEntries(stateDir: string): Promise<Entries> {
  const text = await readTextIfThere(pathIn(stateDir));
  try {
    const kept = JSON.parse(text ?? "null") as { schema: number; tokens?: Entries | null } | null;
    return kept?.schema === 1 ? (kept.tokens ?? {}) : {};
  } catch {
    return {};
  }
}

function pathIn(stateDir: string): string {
  return `${stateDir}/google-tokens.json`;
}

function hashOf(keyJson: Secret): string {
  return createHash("sha256").update(keyJson.reveal()).digest("hex");
}
