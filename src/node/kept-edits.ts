// What is kept of our edits of containerd's files, so that `restore` can take them out again.

import { createHash } from "node:crypto";
import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import type { JournalEdit, KeptEdit, Remembered } from "./restart-memory.ts";

type Edits = Readonly<Record<string, KeptEdit>>;

/** What leads back to what was there before our first edit of this file. */
export function withEdit(edits: Edits, { path, oldText, newText, undo }: FileEdit): Edits {
  if (undo === null || newText === null) return edits;
  const first = edits[path];
  const { value, splice } = undo;
  const sha256 = createHash("sha256").update(newText).digest("hex");
  const kept = first && { ...first, undo: { ...first.undo, value, splice }, sha256 };
  return { ...edits, [path]: kept ?? { undo, created: oldText === null, sha256 } };
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
