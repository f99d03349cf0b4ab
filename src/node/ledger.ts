// Remembers what was on the node before the agent wrote there, so that it can be put back.
//
// Invariants:
// 1. An original is kept once: a later version of a file that we own never replaces it.
// 2. The ledger names a backup only when the backup is whole on disk, and a file is only
//    written over when the ledger names its backup.
// 3. The copy is byte for byte, with mode and owner.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { isMissing, readTextIfThere, removeFile, statIfThere, writeFileAtomic } from "./files.ts";

interface Kept {
  readonly backup: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

type Entries = Record<string, Kept>;

export class Ledger {
  readonly #stateDir: string;
  readonly #entries: Map<string, Kept>;
  #writing: Promise<void> = Promise.resolve();

  private constructor(stateDir: string, entries: Entries) {
    this.#stateDir = stateDir;
    this.#entries = new Map(Object.entries(entries));
  }

  /** Opens the ledger in `stateDir`; a ledger that cannot be read is an error, since originals depend on it. */
  static async open(stateDir: string): Promise<Ledger> {
    const text = await readTextIfThere(ledgerPath(stateDir));
    return new Ledger(stateDir, text === null ? {} : parseLedger(text, ledgerPath(stateDir)));
  }

  get paths(): ReadonlySet<string> {
    return new Set(this.#entries.keys());
  }

  /** Keeps the file at `path` as it is now, unless its original is already kept or it is not there. */
  async backUp(path: string): Promise<void> {
    if (this.#entries.has(path)) return;
    const [content, stat] = await Promise.all([readIfThere(path), statIfThere(path)]);
    if (content === null || stat === null) return;
    const backup = `backups/${createHash("sha256").update(path).digest("hex").slice(0, 32)}`;
    await writeFileAtomic(`${this.#stateDir}/${backup}`, content, { mode: 0o600 });
    this.#entries.set(path, { backup, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid });
    await this.#save();
  }

  /** Puts the original back and forgets it. */
  async restore(path: string): Promise<void> {
    const kept = this.#entries.get(path);
    if (!kept) return;
    const content = await readFile(`${this.#stateDir}/${kept.backup}`);
    await writeFileAtomic(path, content, { mode: kept.mode, owner: kept });
    await this.forget(path);
  }

  /** The original's text; null if none is kept. */
  async readOriginal(path: string): Promise<string | null> {
    const kept = this.#entries.get(path);
    return kept ? readFile(`${this.#stateDir}/${kept.backup}`, "utf8") : null;
  }

  /** Drops the original, where the file on the node is the original again. */
  async forget(path: string): Promise<void> {
    const kept = this.#entries.get(path);
    if (!kept) return;
    this.#entries.delete(path);
    await this.#save();
    await removeFile(`${this.#stateDir}/${kept.backup}`);
  }

  // Several actions run side by side; their saves queue up so that the last one writes everything.
  #save(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write());
    return this.#writing;
  }

  #write(): Promise<void> {
    const text = JSON.stringify({ schema: 1, files: Object.fromEntries(this.#entries) }, null, 2);
    return writeFileAtomic(ledgerPath(this.#stateDir), `${text}\n`, { mode: 0o600 });
  }
}

function ledgerPath(stateDir: string): string {
  return `${stateDir}/ledger.json`;
}

function parseLedger(text: string, path: string): Entries {
  try {
    const ledger = JSON.parse(text) as { schema: number; files: Entries };
    if (ledger.schema === 1) return ledger.files;
  } catch (cause) {
    throw new Error(`Cannot read "${path}": it is not JSON; it lists the backups beside it, mend it by hand`, {
      cause,
    });
  }
  throw new Error(`Cannot read "${path}": it was written by a newer version of mirror-agent`);
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
