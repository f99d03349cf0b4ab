// Plans how containerd's configuration goes back to what it was before us. A file that nobody has touched since gets
// its original bytes; from one that somebody has edited only what is ours is taken out.

import { createHash } from "node:crypto";
import { fingerprintAuths } from "../core/containerd-config/auth-fingerprint.ts";
import { undoConfigPath } from "../core/containerd-config/edit-config-path.ts";
import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import type { ObservedContainerd } from "../core/containerd-config/observed-containerd.ts";
import type { Change } from "../core/containerd-config/plan-takeover.ts";
import { resolveConfig } from "../core/containerd-config/resolve-config.ts";
import { findOurAuths, undoAuths } from "../core/containerd-config/undo-auths.ts";
import { readTextIfThere } from "./files.ts";
import type { KeptEdit, Remembered } from "./restart-memory.ts";

export interface RestoreOptions {
  readonly restart: "when-needed" | "never" | "on-hang";
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
    const { fingerprintKey } = remembered;
    const { readOriginal, restart } = options;
    const restored = await restoreText(path, { kept, oldText, readOriginal, fingerprintKey });
    if ("because" in restored) refused.push({ path, because: restored.because });
    else if (restored.text !== oldText) {
      const edit: FileEdit = {
        path,
        oldText,
        newText: restored.text,
        undo: null,
        drops: [[]],
        auths: [],
        isRestore: true,
      };
      const isLoaded = !isStillOwed(observed, edit, remembered);
      const holdsAuth = findOurAuths(oldText ?? "", { auths: kept.auths, fingerprintKey }).length > 0;
      changes.push(planChange(observed, edit, { isLoaded, holdsAuth, restart, fingerprintKey }));
    }
  }
  return { changes, refused };
}

interface Restoring {
  readonly kept: KeptEdit;
  readonly oldText: string | null;
  readonly readOriginal: RestoreOptions["readOriginal"];
  readonly fingerprintKey: string;
}

type Restored = { readonly text: string | null } | { readonly because: string };

async function restoreText(path: string, restoring: Restoring): Promise<Restored> {
  const { kept, oldText, readOriginal, fingerprintKey } = restoring;
  if (oldText === null) return { text: null };
  if (createHash("sha256").update(oldText).digest("hex") === kept.sha256) {
    if (kept.created) return { text: null };
    const original = await readOriginal(path);
    if (original !== null) return { text: original };
  }
  const { auths, undo } = kept;
  const parted = undoAuths(oldText, { auths, fingerprintKey });
  if (parted.kind === "refused") return parted;
  const without = parted.kind === "gone" ? oldText : parted.text;
  const undone = undo === null ? ({ kind: "gone" } as const) : undoConfigPath(without, undo);
  if (undone.kind === "refused") return undone;
  const text = undone.kind === "gone" ? without : undone.text;
  return { text: kept.created && text.trim() === "" ? null : text };
}

// A restart that nobody has done yet is not needed any more: the running containerd never saw our value.
function isStillOwed({ daemon }: ObservedContainerd, edit: FileEdit, { journal }: Remembered): boolean {
  if (journal?.step !== "owed" || journal.daemon !== daemon?.identity) return false;
  return journal.edit?.path === edit.path && journal.edit.oldText === edit.newText;
}

interface Circumstances {
  readonly isLoaded: boolean;
  /** Whether the file held a credential of ours, which containerd forgets only when it is started anew. */
  readonly holdsAuth: boolean;
  readonly restart: RestoreOptions["restart"];
  readonly fingerprintKey: string;
}

function planChange(
  observed: ObservedContainerd,
  edit: FileEdit,
  { isLoaded, holdsAuth, restart, fingerprintKey }: Circumstances,
): Change {
  const { daemon, config, version } = observed;
  const files = (config?.files ?? []).map((file) => (file.path === edit.path ? { ...file, text: edit.newText } : file));
  const after = version === null ? null : resolveConfig(files, version);
  const wanted = after?.configPath ?? "";
  // A daemon that runs with the value that comes back needs no restart for it.
  const needed = daemon !== null && isLoaded && (wanted !== config?.configPath || holdsAuth);
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
    auths: fingerprintAuths(fingerprintKey, after?.registry ?? {}),
  };
}
