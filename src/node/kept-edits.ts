// What is kept of our edits of containerd's files, so that `restore` can take them out again.

import { createHash } from "node:crypto";
import { undoConfigPath } from "../core/containerd-config/edit-config-path.ts";
import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import type { JournalEdit, KeptEdit, Remembered } from "./restart-memory.ts";

type Edits = Readonly<Record<string, KeptEdit>>;

/** What leads back to what was there before our first edit of this file. */
export function withEdit(edits: Edits, edit: FileEdit): Edits {
  const { path, oldText, newText, undo } = edit;
  if (undo === null || newText === null) return edits;
  const first = edits[path];
  if (!first || !holdsOurs(edits, edit)) {
    return { ...edits, [path]: { undo, created: oldText === null, sha256: hashOf(newText) } };
  }
  const { value, splice } = undo;
  // Others' changes are in the file too: its original bytes are no way back any more.
  const sha256 = hashOf(oldText ?? "") === first.sha256 ? hashOf(newText) : "";
  return { ...edits, [path]: { ...first, undo: { ...first.undo, value, splice }, sha256 } };
}

/** Whether the file holds a value of ours before this edit, so that it is not the operator's alone. */
export function holdsOurs(edits: Edits, { path, oldText }: Pick<FileEdit, "path" | "oldText">): boolean {
  const kept = edits[path];
  if (!kept || oldText === null) return false;
  return hashOf(oldText) === kept.sha256 || undoConfigPath(oldText, kept.undo).kind !== "gone";
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

function without(edits: Edits, path: string): Edits {
  const { [path]: _, ...others } = edits;
  return others;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
