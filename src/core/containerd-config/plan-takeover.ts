// Decides what has to happen to containerd's own configuration so that it reads our hosts.toml files and has the
// credentials that these cannot carry, all in one edit, and whether that takes a restart. Restarting is the one thing
// here that can hurt a node, so everything that could make it fail is looked for before: a refusal changes nothing.

import { createHmac } from "node:crypto";
import { type AuthFingerprints, fingerprintAuth, fingerprintAuths } from "./auth-fingerprint.ts";
import { isCertsDir } from "./certs-dir.ts";
import { convertLegacy } from "./convert-legacy.ts";
import { type FileEdit, findConfigPathEdit } from "./find-edit.ts";
import { alwaysPullsLocally } from "./local-pull.ts";
import { hasChangedSinceStart, type ObservedContainerd } from "./observed-containerd.ts";
import {
  type AuthMemory,
  type AuthPlan,
  type AuthState,
  type AuthWishes,
  planAuths,
  renderAuth,
} from "./plan-auths.ts";
import { type Refused, readContainerd, refuse, refuseLegacy, refuseRestart } from "./refuse-takeover.ts";
import { type ResolvedConfig, resolveConfig } from "./resolve-config.ts";
import type { ContainerdVersion } from "./versions.ts";

export interface TakeoverWish {
  readonly certsDir: string;
  readonly restart: "when-needed" | "never" | "on-hang";
  /** Absent where nothing is known of credentials: then those in the files stay as they are. */
  readonly auths?: AuthWishes;
}

/** What the state directory remembers that cannot be seen on the node. */
export interface TakeoverMemory {
  /** The daemon that is known to have loaded this config_path and these credentials, which may be of others too. */
  readonly inEffect: {
    readonly daemon: string;
    readonly configPath: string;
    readonly auths: AuthFingerprints;
  } | null;
  /** Of a node alone, for fingerprints. */
  readonly fingerprintKey: string;
  /** By file: what is remembered of our edits, and in it the credentials. */
  readonly edits: Readonly<Record<string, { readonly auths: AuthFingerprints }>>;
  /** A change after which containerd did not come back; it is not tried again while its key stays the same. */
  readonly failed: { readonly key: string; readonly because: string } | null;
}

export type TakeoverPlan = { readonly kind: "settled"; readonly because: string } | Refused | Change;

export interface Change {
  readonly kind: "change";
  readonly because: string;
  /** Null if only a restart is missing. */
  readonly edit: FileEdit | null;
  /** "none": containerd does not run, or has the value already; "owed": it is the operator's to do. */
  readonly restart: "now" | "owed" | "none";
  /** The daemon that has to be replaced. */
  readonly daemon: string | null;
  /** Stays the same while nothing changes that could make a failed restart succeed. */
  readonly key: string;
  readonly wanted: string;
  /** What containerd loads with the edit at its next start: every host's, others' too. */
  readonly auths: AuthFingerprints;
  /** The running containerd reads the routes all the same. */
  readonly isRead?: boolean;
}

/** Pure: the same node, wish and memory give the same plan. */
export function planTakeover(observed: ObservedContainerd, wish: TakeoverWish, memory: TakeoverMemory): TakeoverPlan {
  const readable = readContainerd(observed);
  if (!("config" in readable)) return readable;
  const { config, version } = readable;
  const refusal = refuseLegacy(config, version);
  if (refusal) return refusal;
  const found = findPathEdit(config, { version, wanted: wish.certsDir });
  if (found.ok) return planEdit(observed, found.edit, { wish, memory });
  const mend = `set config_path = "${wish.certsDir}" there yourself`;
  return refuse(`config_path cannot be set: ${found.because}`, mend);
}

/** How it stands with the credentials that the wish names; none where containerd's files are not known. */
export function findAuthStates(
  observed: ObservedContainerd,
  wish: TakeoverWish,
  memory: TakeoverMemory,
): readonly AuthState[] {
  const { config, version } = observed;
  if (config === null || version === null) return [];
  return planAuthsFor(config, { observed, wish, memory }).states;
}

