// Closes connections of containerd on which its pulls hang, in the gentlest way that works here.

import { type HeldSocket, SocketError } from "../node/sockets.ts";
import type { Event } from "../report/events.ts";

export interface CloseSocketsPorts {
  /** Lets containerd read the end of a connection; false if that cannot be done. */
  readonly endSocket: (pid: number, socket: HeldSocket) => Promise<boolean>;
  readonly abortSocket: (socket: HeldSocket, signal: AbortSignal) => Promise<boolean>;
  readonly emit: (event: Event) => void;
}

/** A download goes on where it was after the one, and its pull fails after the other. */
type Closed = "ended" | "aborted";

/** After so many, closing does not work here. */
const MOST_ATTEMPTS = 2;

export class CloseSockets {
  readonly #ports: CloseSocketsPorts;
  readonly #told = new Set<string>();
  /** How often closing a connection was tried, by inode. */
  #attempts: ReadonlyMap<string, number> = new Map();

  constructor(ports: CloseSocketsPorts) {
    this.#ports = ports;
  }

  /** Forgets all connections but these. */
  keep(sockets: readonly HeldSocket[]): void {
    const inodes = new Set(sockets.map(({ inode }) => inode));
    this.#attempts = new Map([...this.#attempts].filter(([inode]) => inodes.has(inode)));
  }

  /** How a connection was closed that had not been before; null if none was. */
  async close(pid: number, socket: HeldSocket, signal: AbortSignal): Promise<Closed | null> {
    try {
      return await this.#close(pid, socket, signal);
    } catch (error) {
      // Not being permitted is no reason to look no further: what hangs has to be known all the same.
      if (signal.aborted || !(error instanceof SocketError)) throw error;
      this.tellImpossible(error.message);
      return null;
    }
  }

  /** Says once why pulls cannot be freed here. */
  tellImpossible(because: string): void {
    if (this.#told.has(because)) return;
    this.#told.add(because);
    this.#ports.emit({ kind: "freeingImpossible", because });
  }

  async #close(pid: number, socket: HeldSocket, signal: AbortSignal): Promise<Closed | null> {
    const { inode } = socket;
    const attempts = this.#attempts.get(inode) ?? 0;
    this.#attempts = new Map(this.#attempts).set(inode, attempts + 1);
    if (attempts >= MOST_ATTEMPTS) {
      // Where it was told already, it is for want of permission.
      if (this.#told.size === 0) this.tellImpossible("the kernel cannot close connections (CONFIG_INET_DIAG_DESTROY)");
      return null;
    }
    if (attempts === 0 && (await this.#ports.endSocket(pid, socket))) return "ended";
    return (await this.#ports.abortSocket(socket, signal)) && attempts === 0 ? "aborted" : null;
  }
}
