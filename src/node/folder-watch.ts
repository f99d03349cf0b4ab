// Watches a folder and the folders in it, as certs.d is built: certs.d/<registry>/hosts.toml. fs.watch and
// not chokidar: for 1,000 registries chokidar takes 38 MiB, 0.4 s until it is ready and 1.2 s of CPU time
// for a pass that writes them all, this 2 MiB, 0.02 s and 0.02 s; and told to leave out what is in the
// folder, chokidar misses a folder that is removed and made again. inotify reports what happens in a
// folder, so one watch a folder sees writes, renames and removals of everything in it.

import { type FSWatcher, readdirSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createLinkReader, findLinkChain } from "./link-chain.ts";
import { isFolder } from "./stamp.ts";

export interface FolderWatchEvents {
  /** The folder itself, or something in it or in its folders. */
  readonly onChange: (path: string) => void;
  /** The folder is not seen fully: no inotify watch is to be had, or no right to read. */
  readonly onProblem: (error: Error) => void;
}

type OnEntry = (name: string | null) => void;

/** Watches from construction until close(), also while the folder is missing. */
export class FolderWatch {
  readonly #folder: string;
  readonly #events: FolderWatchEvents;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(folder: string, events: FolderWatchEvents) {
    this.#folder = folder;
    this.#events = events;
    this.reopen();
  }

  /** Starts over, since the folder was made, removed or replaced. */
  reopen(): void {
    this.close();
    for (const [above, names] of findEntriesAbove(this.#folder)) {
      this.#open(above, (name) => this.#onEntryAbove(name, names));
    }
    this.#open(this.#folder, (name) => this.#onEntry(name));
    for (const name of readFolderNames(this.#folder)) this.#openInner(join(this.#folder, name));
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #onEntryAbove(name: string | null, names: ReadonlySet<string>): void {
    if (name !== null && !names.has(name)) return;
    this.reopen();
    this.#events.onChange(this.#folder);
  }

  // An inner folder that was replaced has the same name and another inode: always open it anew. What was
  // put into it before that is covered, since the folder itself is reported.
  #onEntry(name: string | null): void {
    this.#events.onChange(join(this.#folder, name ?? ""));
    // inotify reports the end of the watched folder itself under its own name.
    if (name === null || name === basename(this.#folder)) {
      this.reopen();
      return;
    }
    const path = join(this.#folder, name);
    this.#watchers.get(path)?.close();
    this.#watchers.delete(path);
    if (isFolder(path)) this.#openInner(path);
  }

  #openInner(path: string): void {
    this.#open(path, (name) => this.#events.onChange(join(path, name ?? "")));
  }

  #open(path: string, onEntry: OnEntry): void {
    try {
      const watcher = watch(path, (_type, name) => onEntry(name));
      watcher.on("error", this.#events.onProblem);
      this.#watchers.set(path, watcher);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code !== "ENOENT" && code !== "ENOTDIR") this.#events.onProblem(error as Error);
    }
  }
}

/** The folders above, the outermost first, each with the names in it that lead to `path`. */
function findEntriesAbove(path: string): readonly [string, ReadonlySet<string>][] {
  const above = new Map<string, Set<string>>();
  for (const entry of findLinkChain(path, createLinkReader())) {
    for (let at = entry; at !== "/"; at = dirname(at)) {
      const names = above.get(dirname(at)) ?? new Set();
      above.set(dirname(at), names.add(basename(at)));
    }
  }
  return [...above].sort(([a], [b]) => a.length - b.length);
}

function readFolderNames(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch {
    return [];
  }
}
