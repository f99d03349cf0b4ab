// Reads the mirror config and the TLS files that it names, and says everything that is wrong with either.

import { readFile } from "node:fs/promises";
import type { TlsFile } from "../core/compile-node.ts";
import { parseConfig } from "../core/config/parse-config.ts";
import { placeOf } from "../core/config/places.ts";
import type { ConfigIssue } from "../core/config-issue.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { readLastGood } from "../node/state.ts";
import { type FileProblem, readTlsFiles, tlsUses } from "../node/tls-files.ts";

export interface LoadedConfig {
  /** Null if the file could not be read. */
  readonly text: string | null;
  /** Null if there is an error among the issues. */
  readonly config: MirrorConfig | null;
  readonly tlsFiles: ReadonlyMap<string, TlsFile>;
  readonly issues: readonly ConfigIssue[];
  /** The files that the config names: when one of them changes, it is worth loading again. */
  readonly names: readonly string[];
}

const NO_FILES: ReadonlyMap<string, TlsFile> = new Map();

/** Loads the config at `path`; never throws for what an operator can mend. */
export async function loadConfig(path: string, nowMs: number): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const issues = [unreadable(path, error as NodeJS.ErrnoException)];
    return { text: null, config: null, tlsFiles: NO_FILES, issues, names: [] };
  }
  const { config, issues, places } = parseConfig(text);
  if (!config) return { text, config: null, tlsFiles: NO_FILES, issues, names: [] };
  const { files, problems } = await readTlsFiles(config, nowMs);
  const all = [...issues, ...problems.map((problem) => ({ ...problem, ...placeOf(places, problem.at) }))];
  return { text, config: hasErrors(problems) ? null : config, tlsFiles: files, issues: all, names: namesIn(config) };
}

/** Loads the config that was last in force, with its own copies of the TLS files; null if there was none. */
export async function loadLastGood(stateDir: string): Promise<LoadedConfig | null> {
  const lastGood = await readLastGood(stateDir);
  if (!lastGood) return null;
  const { config } = parseConfig(lastGood.text);
  const tlsFiles = new Map(lastGood.tlsFiles.map((file) => [file.sourcePath, file]));
  return { text: lastGood.text, config, tlsFiles, issues: [], names: [] };
}

function namesIn(config: MirrorConfig): string[] {
  const mirrors = config.mirrors.map((mirror) => mirror.pullCredentialConfigPath);
  const own = config.privateRegistries.map((registry) => registry.pullCredentialConfigPath);
  const credentials = [...mirrors, ...own, config.gcrKeyPath, config.privateRegistryConfigPath];
  return [...new Set([...tlsUses(config).map(({ path }) => path), ...credentials.filter((path) => path !== null)])];
}

function hasErrors(problems: readonly FileProblem[]): boolean {
  return problems.some((problem) => problem.severity === "error");
}

function unreadable(path: string, error: NodeJS.ErrnoException): ConfigIssue {
  const cause = error.code === "ENOENT" ? "there is no such file" : error.message.replace(/^E\w+: /, "");
  return { severity: "error", line: 1, column: 1, at: "", message: `Cannot read "${path}": ${cause}` };
}
