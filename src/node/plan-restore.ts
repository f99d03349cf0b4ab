// Plans how containerd's configuration goes back to what it was before us. A file that nobody has touched since gets
// its original bytes; from one that somebody has edited only our value is taken out.

import { createHash } from "node:crypto";
import { undoConfigPath } from "../core/containerd-config/edit-config-path.ts";
import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import type { Change } from "../core/containerd-config/plan-takeover.ts";
import { resolveConfig } from "../core/containerd-config/resolve-config.ts";
import { readTextIfThere } from "./files.ts";
import type { KeptEdit, Remembered } from "./restart-memory.ts";

export interface RestoreOptions {
  readonly restart: "when-needed" | "never";
  /** The bytes from before our first edit, as the ledger keeps them; null if there was no file. */
  readonly readOriginal: (path: string) => Promise<string | null>;
}

export interface RestorePlan {
  /** To be carried out one after the other by `performTakeover`; empty if nothing is ours. */
  readonly changes: readonly Change[];
  /** Files out of which our value cannot be taken, with the reason. */
  readonly refused: readonly { readonly path: string; readonly because: string }[];
}

/** What takes every value of ours out of containerd's configuration. */
export async function planRestore(
  observed: ObservedContainerd,
  remembered: Remembered,
  options: RestoreOptions,
): Promise<RestorePlan> {
  const changes: Change[] = [];
  const refused: { path: string; because: string }[] = [];
  for (const [path, kept] of Object.entries(remembered.edits)) {
    const oldText = await readTextIfThere(path);
    const restored = await restoreText(path, { kept, oldText, readOriginal: options.readOriginal });
    if ("because" in restored) refused.push({ path, because: restored.because });
    else if (restored.text !== oldText) {
      const edit: FileEdit = { path, oldText, newText: restored.text, undo: null, drops: [[]] };
      const isLoaded = !isStillOwed(observed, edit, remembered);
      changes.push(planChange(observed, edit, { isLoaded, restart: options.restart }));
    }
  }
  return { changes, refused };
}

interface Restoring {
  readonly kept: KeptEdit;
  readonly oldText: string | null;
  readonly readOriginal: RestoreOptions["readOriginal"];
}

type Restored = { readonly text: string | null } | { readonly because: string };

async function restoreText(path: string, { kept, oldText, readOriginal }: Restoring): Promise<Restored> {
  if (oldText === null) return { text: null };
  if (createHash("sha256").update(oldText).digest("hex") === kept.sha256) {
    if (kept.created) return { text: null };
    const original = await readOriginal(path);
    if (original !== null) return { text: original };
  }
  const undone = undoConfigPath(oldText, kept.undo);
  if (undone.kind === "refused") return undone;
  const text = undone.kind === "gone" ? oldText : undone.text;
  return { text: kept.created && text.trim() === "" ? null : text };
}

// A restart that nobody has done yet is not needed any more: the running containerd never saw our value.
function isStillOwed({ daemon }: ObservedContainerd, edit: FileEdit, { journal }: Remembered): boolean {
  if (journal?.step !== "owed" || journal.daemon !== daemon?.identity) return false;
  return journal.edit?.path === edit.path && journal.edit.oldText === edit.newText;
}

function planChange(
  observed: ObservedContainerd,
  edit: FileEdit,
  { isLoaded, restart }: { isLoaded: boolean; restart: RestoreOptions["restart"] },
): Change {
  const { daemon, config, version } = observed;
  const files = (config?.files ?? []).map((file) => (file.path === edit.path ? { ...file, text: edit.newText } : file));
  const wanted = version === null ? "" : resolveConfig(files, version).configPath;
  // A daemon that runs with the value that comes back needs no restart for it.
  const needed = daemon !== null && isLoaded && wanted !== config?.configPath;
  const because = `"${edit.path}" is put back as it was before mirror-agent`;
  const key = `restore ${edit.path}`;
  const endsContainers = (daemon?.unit ?? null) !== null && daemon?.unit?.killMode !== "process";
  const owed = restart === "never" || endsContainers ? "owed" : "now";
  return {
    kind: "change",
    because,
    edit,
    restart: needed ? owed : "none",
    daemon: daemon?.identity ?? null,
    key,
    wanted,
  };
}
