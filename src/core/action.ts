// One repair of the node, as a value that carries its reason: the log, `plan` and the tests read the same thing.

export type Action =
  /** Keeps a foreign file byte for byte, with mode and owner, before we write over it. */
  | { readonly kind: "backUpFile"; readonly path: string; readonly because: string }
  /** Writes a whole file; a new folder appears together with it. */
  | WriteFile
  /** Puts back what backUpFile kept. */
  | { readonly kind: "restoreFile"; readonly path: string; readonly because: string }
  /** Removes a file of ours, and its folder if nothing else is in it. */
  | { readonly kind: "removeFile"; readonly path: string; readonly because: string };

export interface WriteFile {
  readonly kind: "writeFile";
  readonly path: string;
  readonly text: string;
  readonly mode: number;
  readonly because: string;
}
