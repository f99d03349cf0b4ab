// Sees every change of the files the node's state is made from: however an editor saves, whatever links
// lead to them, and also while they or their folders are missing. chokidar watches the entries that decide
// what a file's path leads to (link-chain), folder-watch the managed folders. Their events only say when to look;
// stamps say what changed, since chokidar reports a second change 50 ms late and a first look as a change.
// A slow timer looks as well, for what they miss (no inotify watches left, a link swapped between two looks).

import { type FSWatcher, watch } from "chokidar";
import { Burst } from "./burst.ts";
import { FolderWatch } from "./folder-watch.ts";
import { createLinkReader, findLinkChain } from "./link-chain.ts";
import { isFolder, stampFile, stampFolder, stampTree } from "./stamp.ts";

export interface WatchOptions {
  /** What changed in one burst: files and folders as they were given, and paths within the folders. */
  readonly onChange: (paths: readonly string[]) => void;
  /** Called once: from now on some changes are only seen by the slow timer. */
  readonly onProblem: (error: WatchError) => void;
  readonly quietMs?: number;
  readonly longestMs?: number;
  readonly compareMs?: number;
}

/** Absolute paths. Folders are watched with what is in them and in their folders. */
export interface WatchedPaths {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Changes are only seen by the slow timer, and why. */
export class WatchError extends Error {
  override readonly name = "WatchError";
}

interface Watched {
  readonly folder: FolderWatch | null;
  stamp: string;
}

const TREE_DEPTH = 2;

/** Watches what setPaths() named last, until close(). */
export class FileWatch {
  readonly #options: WatchOptions;
  readonly #compareMs: number;
  #chokidar: FSWatcher;
  readonly #burst: Burst;
  readonly #timer: NodeJS.Timeout;
  readonly #watched = new Map<string, Watched>();
  #entries: ReadonlySet<string> = new Set();
  #blind = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#compareMs = options.compareMs ?? 20_000;
    const { quietMs = 20, longestMs = 250 } = options;
    this.#burst = new Burst({ quietMs, longestMs }, (paths) => this.#look(paths));
    this.#timer = setInterval(() => this.#lookForMissed(), this.#compareMs);
    this.#chokidar = this.#startChokidar();
  }

  /** Watches these paths and no others. Call it before reading them: changes count from this call on. */
  setPaths({ files, folders }: WatchedPaths): void {
    const wanted = new Set([...files, ...folders]);
    for (const [path, { folder }] of this.#watched) {
      if (wanted.has(path)) continue;
      folder?.close();
      this.#watched.delete(path);
    }
    for (const path of files) this.#watch(path, () => null);
    for (const path of folders) this.#watch(path, () => this.#openFolder(path));
    this.#followLinks();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#burst.close();
    for (const { folder } of this.#watched.values()) folder?.close();
    this.#watched.clear();
    await this.#chokidar.close();
  }

  #watch(path: string, open: () => FolderWatch | null): void {
    if (this.#watched.has(path)) return;
    const folder = open();
    this.#watched.set(path, { folder, stamp: this.#stamp(path, folder) });
  }

  #openFolder(path: string): FolderWatch {
    const onChange = (changed: string): void => this.#burst.add(changed);
    return new FolderWatch(path, { onChange, onProblem: (error) => this.#onProblem(error) });
  }

  #followLinks(): void {
    const readLink = createLinkReader();
    const files = [...this.#watched].filter(([, { folder }]) => folder === null).map(([path]) => path);
    // Given a folder by mistake ("caCertPath: /"), chokidar would watch all that is in it and below.
    const entries = new Set(files.flatMap((path) => findLinkChain(path, readLink)).filter((path) => !isFolder(path)));
    const gone = this.#entries.difference(entries);
    const added = entries.difference(this.#entries);
    this.#entries = entries;
    if (gone.size > 0) this.#chokidar.unwatch([...gone]);
    if (added.size > 0) this.#chokidar.add([...added]);
  }

  #startChokidar(): FSWatcher {
    // Links are watched as links. With `atomic` chokidar would hold removals back for 100 ms.
    const chokidar = watch([], { followSymlinks: false, atomic: false });
    chokidar.on("all", () => this.#burst.poke());
    chokidar.on("raw", () => this.#burst.poke());
    // It speaks of a link before it watches it: what changed in between is seen by a look when it watches all.
    chokidar.on("ready", () => this.#burst.poke());
    chokidar.on("error", (error) => this.#onProblem(error as Error));
    return chokidar;
  }

  // Folders that are removed and made again while chokidar looks at them can leave it blind for a file:
  // 3 of 400 rounds of a test that did little else.
  #lookForMissed(): void {
    if (!this.#look(new Set()) || this.#blind) return;
    this.#chokidar.close();
    this.#chokidar = this.#startChokidar();
    this.#entries = new Set();
    this.#followLinks();
  }

  // Stamps are taken after the links were followed and before anybody reads: what changes later than that
  // makes chokidar speak once more, be it that it has only just begun to watch the entry.
  #look(within: ReadonlySet<string>): boolean {
    this.#followLinks();
    const changed = new Set(within);
    for (const [path, watched] of this.#watched) {
      const stamp = this.#stamp(path, watched.folder);
      if (stamp === watched.stamp) continue;
      watched.stamp = stamp;
      watched.folder?.reopen();
      changed.add(path);
    }
    if (changed.size > 0) this.#options.onChange([...changed]);
    return changed.size > 0;
  }

  // All that is in a folder is only looked at when its own watch may be missing something.
  #stamp(path: string, folder: FolderWatch | null): string {
    if (folder === null) return stampFile(path);
    return this.#blind ? stampTree(path, TREE_DEPTH) : stampFolder(path);
  }

  #onProblem(error: Error): void {
    if (this.#blind) return;
    this.#blind = true;
    this.#options.onProblem(new WatchError(describeProblem(error, this.#compareMs), { cause: error }));
  }
}

function describeProblem(error: Error, compareMs: number): string {
  const code = (error as NodeJS.ErrnoException).code;
  const causes: Record<string, string> = {
    ENOSPC: "no inotify watches are left (sysctl fs.inotify.max_user_watches)",
    EMFILE: "no inotify instances are left (sysctl fs.inotify.max_user_instances)",
  };
  const cause = causes[code ?? ""] ?? error.message;
  return `Cannot watch all files: ${cause}; changes are seen within ${compareMs / 1000} s until mirror-agent is restarted`;
}
