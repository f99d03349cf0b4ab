// Remembers what the agent did to containerd's configuration and how far a restart has come.
//
// Invariants:
// 1. A step is on disk before the action that it names is begun, so whoever starts next knows that it may have happened.
// 2. `journal` is null exactly when nothing is under way and no restart is owed for an edit of ours.
// 3. `edits` has every file in which a value is ours, with what taking it out again needs; the bytes from before the
//    first edit are in the ledger.
// 4. The file holds texts of config.toml, and so passwords, while something is under way or owed: only root reads it.
//    What it keeps of a credential beyond that is a keyed hash.

import { randomBytes } from "node:crypto";
import type { AuthFingerprints } from "../core/containerd-config/auth-fingerprint.ts";
import type { ConfigPathUndo } from "../core/containerd-config/edit-config-path.ts";
import type { TakeoverMemory } from "../core/containerd-config/plan-takeover.ts";
import { makeFolder, readTextIfThere, writeFileAtomic } from "./files.ts";

/** What comes next, or is being done: everything before it is done. */
export type Step = "editing" | "owed" | "restarting" | "rolling-back" | "restarting-old";

export interface Journal {
  readonly step: Step;
  readonly edit: JournalEdit | null;
  /** The daemon that has to be replaced; null if none ran. */
  readonly daemon: string | null;
  readonly key: string;
  readonly wanted: string;
  /** The credentials that the new configuration holds. */
  readonly auths: AuthFingerprints;
  /** Why the new configuration was given up; before that, what the restart command had to say, if anything. */
  readonly failure: string | null;
}

export interface JournalEdit {
  readonly path: string;
  readonly oldText: string | null;
  /** Null: removed. */
  readonly newText: string | null;
  /** Whether nothing of ours is left in the file once this is in force. */
  readonly isRestore: boolean;
  /** What was remembered of the file before, for when this is taken back. */
  readonly kept: KeptEdit | null;
  /** Of the old file. */
  readonly mode: number;
  readonly newMode: number;
  readonly owner: { readonly uid: number; readonly gid: number } | null;
}

export interface KeptEdit {
  /** Null where config_path is not ours. */
  readonly undo: ConfigPathUndo | null;
  /** The credentials that we wrote. */
  readonly auths: AuthFingerprints;
  /** The file's own mode, while it has another because it holds a credential of ours. */
  readonly mode: number | null;
  /** Whether the file is ours whole. */
  readonly created: boolean;
  /** Of the text that we wrote: where it is still there, the original goes back as it was. */
  readonly sha256: string;
}

export interface Remembered extends TakeoverMemory {
  readonly journal: Journal | null;
  readonly edits: Readonly<Record<string, KeptEdit>>;
  readonly lastRestartAtMs: number | null;
}

/** What is remembered where nothing was done yet. */
export const NOTHING_REMEMBERED: Remembered = {
  journal: null,
  edits: {},
  inEffect: null,
  failed: null,
  lastRestartAtMs: null,
  fingerprintKey: "",
};

/** Remembers what a daemon has loaded, so that a later change of the files alone proves nothing. */
export async function rememberInEffect(
  memory: RestartMemory,
  inEffect: NonNullable<TakeoverMemory["inEffect"]>,
): Promise<void> {
  const known = memory.now.inEffect;
  if (known?.daemon === inEffect.daemon && known.configPath === inEffect.configPath) return;
  await memory.update({ inEffect });
}

/** Forgets what was owed to this daemon, where nothing is any more: the texts in the journal may be secret. */
export async function forgetPaid(memory: RestartMemory, daemon: string | null): Promise<void> {
  const { journal } = memory.now;
  if (journal?.step === "owed" && daemon !== null && journal.daemon === daemon) await memory.update({ journal: null });
}

/** What is remembered cannot be read. */
export class RestartMemoryError extends Error {
  override readonly name = "RestartMemoryError";
}

/** What is remembered in `folder`, only to look at. */
export async function readRemembered(folder: string): Promise<Remembered> {
  const path = memoryPath(folder);
  const text = await readTextIfThere(path);
  return text === null ? NOTHING_REMEMBERED : parseRemembered(text, path);
}

/** Holds what is remembered, and writes every change through. */
export class RestartMemory {
  readonly #path: string;
  #now: Remembered;

  private constructor(path: string, now: Remembered) {
    this.#path = path;
    this.#now = now;
  }

  /** Opens it in `folder`. That it cannot be read is an error: a restart may be half done. */
  static async open(folder: string): Promise<RestartMemory> {
    await makeFolder(folder, 0o700);
    const now = await readRemembered(folder);
    const fingerprintKey = now.fingerprintKey || randomBytes(32).toString("base64url");
    return new RestartMemory(memoryPath(folder), { ...now, fingerprintKey });
  }

  get now(): Remembered {
    return this.#now;
  }

  /** Changes some of it; it is on disk when this returns. */
  async update(changes: Partial<Remembered>): Promise<void> {
    const next = { ...this.#now, ...changes };
    await writeFileAtomic(this.#path, `${JSON.stringify({ schema: 1, ...next }, null, 2)}\n`, { mode: 0o600 });
    this.#now = next;
  }
}

function memoryPath(folder: string): string {
  return `${folder}/containerd.json`;
}

function parseRemembered(text: string, path: string): Remembered {
  try {
    const { schema, ...remembered } = JSON.parse(text) as { schema: number } & Remembered;
    if (schema === 1) return { ...NOTHING_REMEMBERED, ...remembered };
  } catch (cause) {
    throw new RestartMemoryError(
      `Cannot read "${path}": it is not JSON; mend it by hand, it says what was done to containerd`,
      {
        cause,
      },
    );
  }
  throw new RestartMemoryError(`Cannot read "${path}": it was written by a newer version of mirror-agent`);
}
