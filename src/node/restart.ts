// Puts a change of containerd's configuration in force: edit, restart, see the CRI answer, or else put everything
// back. Every step is on disk before it is begun (restart-memory.ts), so that a process that is killed anywhere in
// here is continued by the next: a restart that is owed is not forgotten, and one that was done is not done again.
// What tells the two apart is the daemon's identity: it changes with every start, whoever started it.

import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { FileEdit } from "../core/containerd-config/find-edit.ts";
import type { Change } from "../core/containerd-config/plan-takeover.ts";
import { readTextIfThere, removeFile, removeTemporaries, statIfThere, writeFileAtomic } from "./files.ts";
import { holdsOurs, withEdit, withoutEdit, withoutRestored } from "./kept-edits.ts";
import type { Journal, JournalEdit, KeptEdit, RestartMemory, Step } from "./restart-memory.ts";
import { isReplaced, waitForAnswer, waitForPulls } from "./restart-waits.ts";

/** The node, as far as a restart needs it. */
export interface RestartPorts {
  /** Null while no daemon runs. */
  findIdentity(): Promise<string | null>;
  /** Restarts containerd; what the command says is no proof, so it only returns a problem to tell. */
  restart(signal: AbortSignal): Promise<string | null>;
  /** Null if the CRI serves pulls. */
  findCriProblem(signal: AbortSignal): Promise<string | null>;
  countPulls(signal: AbortSignal): Promise<number>;
  /** Why the configuration, with this edit, would not load or would change more than it should; null if it is good. */
  findLoadProblem(edit: FileEdit | null, signal: AbortSignal): Promise<string | null>;
  /** Keeps the file before a change to it; `isOriginal`: as it is now, whatever was kept of it before. */
  backUp(path: string, isOriginal: boolean): Promise<void>;
  /** Told before and after each effect; tests end the process here. */
  onStep?(step: string): void;
}

export interface RestartPolicy {
  /** How long pulls in flight may hold a restart up. */
  readonly pullsWithinMs: number;
  /** How long to wait so that not all nodes of a fleet restart at once. */
  readonly spreadMs: number;
  /** How long containerd may take until its CRI answers. */
  readonly answersWithinMs: number;
  /** How long a restart that an earlier process may have begun is waited for before it is begun again. */
  readonly settlesWithinMs: number;
}

/** For a restart that somebody waits for; a daemon adds a `spreadMs` drawn by lot from 0 to MAX_SPREAD_MS. */
export const USUAL_POLICY: RestartPolicy = {
  pullsWithinMs: 60_000,
  spreadMs: 0,
  answersWithinMs: 30_000,
  settlesWithinMs: 10_000,
};

export const MAX_SPREAD_MS = 30_000;

export interface RestartRun {
  readonly memory: RestartMemory;
  readonly ports: RestartPorts;
  readonly policy: RestartPolicy;
}

export type RestartOutcome =
  | { readonly kind: "done"; readonly restarted: boolean }
  | { readonly kind: "owed"; readonly because: string }
  /** Nothing was changed. */
  | { readonly kind: "refused"; readonly because: string }
  /** The old bytes are back; `recovered` says whether the CRI answers with them. */
  | { readonly kind: "failed"; readonly because: string; readonly recovered: boolean };

/** Carries out a planned change. Call `resumeTakeover` before planning it. */
export async function performTakeover(change: Change, run: RestartRun, signal: AbortSignal): Promise<RestartOutcome> {
  const problem = await run.ports.findLoadProblem(change.edit, signal);
  if (problem !== null) return { kind: "refused", because: problem };
  if (change.edit) await makeEdit(change, change.edit, run);
  if (change.restart === "none") {
    await run.memory.update({ journal: null, edits: withoutRestored(run.memory.now) });
    return { kind: "done", restarted: false };
  }
  if (change.restart === "owed") return { kind: "owed", because: change.because };
  return restartNow(await oweRestart(change, run), run, signal);
}

