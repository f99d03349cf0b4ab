// The config and every file that it names, judged for somebody who is about to use it. Stricter than a pass: to
// that, a credential that cannot be had is the problem of one endpoint, and the others go on.

import { parseConfig } from "../core/config/parse-config.ts";
import { placeOf } from "../core/config/places.ts";
import type { ConfigIssue } from "../core/config-issue.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { checkCredentials } from "../node/check-credentials.ts";
import { loadConfig } from "./load-config.ts";

export interface CheckOptions {
  /** Credential helpers are found in its PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

export interface CheckedConfig {
  /** Null if there is an error among the issues. */
  readonly config: MirrorConfig | null;
  /** Those of the credentials come last. */
  readonly issues: readonly ConfigIssue[];
}

/** Checks the config at `path`; changes nothing, runs credential helpers, and asks no server. */
export async function checkConfig(path: string, { env, nowMs, signal }: CheckOptions): Promise<CheckedConfig> {
  const { config, issues, text } = await loadConfig(path, nowMs());
  if (config === null || text === null) return { config: null, issues };
  const { places } = parseConfig(text);
  const problems = await checkCredentials(config, { environment: env, signal });
  const found = problems.map((problem) => ({ ...problem, ...placeOf(places, problem.at) }));
  const isValid = !found.some(({ severity }) => severity === "error");
  return { config: isValid ? config : null, issues: [...issues, ...found] };
}
