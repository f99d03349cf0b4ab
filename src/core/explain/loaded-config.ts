// Which configuration a pull that begins now goes by. containerd reads config.toml only when it starts, so what is on
// disk may be for its next start alone; and with some of it the CRI does not serve at all.

import { isCertsDir } from "../containerd-config/certs-dir.ts";
import { pullsLocally } from "../containerd-config/local-pull.ts";
import { hasChangedSinceStart, type ObservedContainerd } from "../containerd-config/observed-containerd.ts";
import type { TakeoverMemory } from "../containerd-config/plan-takeover.ts";
import type { ConfigProblem, ResolvedConfig } from "../containerd-config/resolve-config.ts";
import type { ContainerdVersion } from "../containerd-config/versions.ts";

export interface LoadedConfig {
  readonly configPath: string;
  /** Where that is from; null: no file says so, or none does any more. */
  readonly configPathFrom: string | null;
  /** Why what follows from the files holds only after a restart; null: it holds now. */
  readonly pending: string | null;
  /** Why every pull fails before any server is asked; null: that is not so. */
  readonly blocked: string | null;
  /** What is wrong and does not touch a pull that begins now; sentences. */
  readonly doubts: readonly string[];
}

export interface LoadedOptions {
  readonly version: ContainerdVersion;
  /** What the agent knows to have been loaded. */
  readonly inEffect: TakeoverMemory["inEffect"];
}

/** What the running containerd goes by, or the next one if none runs. */
export function findLoaded(
  config: ResolvedConfig,
  { daemon, configChangedAtMs }: Pick<ObservedContainerd, "daemon" | "configChangedAtMs">,
  { version, inEffect }: LoadedOptions,
): LoadedConfig {
  const { configPath, configPathFrom } = config;
  const { error, warnings } = describeProblems(config);
  const onDisk = { configPath, configPathFrom, pending: null, blocked: null, doubts: warnings };
  if (daemon === null) return { ...onDisk, blocked: error && `containerd would not serve with ${error}` };
  if (daemon.criProblem !== null) {
    const blocked = `containerd serves no pulls: ${daemon.criProblem}`;
    return { ...onDisk, blocked, doubts: error === null ? warnings : [error, ...warnings] };
  }
  const known = inEffect?.daemon === daemon.identity ? inEffect.configPath : null;
  const doubts = [
    ...(error === null ? [] : [`At its next start containerd would not serve with ${error}`]),
    ...warnings,
  ];
  if (known === null) {
    if (error !== null) return { ...onDisk, pending: NOT_LOADED, blocked: `containerd would not serve with ${error}` };
    return { ...onDisk, pending: hasChangedSinceStart({ daemon, configChangedAtMs }) ? NOT_LOADED : null };
  }
  if (isCertsDir(configPath, known, { isLocal: pullsLocally(config.images, version) })) return { ...onDisk, doubts };
  const other = `config_path is ${JSON.stringify(configPath)} in the files, which the running containerd has not loaded`;
  return { ...onDisk, configPath: known, configPathFrom: null, doubts: [...doubts, other] };
}

const NOT_LOADED =
  "containerd's configuration was changed after it was started: it goes by what it loaded then, which is not known";

/** The first error, which is enough, and all warnings. */
function describeProblems({ problems }: ResolvedConfig): { error: string | null; warnings: readonly string[] } {
  const describe = ({ file, line, column, message }: ConfigProblem): string =>
    `"${file}" line ${line}, column ${column}: ${message}`;
  const error = problems.find(({ severity }) => severity === "error");
  const warnings = problems.filter(({ severity }) => severity === "warning").map(describe);
  return { error: error === undefined ? null : describe(error), warnings };
}