/**
 * Finishes what an earlier process began; null if nothing was, or if only a restart is owed that nobody has begun
 * (planning decides about that one). An owed restart that somebody else has done is checked like our own.
 */
export async function resumeTakeover(run: RestartRun, signal: AbortSignal): Promise<RestartOutcome | null> {
  const journal = run.memory.now.journal;
  return journal === null ? null : RESUME[journal.step](journal, run, signal);
}

const RESUME: {
  readonly [S in Step]: (journal: Journal, run: RestartRun, signal: AbortSignal) => Promise<RestartOutcome | null>;
} = {
  editing: resumeEditing,
  owed: resumeOwed,
  restarting: async (journal, run, signal) => {
    if (!(await isReplaced(journal, run, signal))) await run.ports.restart(signal);
    return settleRestart(journal, run, signal);
  },
  "rolling-back": rollBack,
  "restarting-old": async (journal, run, signal) => {
    if (!(await isReplaced(journal, run, signal))) await run.ports.restart(signal);
    return settleRollback(journal, run, signal);
  },
};

async function makeEdit(change: Change, edit: FileEdit, run: RestartRun): Promise<void> {
  const { memory, ports } = run;
  const { edits, fingerprintKey } = memory.now;
  const isOurs = holdsOurs(edits, edit, fingerprintKey);
  await ports.backUp(edit.path, !isOurs);
  const stat = await statIfThere(edit.path);
  const owner = stat && { uid: stat.uid, gid: stat.gid };
  const { path, oldText, newText, isRestore } = edit;
  const mode = stat ? stat.mode & 0o7777 : 0o644;
  const kept = edits[path] ?? null;
  const after = withEdit(edits, edit, { mode, fingerprintKey });
  const newMode = modeOf(after[path], { mode, kept: isOurs ? kept : null, isRestore });
  const texts = { path, oldText, newText, isRestore, kept };
  const journaled: JournalEdit = { ...texts, mode, newMode, owner, ...lastLoaded(edit, run) };
  const { daemon, key, wanted, auths } = change;
  const journal = { step: "editing", edit: journaled, daemon, key, wanted, auths, failure: null } as const;
  await memory.update({ journal, edits: after });
  ports.onStep?.("editing");
  await putText({ ...journaled, mode: newMode }, newText);
  ports.onStep?.("edited");
  await memory.update({ journal: { ...journal, step: "owed" } });
  ports.onStep?.("owed");
}

// Where the text before this edit is ours too and was never loaded, a failure leads back to the one before that.
function lastLoaded({ path, oldText }: FileEdit, { memory }: RestartRun): Partial<JournalEdit> {
  const owed = memory.now.journal?.step === "owed" ? memory.now.journal.edit : null;
  if (owed?.path !== path || owed.newText !== oldText) return {};
  return { oldText: owed.oldText, kept: owed.kept, mode: owed.mode };
}

// A file that holds a secret of ours is root's alone, and gets its own mode back when it holds none.
function modeOf(
  after: KeptEdit | undefined,
  { mode, kept, isRestore }: { mode: number; kept: KeptEdit | null; isRestore: boolean },
): number {
  if (isRestore || after === undefined || after.mode === null) return kept?.mode ?? mode;
  return mode & 0o600;
}

async function oweRestart({ daemon, key, wanted, auths }: Change, { memory }: RestartRun): Promise<Journal> {
  const kept = memory.now.journal;
  const isSame = kept?.step === "owed" && kept.daemon === daemon && kept.wanted === wanted;
  const journal: Journal = isSame
    ? { ...kept, auths }
    : { step: "owed", edit: null, daemon, key, wanted, auths, failure: null };
  await memory.update({ journal });
  return journal;
}

