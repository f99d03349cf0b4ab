// The connections that probes keep, and how long.

import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Agent } from "./node-http.ts";

const IDLE_CONNECTION_MS = 60_000;

/** As node:http declares it; with an error there is no socket. */
type Opened = (error: Error | null, socket: Duplex) => void;

interface OpeningOptions {
  readonly open: () => Promise<Socket>;
  /** Begins with the origin and a space. */
  readonly poolKey: string;
}

/** For node:http's createConnection. */
export function openWith(open: () => Promise<Socket>) {
  return (_options: object, opened: Opened): undefined => {
    open().then(
      (socket) => opened(null, socket),
      (error) => (opened as (error: Error) => void)(error),
    );
  };
}

/** node:http's pool, with connections that we open, and that grow old. */
export class ConnectionAgent extends Agent {
  readonly #maxAgeMs: number;
  readonly #openedAt = new WeakMap<object, number>();

  constructor(maxAgeMs: number) {
    super({ keepAlive: true, maxFreeSockets: 1, timeout: IDLE_CONNECTION_MS });
    this.#maxAgeMs = maxAgeMs;
  }

  override getName(options?: object): string {
    return (options as OpeningOptions).poolKey;
  }

  override createConnection(options: object, opened: Opened): undefined {
    return openWith((options as OpeningOptions).open)(options, (error, socket) => {
      if (socket) this.#openedAt.set(socket, performance.now());
      opened(error, socket);
    });
  }

  /** Ends the connections to this origin that nobody uses now. */
  endIdle(origin: string): void {
    const keys = Object.keys(this.freeSockets).filter((key) => key.startsWith(`${origin} `));
    for (const socket of keys.flatMap((key) => this.freeSockets[key] ?? [])) socket.destroy();
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const age = performance.now() - (this.#openedAt.get(socket) ?? 0);
    return age < this.#maxAgeMs && Boolean(super.keepSocketAlive(socket));
  }
}
