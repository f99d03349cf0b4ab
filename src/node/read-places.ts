// Looks at certs.d as containerd does when it pulls: what exists at some paths, and what their hosts.toml says.

import { readdir, stat } from "node:fs/promises";
import type { FileReading, ObservedPlace, Places } from "../core/explain/hosts-folder.ts";
import { isMissing } from "./files.ts";
import { readSmallFile } from "./small-file.ts";

const MAX_BYTES = 4_000_000;

/** What is at each of the paths. */
export async function readPlaces(paths: readonly string[]): Promise<Places> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await readPlace(path)] as const)));
}

/** The texts of some files. */
export async function readTexts(paths: readonly string[]): Promise<ReadonlyMap<string, FileReading>> {
  return new Map(await Promise.all(paths.map(async (path) => [path, await readText(path)] as const)));
}

async function readPlace(path: string): Promise<ObservedPlace> {
  try {
    if (!(await stat(path)).isDirectory()) return { kind: "file" };
    const [names, hostsToml] = await Promise.all([readdir(path), readText(`${path}/hosts.toml`)]);
    return { kind: "folder", names: names.sort(), hostsToml };
  } catch (error) {
    if (isMissing(error)) return { kind: "missing" };
    return { kind: "unreadable", problem: (error as NodeJS.ErrnoException).code ?? "unknown error" };
  }
}

async function readText(path: string): Promise<FileReading> {
  const file = await readSmallFile(path, MAX_BYTES);
  if ("text" in file) return { kind: "text", text: file.text };
  return file.problem === "no such file" ? { kind: "missing" } : { kind: "unreadable", problem: file.problem };
}
