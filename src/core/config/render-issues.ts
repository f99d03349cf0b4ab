// Issues as compilers print them, so that editors and people find the place at once.

import type { ConfigIssue } from "../config-issue.ts";

/** One line an issue: `path:line:column: error: message`; "" if there is none. */
export function renderIssues(issues: readonly ConfigIssue[], { path }: { path: string }): string {
  return issues
    .map(({ line, column, severity, message }) => `${path}:${line}:${column}: ${severity}: ${message}\n`)
    .join("");
}