export interface Migration {
  readonly plan: TakeoverPlan;
  /** To be written, where there is none of the registry, before the plan is carried out. */
  readonly hostsFiles: readonly { readonly registry: string; readonly text: string }[];
}

/** The same with containerd's legacy mirrors converted, which `planTakeover` refuses to touch. */
export function planMigration(observed: ObservedContainerd, wish: TakeoverWish, memory: TakeoverMemory): Migration {
  const readable = readContainerd(observed);
  if (!("config" in readable)) return { plan: readable, hostsFiles: [] };
  const converted = convertLegacy(readable.config, { version: readable.version, certsDir: wish.certsDir });
  if (!converted.ok)
    return { plan: refuse(converted.because, "there is nothing that this command can convert"), hostsFiles: [] };
  return { plan: planEdit(observed, converted.edit, { wish, memory }), hostsFiles: converted.hostsFiles };
}

function findPathEdit(
  config: ResolvedConfig,
  { version, wanted }: { version: ContainerdVersion; wanted: string },
): { readonly ok: true; readonly edit: FileEdit | null } | { readonly ok: false; readonly because: string } {
  const isLocal = alwaysPullsLocally(config.images, version);
  if (isCertsDir(config.configPath, wanted, { isLocal })) return { ok: true, edit: null };
  return findConfigPathEdit(config, { version, wanted });
}

interface Deciding {
  readonly observed: ObservedContainerd;
  readonly wish: TakeoverWish;
  readonly memory: TakeoverMemory;
}

function planEdit(
  observed: ObservedContainerd,
  pathEdit: FileEdit | null,
  { wish, memory }: Omit<Deciding, "observed">,
): TakeoverPlan {
  const deciding = { observed, wish, memory };
  const after = withEdit(observed, pathEdit);
  const auths = planAuthsFor(after, deciding);
  const edit = joinEdits(pathEdit, auths.edit);
  const path = decideForPath(pathEdit, deciding);
  const missing = auths.states.filter((state) => isPending(state, edit));
  const isNeeded = path.needed || missing.length > 0;
  if (edit === null && !isNeeded) return { kind: "settled", because: path.because };
  const isRead = !path.needed && (pathEdit === null || observed.daemon !== null);
  const because = [
    describeEdits(observed.config, { pathEdit, edit, auths }),
    describeRestart(path, observed.daemon === null ? [] : missing),
  ];
  const change = {
    kind: "change",
    because: because.filter((text) => text !== "").join("; "),
    edit,
    daemon: observed.daemon?.identity ?? null,
    key: keyOf(deciding, auths.states),
    wanted: wish.certsDir,
    auths: fingerprintAuths(memory.fingerprintKey, withEdit(observed, edit)?.registry ?? {}),
    isRead,
  } as const;
  if (!isNeeded || observed.daemon === null) return { ...change, restart: "none" };
  if (wish.restart === "never") return { ...change, restart: "owed" };
  const refusal = refuseRestart(observed.daemon, memory.failed, change.key);
  return refusal ? { ...refusal, isRead } : { ...change, restart: "now" };
}

/** The configuration with the edit made. */
function withEdit({ config, version }: ObservedContainerd, edit: FileEdit | null): ResolvedConfig | null {
  if (edit === null || config === null || version === null) return config;
  const { path, newText: text } = edit;
  const isThere = config.files.some((file) => file.path === path);
  const files = config.files.map((file) => (file.path === path ? { path, text } : file));
  return resolveConfig(isThere ? files : [{ path, text }, ...files], version);
}

function planAuthsFor(config: ResolvedConfig | null, { observed, wish, memory }: Deciding): AuthPlan {
  const { version } = observed;
  if (wish.auths === undefined || config === null || version === null) return { edit: null, states: [] };
  return planAuths(config, { version, wishes: wish.auths, memory: authMemory(memory), observed });
}

