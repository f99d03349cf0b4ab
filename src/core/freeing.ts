// What this node can do about a connection of containerd that hangs, as the daemon found out by trying.

/**
 * "end": its program reads the end of it, and the download goes on elsewhere; "abort": it breaks, and the pull fails.
 * Null: neither, and `problem` says why.
 */
export interface Freeing {
  readonly way: "end" | "abort" | null;
  readonly problem: string | null;
}