async function restartNow(journal: Journal, run: RestartRun, signal: AbortSignal): Promise<RestartOutcome> {
  const { memory, ports, policy } = run;
  await delay(policy.spreadMs, undefined, { signal });
  await waitForPulls(run, signal);
  const problem = await ports.findLoadProblem(null, signal);
  if (problem !== null) return { kind: "owed", because: problem };
  const restarting = { ...journal, step: "restarting" } as const;
  await memory.update({ journal: restarting });
  ports.onStep?.("restarting");
  // Somebody may have restarted it while we waited: that is as good as ours.
  const isOurs = (await ports.findIdentity()) === journal.daemon;
  const told = isOurs ? await ports.restart(signal) : null;
  ports.onStep?.("restarted");
  return settleRestart({ ...restarting, failure: told }, run, signal);
}

async function resumeEditing(journal: Journal, run: RestartRun): Promise<RestartOutcome | null> {
  const { memory } = run;
  const { edit } = journal;
  if (edit !== null && (await readTextIfThere(edit.path)) === edit.newText) {
    await memory.update({ journal: { ...journal, step: "owed" } });
    return null;
  }
  await memory.update({ journal: null, edits: withoutEdit(memory.now.edits, edit) });
  return null;
}

async function resumeOwed(journal: Journal, run: RestartRun, signal: AbortSignal): Promise<RestartOutcome | null> {
  const identity = await run.ports.findIdentity();
  // A containerd that somebody has stopped stays stopped.
  if (identity === null || identity === journal.daemon) return null;
  return settleRestart(journal, run, signal);
}

async function settleRestart(journal: Journal, run: RestartRun, signal: AbortSignal): Promise<RestartOutcome> {
  const { memory, ports } = run;
  const { problem, identity } = await waitForAnswer(journal.daemon, run, signal);
  if (problem === null && identity !== null) {
    const inEffect = { daemon: identity, configPath: journal.wanted, auths: journal.auths };
    const edits = withoutRestored(run.memory.now);
    await memory.update({ journal: null, edits, inEffect, failed: null, lastRestartAtMs: Date.now() });
    return { kind: "done", restarted: true };
  }
  const told = journal.failure === null ? "" : ` (${journal.failure})`;
  const failure = `containerd did not come back with the new configuration: ${problem}${told}`;
  const failed = { ...journal, step: "rolling-back", failure } as const;
  await memory.update({ journal: failed });
  ports.onStep?.("rolling-back");
  return rollBack(failed, run, signal);
}

async function rollBack(journal: Journal, run: RestartRun, signal: AbortSignal): Promise<RestartOutcome> {
  const { memory, ports } = run;
  const { edit } = journal;
  // Without an edit of ours there is nothing to put back, and a second restart would change nothing.
  if (edit === null) return giveUp(journal, run, false);
  if ((await readTextIfThere(edit.path)) === edit.newText) await putText(edit, edit.oldText);
  ports.onStep?.("rolled-back");
  const old = { ...journal, step: "restarting-old", daemon: await ports.findIdentity() } as const;
  await memory.update({ journal: old });
  ports.onStep?.("restarting-old");
  await ports.restart(signal);
  ports.onStep?.("restarted-old");
  return settleRollback(old, run, signal);
}

async function settleRollback(journal: Journal, run: RestartRun, signal: AbortSignal): Promise<RestartOutcome> {
  const { problem } = await waitForAnswer(journal.daemon, run, signal);
  return giveUp(journal, run, problem === null);
}

async function giveUp(journal: Journal, run: RestartRun, recovered: boolean): Promise<RestartOutcome> {
  const { memory } = run;
  const because = journal.failure ?? "containerd did not come back with the new configuration";
  const failed = { key: journal.key, because };
  await memory.update({
    journal: null,
    failed,
    edits: withoutEdit(memory.now.edits, journal.edit),
    lastRestartAtMs: Date.now(),
  });
  return { kind: "failed", because, recovered };
}

async function putText({ path, mode, owner }: JournalEdit, text: string | null): Promise<void> {
  // One that was killed in the middle of this may have left a whole secret behind.
  await removeTemporaries(dirname(path));
  if (text === null) await removeFile(path);
  else await writeFileAtomic(path, text, { mode, owner });
}
