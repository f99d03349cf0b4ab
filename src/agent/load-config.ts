// Reads the mirror config and the TLS files that it names, and says everything that is wrong with either.

import type { TlsFile } from "../core/compile-node.ts";
import { type ParsedConfig, parseConfig } from "../core/config/parse-config.ts";
import { type Places, placeOf } from "../core/config/places.ts";
import type { ConfigIssue } from "../core/config-issue.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { readSmallFile } from "../node/small-file.ts";
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

// The parser has its own, smaller limit, and says more about it.
const MAX_CONFIG_BYTES = 16_000_000;

type Parse = typeof parseConfig;

/** Loads the config at `path`; never throws for what an operator can mend. */
export async function loadConfig(path: string, nowMs: number, parse: Parse = parseConfig): Promise<LoadedConfig> {
  const file = await readSmallFile(path, MAX_CONFIG_BYTES);
  if ("problem" in file) return { text: null, ...without([unreadable(path, file.problem)]) };
  const { text } = file;
  // `cat > config.yaml` empties the file before it fills it: for that moment the node must not lose its mirrors.
  if (text === "") return { text, ...without([emptied(path)]) };
  const parsed = parse(text);
  const { config, issues } = parsed;
  if (!config) return { text, ...without(issues) };
  const { files, problems } = await readTlsFiles(config, nowMs);
  const all = [...issues, ...(problems.length > 0 ? placeProblems(problems, parsed.places) : [])];
  return { text, config: hasErrors(problems) ? null : config, tlsFiles: files, issues: all, names: namesIn(config) };
}

/**
 * A parseConfig() that remembers its last answer: a pass comes for many reasons, and hardly ever because the text
 * changed, and with a thousand registries parsing is the dearest part of it. The YAML behind the answer takes more
 * memory than all else; the few who ask for places have it parsed again.
 */
export function parseOnce(): Parse {
  let last: ({ readonly text: string } & ParsedConfig) | null = null;
  return (text) => {
    if (last?.text === text) return last;
    const { config, issues } = parseConfig(text);
    last = {
      text,
      config,
      issues,
      get places() {
        return parseConfig(text).places;
      },
    };
    return last;
  };
}

/** Loads the config that was last in force, with its own copies of the TLS files; null if there was none. */
export async function loadLastGood(stateDir: string): Promise<LoadedConfig | null> {
  const lastGood = await readLastGood(stateDir);
  if (!lastGood) return null;
  const { config } = parseConfig(lastGood.text);
  const tlsFiles = new Map(lastGood.tlsFiles.map((file) => [file.sourcePath, file]));
  return { text: lastGood.text, config, tlsFiles, issues: [], names: config ? namesIn(config) : [] };
}

function namesIn(config: MirrorConfig): string[] {
  const mirrors = config.mirrors.map((mirror) => mirror.pullCredentialConfigPath);
  const own = config.privateRegistries.map((registry) => registry.pullCredentialConfigPath);
  const credentials = [...mirrors, ...own, config.gcrKeyPath, config.privateRegistryConfigPath];
  return [...new Set([...tlsUses(config).map(({ path }) => path), ...credentials.filter((path) => path !== null)])];
}

function placeProblems(problems: readonly FileProblem[], places: Places): ConfigIssue[] {
  return problems.map((problem) => ({ ...problem, ...placeOf(places, problem.at) }));
}

function hasErrors(problems: readonly FileProblem[]): boolean {
  return problems.some((problem) => problem.severity === "error");
}

function without(issues: readonly ConfigIssue[]): Omit<LoadedConfig, "text"> {
  return { config: null, tlsFiles: new Map(), issues, names: [] };
}

function emptied(path: string): ConfigIssue {
  const message = `Cannot use "${path}": it is empty; to mirror nothing write "registryMirrors: []"`;
  return { severity: "error", line: 1, column: 1, at: "", message };
}

function unreadable(path: string, problem: string): ConfigIssue {
  return { severity: "error", line: 1, column: 1, at: "", message: `Cannot read "${path}": ${problem}` };
}
