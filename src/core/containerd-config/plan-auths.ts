// Decides which `registry.configs."HOST".auth` entries config.toml needs, for credentials that no hosts.toml can carry.
// containerd reads them when it starts, so each that is set or changed costs a restart. One that is not needed any more
// is taken out at once and costs none: containerd forgets it at its next start, whoever starts it, and asks for it no
// more in between. An entry that is not known to be ours is its writer's, and stays.

import type { ConfigAuth } from "../credentials/strategy.ts";
import { type AuthFingerprints, authAt, fingerprintAuth, fingerprintAuths } from "./auth-fingerprint.ts";
import { findAuthEdit, type RegistryAuth } from "./edit-auth.ts";
import type { AuthChange, FileEdit } from "./find-edit.ts";
import { hasChangedSinceStart, type ObservedContainerd } from "./observed-containerd.ts";
import { type ResolvedConfig, resolveConfig } from "./resolve-config.ts";
import { findOurAuths } from "./undo-auths.ts";
import type { ContainerdVersion } from "./versions.ts";

export interface WantedAuth {
  readonly host: string;
  readonly auth: ConfigAuth;
}

/** What the endpoints of a config need there. */
export interface AuthWishes {
  /** One a host. */
  readonly wanted: readonly WantedAuth[];
  /** Hosts of which it is not known now: what is there stays as it is. */
  readonly undecided: readonly string[];
}

/** What is remembered of our entries, without any of them. */
export interface AuthMemory {
  readonly fingerprintKey: string;
  /** Of what we wrote, by host. */
  readonly ours: AuthFingerprints;
  /** What a daemon is known to have loaded. */
  readonly inEffect: { readonly daemon: string; readonly auths: AuthFingerprints } | null;
}

/** How it stands with one wanted credential. */
export interface AuthState extends WantedAuth {
  /** In the files: ours as wanted, ours with another credential, somebody else's, or none. */
  readonly entry: "right" | "old" | "theirs" | "missing";
  /** Whether the running containerd uses it, or the next one that starts if none runs. */
  readonly isLoaded: boolean;
  /** Why the files cannot hold it; null if they can. */
  readonly blocked: string | null;
}

export interface AuthPlan {
  /** Null where there is nothing to change. */
  readonly edit: Pick<FileEdit, "path" | "oldText" | "newText" | "auths"> | null;
  readonly states: readonly AuthState[];
}

interface Planning {
  readonly version: ContainerdVersion;
  readonly wishes: AuthWishes;
  readonly memory: AuthMemory;
  readonly observed: ObservedContainerd;
}

/** What has to change in `config` for the wishes; all of it in one file, what belongs into another is for the next time. */
export function planAuths(config: ResolvedConfig, { version, wishes, memory, observed }: Planning): AuthPlan {
  const judged = wishes.wanted.map((wanted) => judge(wanted, { config, memory, observed }));
  const gone = findUnneeded(config, wishes, memory).map((host) => ({ host, auth: null }));
  const sets = judged.filter(({ entry }) => entry === "missing" || entry === "old");
  const changes = [...sets.map(({ host, auth }) => ({ host, auth: renderAuth(auth) })), ...gone];
  const edited = changes.reduce(addChange, { version, now: config, path: null, auths: [], blocked: new Map() });
  const states = judged.map((state) => ({ ...state, blocked: edited.blocked.get(state.host) ?? null }));
  return { edit: wholeEdit(config, edited) ?? coverEdit(config, memory), states };
}

/** The entries, by their fingerprints, that the running daemon has loaded, or that the next would load if none runs. */
export function loadedAuths(observed: ObservedContainerd, { fingerprintKey, inEffect }: AuthMemory): AuthFingerprints {
  const { daemon, config } = observed;
  if (daemon !== null && inEffect?.daemon === daemon.identity) return inEffect.auths;
  return config !== null && !hasChangedSinceStart(observed) ? fingerprintAuths(fingerprintKey, config.registry) : {};
}

/** In containerd's words. */
export function renderAuth(auth: ConfigAuth): RegistryAuth {
  return auth.kind === "password"
    ? { username: auth.username, password: auth.password.reveal() }
    : { identitytoken: auth.identityToken.reveal() };
}

function judge(
  wanted: WantedAuth,
  { config, memory, observed }: { config: ResolvedConfig; memory: AuthMemory; observed: ObservedContainerd },
): Omit<AuthState, "blocked"> {
  const { host, auth } = wanted;
  const want = fingerprintAuth(memory.fingerprintKey, host, renderAuth(auth));
  const present = fingerprintAuth(memory.fingerprintKey, host, authAt(config.registry, host));
  if (present !== "" && present !== memory.ours[host]) return { ...wanted, entry: "theirs", isLoaded: true };
  const entry = present === want ? "right" : present === "" ? "missing" : "old";
  const isLoaded = loadedAuths(observed, memory)[host] === want && (observed.daemon !== null || entry === "right");
  return { ...wanted, entry, isLoaded };
}

/** Hosts with an entry of ours that nobody needs. */
function findUnneeded({ registry }: ResolvedConfig, { wanted, undecided }: AuthWishes, memory: AuthMemory): string[] {
  const needed = new Set([...wanted.map(({ host }) => host), ...undecided]);
  const isOurs = (host: string) =>
    fingerprintAuth(memory.fingerprintKey, host, authAt(registry, host)) === memory.ours[host];
  return Object.keys(memory.ours).filter((host) => !needed.has(host) && isOurs(host));
}

interface Edited {
  readonly version: ContainerdVersion;
  readonly now: ResolvedConfig;
  readonly path: string | null;
  readonly auths: readonly AuthChange[];
  readonly blocked: ReadonlyMap<string, string>;
}

// The first change chooses the file.
function addChange(edited: Edited, { host, auth }: AuthChange): Edited {
  const { version, now, path, auths, blocked } = edited;
  const found = findAuthEdit(now, { version, host, auth });
  if (!found.ok) return { ...edited, blocked: new Map([...blocked, [host, found.because]]) };
  if (path !== null && found.path !== path) return edited;
  const files = now.files.map((file) => (file.path === found.path ? { ...file, text: found.newText } : file));
  return { ...edited, now: resolveConfig(files, version), path: found.path, auths: [...auths, { host, auth }] };
}

// Somebody has opened a file again that we had made root's alone: writing it as it is closes it.
function coverEdit({ files }: ResolvedConfig, { ours, fingerprintKey }: AuthMemory): AuthPlan["edit"] {
  if (Object.keys(ours).length === 0) return null;
  const open = files.filter(({ mode = 0 }) => (mode & 0o077) !== 0);
  const file = open.find(({ text }) => findOurAuths(text, { auths: ours, fingerprintKey }).length > 0);
  return file ? { path: file.path, oldText: file.text, newText: file.text, auths: [] } : null;
}

function wholeEdit(before: ResolvedConfig, { now, path, auths }: Edited): AuthPlan["edit"] {
  if (path === null) return null;
  const textIn = ({ files }: ResolvedConfig) => files.find((file) => file.path === path)?.text ?? null;
  return { path, oldText: textIn(before), newText: textIn(now), auths };
}