/** What is remembered of credentials alone. */
export function authMemory({ fingerprintKey, edits, inEffect }: TakeoverMemory): AuthMemory {
  const ours = Object.assign({}, ...Object.values(edits).map(({ auths }) => auths)) as AuthFingerprints;
  return { fingerprintKey, ours, inEffect };
}

// Two files would be two restarts where the first could fail by the second: one after the other, then.
function joinEdits(pathEdit: FileEdit | null, authEdit: AuthPlan["edit"]): FileEdit | null {
  if (authEdit === null) return pathEdit;
  if (pathEdit === null) return { ...authEdit, undo: null, drops: [], isRestore: false };
  if (pathEdit.path !== authEdit.path) return pathEdit;
  return { ...pathEdit, newText: authEdit.newText, auths: authEdit.auths };
}

function isPending({ host, entry, isLoaded, blocked }: AuthState, edit: FileEdit | null): boolean {
  if (isLoaded || blocked !== null) return false;
  return entry === "right" || (edit?.auths.some((change) => change.host === host) ?? false);
}

const RELOAD = "containerd reads it only when it starts";

interface PathDecision {
  readonly needed: boolean;
  readonly because: string;
}

function decideForPath(pathEdit: FileEdit | null, { observed, wish, memory }: Deciding): PathDecision {
  const { daemon, config } = observed;
  if (daemon === null) return { needed: false, because: "containerd does not run, and reads it when it starts" };
  const known = memory.inEffect?.daemon === daemon.identity ? memory.inEffect.configPath : null;
  if (pathEdit !== null && pathEdit.drops.length > 0) return { needed: true, because: RELOAD };
  if (known === wish.certsDir) return { needed: false, because: "the running containerd has loaded it" };
  if (pathEdit !== null) return { needed: true, because: RELOAD };
  if (known === null && !hasChangedSinceStart(observed)) {
    return { needed: false, because: "containerd was started after its last change" };
  }
  return { needed: true, because: `"${config?.configPathFrom}" was changed after containerd was started` };
}

function describeRestart(path: PathDecision, missing: readonly AuthState[]): string {
  if (missing.length === 0 || path.needed) return path.because;
  return `${RELOAD}, so that each change of a credential there costs a restart`;
}

interface Edits {
  readonly pathEdit: FileEdit | null;
  readonly edit: FileEdit | null;
  readonly auths: AuthPlan;
}

function describeEdits(config: ResolvedConfig | null, { pathEdit, edit, auths }: Edits): string {
  const sets = (edit?.auths ?? []).map(({ host, auth }) => {
    if (auth === null) return `our credential for "${host}" is not needed any more`;
    const isOld = auths.states.some((state) => state.host === host && state.entry === "old");
    return isOld ? `the credential for "${host}" has changed` : `the credential for "${host}" is not in config.toml`;
  });
  if (edit !== null && edit.newText === edit.oldText) return `others than root can read "${edit.path}"`;
  return [...(pathEdit === null ? [] : [describePath(config)]), ...sets].join(", ");
}

function describePath(config: ResolvedConfig | null): string {
  if (config === null || !config.rootExists) return `"${config?.rootPath}" does not exist`;
  return config.configPath === "" ? "config_path is not set" : `config_path is "${config.configPath}"`;
}

function keyOf({ observed, wish, memory }: Deciding, states: readonly AuthState[]): string {
  const { binary, version, config } = observed;
  const texts = (config?.files ?? []).map(({ path, text }) => [path, text]);
  const { fingerprintKey } = memory;
  const auths = states.map(({ host, auth }) => fingerprintAuth(fingerprintKey, host, renderAuth(auth)));
  return createHmac("sha256", fingerprintKey)
    .update(JSON.stringify([texts, binary, version, wish.certsDir, ...auths]))
    .digest("hex");
}
