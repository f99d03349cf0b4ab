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

/**
 * Whether a colon-separated `config_path` is taken apart. From 2.1 on pulls go through the transfer service, which
 * looks for one folder with that whole name, finds none and says nothing (v2.1.9:image_pull.go:311).
 */
export function honoursColonPath(version: ContainerdVersion): boolean {
  return !isAtLeast(version, 2, 1);
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
