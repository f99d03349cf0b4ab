// Decides what has to happen to containerd's own configuration so that it reads our hosts.toml files, and whether
// that takes a restart. Restarting is the one thing here that can hurt a node, so everything that could make it
// fail is looked for before: a refusal changes nothing at all.

import { createHash } from "node:crypto";
import { isCertsDir } from "./certs-dir.ts";
import { convertLegacy } from "./convert-legacy.ts";
import { type FileEdit, findConfigPathEdit } from "./find-edit.ts";
import type { ObservedContainerd, RunningDaemon } from "./observed-containerd.ts";
import type { ResolvedConfig } from "./resolve-config.ts";
import { type ContainerdVersion, refusesTlsBesideConfigPath } from "./versions.ts";

export interface TakeoverWish {
  readonly certsDir: string;
  readonly restart: "when-needed" | "never";
}

/** What the state directory remembers that cannot be seen on the node. */
export interface TakeoverMemory {
  /** The daemon that is known to have loaded this config_path. */
  readonly inEffect: { readonly daemon: string; readonly configPath: string } | null;
  /** A change after which containerd did not come back; it is not tried again while its key stays the same. */
  readonly failed: { readonly key: string; readonly because: string } | null;
}

export type TakeoverPlan =
  | { readonly kind: "settled"; readonly because: string }
  | { readonly kind: "refused"; readonly because: string; readonly mend: string }
  | Change;

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
}

/** Pure: the same node, wish and memory give the same plan. */
export function planTakeover(observed: ObservedContainerd, wish: TakeoverWish, memory: TakeoverMemory): TakeoverPlan {
  const readable = readContainerd(observed);
  if (!("config" in readable)) return readable;
  const { config, version } = readable;
  const refusal = refuseLegacy(config, version);
  if (refusal) return refusal;
  if (isCertsDir(config.configPath, wish.certsDir, version)) return planEdit(observed, null, { wish, memory });
  const found = findConfigPathEdit(config, { version, wanted: wish.certsDir });
  if (found.ok) return planEdit(observed, found.edit, { wish, memory });
  const mend = `set config_path = "${wish.certsDir}" there yourself`;
  return refuse(`config_path cannot be set: ${found.because}`, mend);
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

type Readable = { readonly config: ResolvedConfig; readonly version: ContainerdVersion };

/** A configuration that containerd would start with, or the refusal. */
function readContainerd({ managedBy, version, config }: ObservedContainerd): Readable | TakeoverPlan {
  if (managedBy !== null) return refuseManaged(managedBy);
  if (version === null || config === null) {
    return refuse(
      "no containerd was found on this node",
      "install containerd, or name it with agent.containerd.binary",
    );
  }
  const error = config.problems.find((problem) => problem.severity === "error");
  if (!error) return { config, version };
  const place = `"${error.file}" line ${error.line}, column ${error.column}`;
  return refuse(`${place}: ${error.message}`, `mend "${error.file}"; nothing of containerd is changed until then`);
}

function planEdit(
  observed: ObservedContainerd,
  edit: FileEdit | null,
  { wish, memory }: Omit<Deciding, "edit">,
): TakeoverPlan {
  const key = keyOf(observed, wish);
  const restart = decideRestart(observed, { wish, memory, edit });
  if (edit === null && !restart.needed) return { kind: "settled", because: restart.because };
  const because = edit === null ? restart.because : `${describe(observed.config)}; ${restart.because}`;
  const change = {
    kind: "change",
    because,
    edit,
    daemon: observed.daemon?.identity ?? null,
    key,
    wanted: wish.certsDir,
  } as const;
  if (!restart.needed) return { ...change, restart: "none" };
  if (wish.restart === "never") return { ...change, restart: "owed" };
  return refuseRestart(observed.daemon, memory, key) ?? { ...change, restart: "now" };
}

const RELOAD = "containerd reads it only when it starts";

interface Deciding {
  readonly wish: TakeoverWish;
  readonly memory: TakeoverMemory;
  readonly edit: FileEdit | null;
}

function decideRestart(
  { daemon, config, configChangedAtMs }: ObservedContainerd,
  { wish, memory, edit }: Deciding,
): { readonly needed: boolean; readonly because: string } {
  if (daemon === null) return { needed: false, because: "containerd does not run, and reads it when it starts" };
  const known = memory.inEffect?.daemon === daemon.identity ? memory.inEffect.configPath : null;
  if (edit !== null && edit.drops.length > 0) return { needed: true, because: RELOAD };
  if (known === wish.certsDir) {
    return { needed: false, because: "the running containerd has loaded it" };
  }
  if (edit !== null) return { needed: true, because: RELOAD };
  if (known === null && (configChangedAtMs === null || configChangedAtMs <= daemon.startedAtMs)) {
    return { needed: false, because: "containerd was started after its last change" };
  }
  return { needed: true, because: `"${config?.configPathFrom}" was changed after containerd was started` };
}

function refuseLegacy({ legacy: { mirrors, tls } }: ResolvedConfig, version: ContainerdVersion): TakeoverPlan | null {
  const mend =
    "run `mirror-agent migrate` to see them as hosts.toml files, and `mirror-agent migrate --yes` to convert them";
  if (mirrors.length > 0) return refuse(`containerd has registry.mirrors for ${list(mirrors)}`, mend);
  if (tls.length === 0 || !refusesTlsBesideConfigPath(version)) return null;
  return refuse(`containerd has registry.configs.*.tls for ${list(tls)}`, mend);
}

function refuseRestart(daemon: RunningDaemon | null, memory: TakeoverMemory, key: string): TakeoverPlan | null {
  const unit = daemon?.unit ?? null;
  if (unit !== null && unit.killMode !== "process") {
    const because = `a restart would end containers: ${unit.name} has KillMode=${unit.killMode}, not "process"`;
    return refuse(
      because,
      `set KillMode=process in the unit, or agent.containerd.restart: never and restart it yourself`,
    );
  }
  if (daemon?.criProblem) {
    return refuse(
      `the CRI does not answer as it is: ${daemon.criProblem}`,
      "mend containerd first; it is not restarted until then",
    );
  }
  if (memory.failed?.key !== key) return null;
  const mend = "see containerd's log; it is tried again when config.toml, containerd or the wanted folder changes";
  return refuse(memory.failed.because, mend);
}

function refuseManaged(by: "k3s" | "rke2"): TakeoverPlan {
  const because = `${by === "k3s" ? "k3s" : "RKE2"} writes this containerd's configuration anew at every start`;
  return refuse(
    because,
    `name the mirrors in /etc/rancher/${by}/registries.yaml, and remove mirror-agent from this node`,
  );
}

function describe(config: ResolvedConfig | null): string {
  if (config === null || !config.rootExists) return `"${config?.rootPath}" does not exist`;
  return config.configPath === "" ? "config_path is not set" : `config_path is "${config.configPath}"`;
}

function keyOf({ binary, version, config }: ObservedContainerd, { certsDir }: TakeoverWish): string {
  const texts = (config?.files ?? []).map(({ path, text }) => [path, text]);
  return createHash("sha256")
    .update(JSON.stringify([texts, binary, version, certsDir]))
    .digest("hex");
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}

function refuse(because: string, mend: string): TakeoverPlan {
  return { kind: "refused", because, mend };
}
