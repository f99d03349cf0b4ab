// Remembers, from one run to the next, which repository got which blob. It is only a hint where a blob can be mounted
// from: what is really there is asked of the registry each time, for its garbage collection may have been by.

import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface PushJournal {
  add(repository: string, digest: string): void;
  /** Another repository that got the blob, in this run or an earlier one. */
  findOther(repository: string, digest: string): string | null;
  close(): Promise<void>;
}

const MOST_LINES = 50_000;

/** A journal that ends with the run. */
export function openMemoryJournal(): PushJournal {
  return makeJournal(new Map(), null);
}

/** Opens the journal of one registry; what cannot be read or written costs a few mounts, so it is no error. */
export async function openJournal(folder: string, origin: string): Promise<PushJournal> {
  const name = createHash("sha256").update(origin).digest("hex").slice(0, 16);
  const path = join(folder, `${name}.tsv`);
  const lines = (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line.includes("\t"));
  const known = new Map(lines.map((line) => line.split("\t") as [string, string]));
  const file = await openForAppend(path, lines.length > MOST_LINES);
  return makeJournal(known, file);
}

function makeJournal(known: Map<string, string>, file: FileHandle | null): PushJournal {
  let written = Promise.resolve();
  return {
    add(repository, digest) {
      if (known.get(digest) === repository) return;
      known.set(digest, repository);
      written = written.then(() => file?.appendFile(`${digest}\t${repository}\n`)).catch(() => undefined);
    },
    findOther(repository, digest) {
      const found = known.get(digest) ?? null;
      return found === repository ? null : found;
    },
    async close() {
      await written;
      await file?.close();
    },
  };
}

async function openForAppend(path: string, startAnew: boolean): Promise<FileHandle | null> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return await open(path, startAnew ? "w" : "a", 0o600);
  } catch {
    return null;
  }
}
