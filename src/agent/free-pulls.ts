// Frees pulls that hang at an endpoint which is down, by closing containerd's connections to it: a pull keeps the
// hosts.toml that it began with, so the route that has changed does not help it (figures: docs/bench/failover.json). It comes
// back to that endpoint for each of its blobs, so looking goes on for as long as the endpoint is down. All of this
// runs beside the passes; when it fails, pulls are no worse off than without it.

import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import { type HungEndpoints, NOTHING_HUNG } from "../core/hung-endpoints.ts";
import {
  addResisting,
  isPastGrace,
  keepResisting,
  NONE_RESISTS,
  type ResistingSockets,
} from "../core/resisting-sockets.ts";
import { foldLook, type Looks, lookAnew, NO_LOOKS, nextLookMs } from "../core/stalled-sockets.ts";
import type { AddressesOf } from "../node/address-book.ts";
import type { Ended } from "../node/end-returning.ts";
import { type HeldSocket, SocketError } from "../node/sockets.ts";
import type { Event } from "../report/events.ts";
import type { CloseSockets } from "./close-sockets.ts";

export interface FreePullsPorts {
  /** containerd's process; null while none runs. */
  readonly findPid: () => Promise<number | null>;
  readonly addressesOf: AddressesOf;
  /** Whether containerd goes through a proxy there: the proxy's connections serve other endpoints too. */
  readonly isProxied: (url: string) => boolean;
  readonly findSockets: (pid: number, servers: readonly string[], signal: AbortSignal) => Promise<HeldSocket[]>;
  readonly closing: CloseSockets;
  readonly listDescriptors: (pid: number) => ReadonlySet<number>;
  /** Ends what is opened to servers in the next moment, after connections to them were ended. */
  readonly endReturning: (pid: number, ended: Ended, signal: AbortSignal) => Promise<number>;
  /** Pulls hang at this endpoint for long, and cannot be freed. Called at every look for as long as that is so. */
  readonly onStuck: (endpoint: Endpoint) => void;
  readonly emit: (event: Event) => void;
  /** Resolves after so long, or when aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Monotonic. */
  readonly nowMs: () => number;
}

interface Freeing {
  /** What hangs, and where. */
  readonly freeable: readonly { readonly socket: HeldSocket; readonly endpoint: Endpoint }[];
  /** All connections that this look saw. */
  readonly sockets: readonly HeldSocket[];
  readonly nowMs: number;
}

export class FreePulls {
  readonly #ports: FreePullsPorts;
  #endpoints: HungEndpoints = NOTHING_HUNG;
  #stop = new AbortController();
  #closed = false;
  #running: Promise<void> = Promise.resolve();
  #looks: Looks = NO_LOOKS;
  #hasStalled = false;
  #resisting: ResistingSockets = NONE_RESISTS;
  /** Where connections were closed since the endpoint is down, by address. */
  #hanging: ReadonlySet<string> = new Set();

  constructor(ports: FreePullsPorts) {
    this.#ports = ports;
  }

  /** Whether the last look saw connections that hang; only what is followed is looked at. */
  get hasStalled(): boolean {
    return this.#hasStalled;
  }

  /** From now on these endpoints are looked at; call it whenever health or routes may have changed. */
  follow(endpoints: HungEndpoints): void {
    if (this.#closed || JSON.stringify(keysOf(endpoints)) === JSON.stringify(keysOf(this.#endpoints))) return;
    this.#endpoints = endpoints;
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    if (endpoints.hung.length + endpoints.suspect.length === 0) {
      this.#hasStalled = false;
      return;
    }
    this.#running = this.#running.then(() => this.#run(endpoints, signal));
  }

  /** Ends looking; what is under way is given up. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    await this.#running;
  }

  async #run(endpoints: HungEndpoints, signal: AbortSignal): Promise<void> {
    let seenAtMs = this.#ports.nowMs();
    while (!signal.aborted) {
      if (await this.#tryLook(endpoints, signal)) seenAtMs = this.#ports.nowMs();
      const waitMs = nextLookMs(this.#ports.nowMs() - seenAtMs);
      if (waitMs === null) return;
      await this.#ports.wait(waitMs, signal);
    }
  }

  async #tryLook(endpoints: HungEndpoints, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#look(endpoints, signal);
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof SocketError)) throw error;
      this.#ports.closing.tellImpossible(error.message);
      return false;
    }
  }

  /** Says whether there were any connections. */
  async #look({ hung, suspect, used }: HungEndpoints, signal: AbortSignal): Promise<boolean> {
    const pid = await this.#ports.findPid();
    if (pid === null) return false;
    const [hungServers, suspects, spared] = await Promise.all([hung, suspect, used].map((all) => this.#serversOf(all)));
    const servers = [...new Set([...(hungServers?.keys() ?? []), ...(suspects?.keys() ?? [])])];
    const sockets = await this.#ports.findSockets(pid, servers, signal);
    const nowMs = this.#ports.nowMs();
    const { looks, stalled } = foldLook(this.#looks, sockets, { nowMs, hanging: this.#hanging });
    this.#looks = looks;
    this.#resisting = keepResisting(this.#resisting, sockets);
    this.#hasStalled = stalled.length > 0;
    this.#ports.closing.keep(sockets);
    this.#hanging = new Set([...this.#hanging].filter((address) => hungServers?.has(address)));
    const freeable = stalled.flatMap((socket) => {
      const endpoint = spared?.has(socket.remote) ? undefined : hungServers?.get(socket.remote);
      return endpoint === undefined ? [] : [{ socket, endpoint }];
    });
    if (freeable.length > 0) await this.#free(pid, { freeable, sockets, nowMs }, signal);
    return sockets.length > 0;
  }

  async #free(pid: number, { freeable, sockets, nowMs }: Freeing, signal: AbortSignal): Promise<void> {
    const freed = new Map<Endpoint, number>();
    const stuck = new Set<Endpoint>();
    const resumed = new Set<string>();
    const descriptors = this.#ports.listDescriptors(pid);
    for (const { socket, endpoint } of freeable) {
      this.#looks = lookAnew(this.#looks, socket, this.#ports.nowMs());
      const closed = await this.#ports.closing.close(pid, socket, signal);
      if (closed !== null) freed.set(endpoint, (freed.get(endpoint) ?? 0) + 1);
      if (closed === "ended") resumed.add(socket.remote);
      this.#resisting = addResisting(this.#resisting, socket, nowMs);
      if (isPastGrace(this.#resisting, socket.inode, nowMs)) stuck.add(endpoint);
    }
    this.#hanging = this.#hanging.union(new Set(freeable.map(({ socket }) => socket.remote)));
    for (const [endpoint, count] of freed) this.#ports.emit({ kind: "pullsFreed", endpoint, count });
    for (const endpoint of stuck) this.#ports.onStuck(endpoint);
    if (resumed.size === 0) return;
    await this.#ports.endReturning(pid, { servers: resumed, known: sockets, descriptors }, signal);
  }

  /** By address. */
  async #serversOf(endpoints: readonly Endpoint[]): Promise<ReadonlyMap<string, Endpoint>> {
    const direct = endpoints.filter(({ url }) => !this.#ports.isProxied(url));
    const entries = direct.map(async (endpoint) =>
      (await this.#ports.addressesOf(endpoint.url)).map((address) => [address, endpoint] as const),
    );
    return new Map((await Promise.all(entries)).flat());
  }
}

function keysOf({ hung, suspect, used }: HungEndpoints): readonly string[][] {
  return [hung, suspect, used].map((endpoints) => endpoints.map(endpointKey));
}
