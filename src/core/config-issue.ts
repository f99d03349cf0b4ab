// What is wrong with the mirror config or with a file it names. All issues are reported at once.

export interface ConfigIssue {
  readonly severity: "error" | "warning";
  /** Counted from 1; where the offending value (or, if it is absent, its parent) starts. */
  readonly line: number;
  readonly column: number;
  /** Where in the document: `registryMirrors[0].endpoint`; "" for the whole file. */
  readonly at: string;
  /** One sentence without a full stop: what is wrong, what was found, what is expected, what to do. Never a secret. */
  readonly message: string;
}
