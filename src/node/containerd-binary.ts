// Asks a containerd binary: its version, and what it makes of a configuration (`containerd config dump`). The dump
// catches syntax, imports and versions; it does not load plugins, so it proves that the daemon starts, not the CRI.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { flattenImports } from "../core/containerd-config/flatten-imports.ts";
import type { ConfigFile } from "../core/containerd-config/resolve-config.ts";
import { parseToml, type TomlMap } from "../core/containerd-config/toml-text.ts";
import { type ContainerdVersion, parseContainerdVersion } from "../core/containerd-config/versions.ts";
import { statIfThere, TEMPORARY_PREFIX } from "./files.ts";

interface RunOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 20_000;

/**
 * The binary could not be run, or refused the configuration. What it printed is left out: containerd quotes values
 * of the wrong type, and a value may be a password.
 */
export class ContainerdBinaryError extends Error {
  override readonly name = "ContainerdBinaryError";
}

const known = new Map<string, ContainerdVersion>();

/** The version that `binary` prints; it is asked again only when it has changed. */
export async function readBinaryVersion(binary: string, signal: AbortSignal): Promise<ContainerdVersion> {
  const stat = await statIfThere(binary);
  const stamp = `${binary} ${stat?.ino} ${stat?.size} ${stat?.ctimeMs}`;
  const version = known.get(stamp) ?? (await askVersion(binary, signal));
  known.clear();
  known.set(stamp, version);
  return version;
}

async function askVersion(binary: string, signal: AbortSignal): Promise<ContainerdVersion> {
  const version = parseContainerdVersion(await run(binary, ["--version"], { cwd: "/", signal }));
  if (version) return version;
  throw new ContainerdBinaryError(`Cannot read the version of "${binary}": it printed none`);
}

/** The whole configuration that `binary` would run with, defaults and imports included. */
export async function dumpConfig(
  binary: string,
  configPath: string,
  { workingFolder, signal }: { workingFolder: string; signal: AbortSignal },
): Promise<TomlMap> {
  const text = await run(binary, ["--config", configPath, "config", "dump"], { cwd: workingFolder, signal });
  const parsed = parseToml(text);
  if (parsed.ok) return parsed.value;
  throw new ContainerdBinaryError(`Cannot read what "${binary} config dump" printed: ${parsed.message}`);
}

/**
 * The same for files that are not in their places yet. They are laid out in a private folder with their imports
 * written out, because a temporary file beside the real ones may match a glob (Go's `*` matches a leading dot).
 */
export async function dumpCandidate(
  binary: string,
  files: readonly ConfigFile[],
  { folder, signal }: { folder: string; signal: AbortSignal },
): Promise<TomlMap> {
  const place = await mkdtemp(join(folder, `${TEMPORARY_PREFIX}trial-`));
  try {
    // No file at all is the same as an empty one, but for 1.x, which wants a file that is named to be there.
    const flat = flattenImports(files.length === 0 ? [{ path: "", text: "" }] : files, place);
    for (const { path, text } of flat) await writeFile(path, text ?? "", { mode: 0o600 });
    return await dumpConfig(binary, flat[0]?.path ?? place, { workingFolder: place, signal });
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function run(binary: string, args: string[], { cwd, signal }: RunOptions): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(binary, args, {
      cwd,
      signal,
      timeout: TIMEOUT_MS,
      maxBuffer: 2 ** 24,
    });
    return stdout;
  } catch (error) {
    signal.throwIfAborted();
    const { code, killed } = error as { code?: string | number; killed?: boolean };
    const reason = killed ? `no answer within ${TIMEOUT_MS / 1000} s` : `it ended with ${code}`;
    throw new ContainerdBinaryError(
      `Cannot run "${[binary, ...args].join(" ")}": ${reason}; run it to see what it says`,
    );
  }
}
