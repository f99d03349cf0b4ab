// One repair of the node, as a value that carries its reason: the log, `plan` and the tests read the same thing.

export type Action =
  /** Writes a whole file; makes its folder if need be, so that the folder is never seen without the file. */
  | { readonly kind: "writeFile"; readonly path: string; readonly text: string; readonly mode: number; readonly because: string }
  /** Removes a file we own, and its folder if nothing else is in it. */
  | { readonly kind: "removeFile"; readonly path: string; readonly because: string }
  /** Keeps a foreign file byte for byte, with mode and owner, before we write over it. */
  | { readonly kind: "backUpFile"; readonly path: string; readonly because: string };
