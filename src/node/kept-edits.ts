// What is kept of our edits of containerd's files, so that `restore` can take them out again.

import { createHash } from "node:crypto";
import { type AuthFingerprints, fingerprintAuth } from "../core/containerd-config/auth-fingerprint.ts";
import { undoConfigPath } from "../core/containerd-config/edit-config-path.ts";
import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import { findOurAuths } from "../core/containerd-config/undo-auths.ts";
import type { JournalEdit, KeptEdit, Remembered } from "./restart-memory.ts";

type Edits = Readonly<Record<string, KeptEdit>>;

interface Circumstances {
  /** Of the file before the edit. */
  readonly mode: number;
  readonly fingerprintKey: string;
}

/** What leads back to what was there before our first edit of this file; nothing where nothing of ours is left in it. */
export function withEdit(edits: Edits, edit: FileEdit, { mode, fingerprintKey }: Circumstances): Edits {
  const { path, oldText, newText, isRestore } = edit;
  if (isRestore || newText === null) return edits;
  const first = holdsOurs(edits, edit, fingerprintKey) ? edits[path] : undefined;
  const undo = undoAfter(first, edit);
  const auths = authsAfter(first, edit, fingerprintKey);
  const isSecret = Object.keys(auths).length > 0;
  if (undo === null && !isSecret) return without(edits, path);
  // Where others' changes are in the file too, its original bytes are no way back any more.
  const isTheirs = first !== undefined && hashOf(oldText ?? "") !== first.sha256;
  const kept: KeptEdit = {
    undo,
    auths,
    mode: isSecret ? (first?.mode ?? mode) : null,
    created: first ? first.created : oldText === null,
    sha256: isTheirs ? "" : hashOf(newText),
  };
  return { ...edits, [path]: kept };
}

/** Whether the file holds a value of ours before this edit, so that it is not the operator's alone. */
export function holdsOurs(
  edits: Edits,
  { path, oldText }: Pick<FileEdit, "path" | "oldText">,
  fingerprintKey: string,
): boolean {
  const kept = edits[path];
  if (!kept || oldText === null) return false;
  if (hashOf(oldText) === kept.sha256 || holdsPath(kept, oldText)) return true;
  return findOurAuths(oldText, { auths: kept.auths, fingerprintKey }).length > 0;
}

/** What is kept once the journaled edit is in force. */
export function withoutRestored(now: Remembered): Edits {
  return now.journal?.edit?.isRestore ? without(now.edits, now.journal.edit.path) : now.edits;
}

/** What is kept of our edits once this one was taken back. */
export function withoutEdit(edits: Edits, edit: JournalEdit | null): Edits {
  if (edit === null) return edits;
  return edit.kept ? { ...edits, [edit.path]: edit.kept } : without(edits, edit.path);
}

// A second value of ours leads back to what was there before the first.
function undoAfter(first: KeptEdit | undefined, { undo, oldText }: FileEdit): KeptEdit["undo"] {
  if (!first?.undo || undo === null) return undo ?? first?.undo ?? null;
  if (!holdsPath(first, oldText ?? "")) return undo;
  return { ...first.undo, value: undo.value, splice: undo.splice };
}

function authsAfter(first: KeptEdit | undefined, edit: FileEdit, fingerprintKey: string): AuthFingerprints {
  const before = first?.auths ?? {};
  const left = findOurAuths(edit.oldText ?? "", { auths: before, fingerprintKey });
  const kept = left.map((host) => [host, before[host] ?? ""] as const);
  const changed = edit.auths.map(({ host, auth }) => [host, fingerprintAuth(fingerprintKey, host, auth)] as const);
  const after = new Map([...kept, ...changed]);
  return Object.fromEntries([...after].filter(([, fingerprint]) => fingerprint !== ""));
}

function holdsPath({ undo }: KeptEdit, text: string): boolean {
  return undo !== null && undoConfigPath(text, undo).kind !== "gone";
}

function without(edits: Edits, path: string): Edits {
  const { [path]: _, ...others } = edits;
  return others;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
