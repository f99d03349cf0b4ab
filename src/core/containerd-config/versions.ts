// What differs between containerd releases, in one place: everybody else asks a question here instead of
// comparing numbers. A source is a file of containerd at the named tag.

export interface ContainerdVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** The first version number in `containerd --version` or in the CRI's runtimeVersion; null if there is none. */
export function parseContainerdVersion(text: string): ContainerdVersion | null {
  // "containerd github.com/containerd/containerd/v2 2.1.9+unknown": the /v2 of the module path is no version.
  const found = /(?<![\d.])v?(\d+)\.(\d+)\.(\d+)(?!\.\d)/.exec(text);
  if (!found) return null;
  return { major: Number(found[1]), minor: Number(found[2]), patch: Number(found[3]) };
}

/** "1.7.24". */
export function renderContainerdVersion({ major, minor, patch }: ContainerdVersion): string {
  return `${major}.${minor}.${patch}`;
}

/** Whether `version` is `major.minor.patch` or newer. */
export function isAtLeast(version: ContainerdVersion, major: number, minor: number, patch = 0): boolean {
  if (version.major !== major) return version.major > major;
  if (version.minor !== minor) return version.minor > minor;
  return version.patch >= patch;
}

/** hosts.toml came in 1.5, with config_path; before 1.6 we have seen nothing run. */
export function isSupported(version: ContainerdVersion): boolean {
  return isAtLeast(version, 1, 6);
}

/**
 * Whether hosts.toml may hold `dial_timeout`. 2.0.7 knows it too, but takes an http:// host that has it for one
 * with TLS set up (v2.0.11:hosts.go:184), so there it is no better than absent for us.
 */
export function knowsDialTimeout(version: ContainerdVersion): boolean {
  return isAtLeast(version, 2, 1);
}

/** Whether a hosts.toml without a `[host]` table is a parse error (v1.7.31:hosts.go:530, PR #10028). */
export function needsBareHostTable(version: ContainerdVersion): boolean {
  return !isAtLeast(version, 1, 7, 32);
}

/** Whether headers in hosts.toml also go to the token endpoint that a challenge names (PR #11092). */
export function headersReachTokenEndpoint(version: ContainerdVersion): boolean {
  return isAtLeast(version, 2, 1);
}

/** The highest `version` of config.toml that this containerd loads (cmd/containerd/server/config). */
export function maxConfigVersion(version: ContainerdVersion): number {
  if (isAtLeast(version, 2, 3)) return 4;
  if (isAtLeast(version, 2, 0)) return 3;
  return 2;
}

/** Whether a config.toml with a higher `version` stops the daemon; early 1.x read it as version 2 (tried: 1.6.20). */
export function refusesHigherConfigVersion(version: ContainerdVersion): boolean {
  if (version.major > 1) return true;
  return version.minor === 6 ? version.patch >= 32 : isAtLeast(version, 1, 7, 17);
}

/** Whether an imported file replaces a whole `plugins."X"` section (v1.7.34:config.go:305) or is merged into it. */
export function importsReplacePlugins(version: ContainerdVersion): boolean {
  return version.major < 2;
}

/** Whether every file is brought to the newest version before merging (2.3), or the merged whole after it. */
export function migratesEachFile(version: ContainerdVersion): boolean {
  return isAtLeast(version, 2, 3);
}

/** Whether a relative glob in `imports` is searched from the daemon's working folder (tried: 1.6.20). */
export function globsFromWorkingFolder(version: ContainerdVersion): boolean {
  return !isAtLeast(version, 1, 7);
}

/** Whether a file that starts with a byte order mark is a syntax error (tried: fine on 1.6 and 1.7, not on 2.1). */
export function refusesByteOrderMark(version: ContainerdVersion): boolean {
  return version.major >= 2;
}

/** Whether `registry.configs.*.tls` beside `config_path` stops the CRI plugin; 2.x no longer knows `tls`. */
export function refusesTlsBesideConfigPath(version: ContainerdVersion): boolean {
  return version.major < 2;
}

/** The `version` that a new config.toml gets. */
export function newConfigVersion(version: ContainerdVersion): 2 | 3 {
  return version.major < 2 ? 2 : 3;
}

export const CRI_V1 = "cri";
export const CRI_V2 = "io.containerd.grpc.v1.cri";
export const CRI_V3 = "io.containerd.cri.v1.images";

/** The plugin whose `registry` table a file with this `version` sets; a file without the key has version 0. */
export function criPlugin(configVersion: number, version: ContainerdVersion): string {
  if (version.major < 2) return configVersion < 2 ? CRI_V1 : CRI_V2;
  if (configVersion === 2) return CRI_V2;
  // 2.x renames the plugins of a version 1 file but never moves their settings (tried: 2.1.9), so
  // [plugins.cri.registry] is lost there and only the new name works.
  return CRI_V3;
}

/** Whether `dial_timeout` in hosts.toml is read at all, and a bad value fails the whole file. */
export function readsDialTimeout(version: ContainerdVersion): boolean {
  return isAtLeast(version, 2, 0, 7);
}

/** Whether `capabilities` in hosts.toml may hold "referrers"; before, it is a parse error. */
export function knowsReferrers(version: ContainerdVersion): boolean {
  return isAtLeast(version, 2, 2);
}

/** Whether hosts are those with a `[host."URL"]` header of their own, and not also inline tables and dotted keys (v2.2.7:hosts.go:549). */
export function findsHostsByHeader(version: ContainerdVersion): boolean {
  return version.major >= 2;
}

/** Whether an http:// host with TLS settings is tried over https first also where it names no port (v1.7.34, 2.0). */
export function triesTlsWithoutPort(version: ContainerdVersion): boolean {
  return isAtLeast(version, 1, 7, 34);
}

/** How long containerd waits for the headers of an answer before it tries the next host; null: for ever (v2.3.0:registry.go:267). */
export function answerTimeoutMs(version: ContainerdVersion): number | null {
  return isAtLeast(version, 2, 3) ? 30_000 : null;
}

/** The default of image_pull_progress_timeout; null where there is no such setting. */
export function defaultProgressTimeoutMs(version: ContainerdVersion): number | null {
  if (!isAtLeast(version, 1, 7)) return null;
  return isAtLeast(version, 1, 7, 10) ? 300_000 : 60_000;
}

/** Whether pulls go through the transfer service, whose watchdog sees nothing before the first byte (v2.1.9:image_pull.go:931). */
export function pullsByTransfer(version: ContainerdVersion): boolean {
  return isAtLeast(version, 2, 1);
}

/** Whether a digest that some host could not be asked for is also asked for as a blob, at all hosts (fixed in 2.0.11, 2.2.6, 2.3). */
export function asksDigestAsBlobAlways(version: ContainerdVersion): boolean {
  if (version.major === 2 && version.minor === 0) return version.patch < 11;
  if (version.major === 2 && version.minor === 2) return version.patch < 6;
  return !isAtLeast(version, 2, 2);
}
