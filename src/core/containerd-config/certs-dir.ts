// Which folder `config_path` means to a containerd. It looks for one folder of exactly that name, except where it
// takes a colon-separated list apart (see pullsLocally), of which the first that has a registry's folder counts.

/** Whether containerd looks into `certsDir` first with this `config_path`. */
export function isCertsDir(configPath: string, certsDir: string, { isLocal }: { isLocal: boolean }): boolean {
  const first = isLocal ? (configPath.split(":")[0] ?? "") : configPath;
  return trimPath(first) === trimPath(certsDir);
}

/** The folder to use where the mirror config names none: the one that is set, or `fallback`. */
export function chooseCertsDir(configPath: string, fallback: string): string {
  const first = trimPath(configPath.split(":")[0] ?? "");
  return first.startsWith("/") ? first : fallback;
}

function trimPath(path: string): string {
  return path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}
