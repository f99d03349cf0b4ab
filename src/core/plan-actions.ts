// What to do so that the node has what it should have, and why. A settled node gets an empty plan.

import type { Action } from "./action.ts";
import type { WantFile } from "./compile-node.ts";
import { assertReadsBack, isManaged } from "./hosts-toml.ts";

/** The files that are ours to change, as they are now. */
export interface NodeHave {
  /** Every hosts.toml in certs.d, foreign ones too; by path. */
  readonly hostsFiles: ReadonlyMap<string, HaveFile>;
  /** The copies of TLS files; by path. */
  readonly tlsCopies: ReadonlyMap<string, HaveFile>;
  /** The paths of which the original was kept before we wrote there. */
  readonly backedUp: ReadonlySet<string>;
}

export interface HaveFile {
  readonly text: string;
  readonly mode: number;
}

/** Ordered actions from `have` to `want`; throws if a hosts.toml of ours would not read back as meant. */
export function planActions(want: readonly WantFile[], have: NodeHave): Action[] {
  const current = new Map([...have.tlsCopies, ...have.hostsFiles]);
  const changed = want.filter((file) => !isSame(file, current.get(file.path)));
  for (const file of changed) if (file.hosts) assertReadsBack(file.text, file.hosts);
  return [...planBackups(changed, have), ...planWrites(changed), ...planRemovals(want, have)];
}

function isSame(want: WantFile, have: HaveFile | undefined): boolean {
  return have !== undefined && have.text === want.text && have.mode === want.mode;
}

function planBackups(changed: readonly WantFile[], have: NodeHave): Action[] {
  return changed
    .filter((file) => isForeign(file.path, have))
    .map(({ path }) => ({ kind: "backUpFile", path, because: "it was there before mirror-agent" }));
}

function isForeign(path: string, { hostsFiles, backedUp }: NodeHave): boolean {
  const file = hostsFiles.get(path);
  return file !== undefined && !isManaged(file.text) && !backedUp.has(path);
}

function planWrites(changed: readonly WantFile[]): Action[] {
  return changed.map(({ path, text, mode, because }) => ({ kind: "writeFile", path, text, mode, because }));
}

function planRemovals(want: readonly WantFile[], have: NodeHave): Action[] {
  const wanted = new Set(want.map((file) => file.path));
  const hosts = [...have.hostsFiles].filter(([path, file]) => !wanted.has(path) && isManaged(file.text));
  const copies = [...have.tlsCopies.keys()].filter((path) => !wanted.has(path));
  return [
    ...hosts.map(([path]): Action => planHostsRemoval(path, have)),
    ...copies.map((path): Action => ({ kind: "removeFile", path, because: "no hosts.toml names it any more" })),
  ];
}

function planHostsRemoval(path: string, { backedUp }: NodeHave): Action {
  if (backedUp.has(path)) return { kind: "restoreFile", path, because: "the config no longer names this registry" };
  return { kind: "removeFile", path, because: "the config no longer names this registry" };
}
