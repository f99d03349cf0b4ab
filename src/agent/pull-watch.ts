// Watches containerd's connections to mirrors that are up, asks for a closer look at a mirror when a pull begins or
// stalls there, and tells of what hangs by itself although its mirror answers (core/pull-alarms.ts). Nearly always there
// are none, so a look begins with the cheapest question: does containerd have as many descriptors as before? Only then:
// has it new sockets? And only then: are they to mirrors, and has anything moved on them? When any of this fails, deep
// probes come as rarely as without it.

import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import { type Alarms, areQuiet, askAnew, findStuck, foldAlarms, NO_ALARMS, watchAnew } from "../core/pull-alarms.ts";
import type { AddressesOf } from "../node/address-book.ts";
import { type HeldSocket, SocketError } from "../node/sockets.ts";
import type { StuckPulls } from "./free-stuck-pulls.ts";

export interface PullWatchPorts {
  /** containerd's process; null while none runs. */
  readonly findPid: () => Promise<number | null>;
  readonly countDescriptors: (pid: number) => number | null;
  readonly listSocketInodes: (pid: number) => ReadonlySet<string>;
  readonly addressesOf: AddressesOf;
  readonly isProxied: (url: string) => boolean;
  readonly findSockets: (pid: number, servers: readonly string[], signal: AbortSignal) => Promise<HeldSocket[]>;
  /** A pull begins or stalls there. */
  readonly onAlarm: (endpoint: Endpoint) => void;
  /** These hang by themselves; gives those that need not be told of again soon. */
  readonly freeStuck: (pulls: StuckPulls, signal: AbortSignal) => Promise<readonly HeldSocket[]>;
  /** Resolves after so long, or when aborted. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Monotonic. */
  readonly nowMs: () => number;
}

export interface Watching {
  readonly endpoints: readonly Endpoint[];
  /** Those of them whose last probe failed. */
  readonly doubted: readonly Endpoint[];
  /** Between two probes. */
  readonly intervalMs: number;
}

const NOTHING: Watching = { endpoints: [], doubted: [], intervalMs: 1000 };
/** How often is looked: a fifth of the interval, but never more rarely, nor more often. */
const RARELY_MS = 1000;
const OFTEN_MS = 200;
/** Where there is no containerd, or it may not be looked at. */
const REST_MS = 10_000;
/** Connections on which nothing moves are looked at so rarely, unless containerd opens or closes something. */
const QUIET_MS = 5000;

export class PullWatch {
  readonly #ports: PullWatchPorts;
  #watching = NOTHING;
  #stop: AbortController | null = null;
  #running: Promise<void> = Promise.resolve();
  #pid: number | null = null;
  #count = -1;
  #inodes: ReadonlySet<string> = new Set();
  #alarms: Alarms = NO_ALARMS;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: PullWatchPorts) {
    this.#ports = ports;
  }

  /** From now on these are watched; call it whenever health or routes may have changed. */
  follow(watching: Watching): void {
    const isNews = JSON.stringify(keysOf(watching)) !== JSON.stringify(keysOf(this.#watching));
    this.#watching = watching;
    if (!isNews) return;
    // What stalled before a probe failed is asked about again if the mirror is trusted once more: it may flap.
    this.#alarms = askAnew(this.#alarms);
    this.#inodes = new Set();
    this.#count = -1;
    if (watching.endpoints.length === 0) {
      this.#stop?.abort();
      this.#stop = null;
      return;
    }
    if (this.#stop !== null) return;
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#running = this.#running.then(() => this.#run(signal));
  }

  /** Ends watching; a look under way is given up. */
  async close(): Promise<void> {
    this.follow(NOTHING);
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#tryLook(signal);
      await this.#ports.wait(waitMs, signal);
    }
  }

  /** Gives the time until the next look. */
  async #tryLook(signal: AbortSignal): Promise<number> {
    this.#pid ??= await this.#ports.findPid();
    const count = this.#pid === null ? null : this.#ports.countDescriptors(this.#pid);
    if (this.#pid === null || count === null) {
      this.#pid = null;
      return REST_MS;
    }
    const nextMs = Math.max(OFTEN_MS, Math.min(RARELY_MS, this.#watching.intervalMs / 5));
    try {
      if (this.#isWorthALook(this.#pid, count)) await this.#look(signal);
      return nextMs;
    } catch (error) {
      if (signal.aborted) return 0;
      if (error instanceof SocketError) return REST_MS;
      throw error;
    }
  }

  #isWorthALook(pid: number, count: number): boolean {
    const nowMs = this.#ports.nowMs();
    const isChanged = count !== this.#count;
    this.#count = count;
    if (this.#alarms.sockets.size > 0) {
      return isChanged || !areQuiet(this.#alarms, QUIET_MS, nowMs) || nowMs - this.#lookedAtMs >= QUIET_MS;
    }
    if (!isChanged) return false;
    const before = this.#inodes;
    this.#inodes = this.#ports.listSocketInodes(pid);
    return [...this.#inodes].some((inode) => !before.has(inode));
  }

  async #look(signal: AbortSignal): Promise<void> {
    // The number may have been given to another process since.
    this.#pid = await this.#ports.findPid();
    if (this.#pid === null) return;
    const { intervalMs } = this.#watching;
    const [servers, doubtedServers] = await this.#watchedServers();
    const sockets = await this.#ports.findSockets(this.#pid, [...servers.keys()], signal);
    const nowMs = this.#ports.nowMs();
    this.#lookedAtMs = nowMs;
    const doubted = new Set(doubtedServers.keys());
    const { next, ask } = foldAlarms(this.#alarms, sockets, { intervalMs, doubted, nowMs });
    this.#alarms = next;
    for (const endpoint of ask.flatMap((address) => servers.get(address) ?? [])) this.#ports.onAlarm(endpoint);
    const allStuck = findStuck(next, sockets, { doubted, nowMs });
    for (const [address, stuck] of Map.groupBy(allStuck, ({ remote }) => remote)) {
      const pulls = { pid: this.#pid, endpoints: servers.get(address) ?? [], stuck, known: sockets };
      this.#alarms = watchAnew(this.#alarms, await this.#ports.freeStuck(pulls, signal), nowMs);
    }
  }

  #watchedServers() {
    const { endpoints, doubted } = this.#watching;
    return Promise.all([this.#serversOf(endpoints), this.#serversOf(doubted)]);
  }

  /** By address; a proxy's connections tell nothing of one mirror. */
  async #serversOf(endpoints: readonly Endpoint[]): Promise<ReadonlyMap<string, readonly Endpoint[]>> {
    const direct = endpoints.filter(({ url }) => !this.#ports.isProxied(url));
    const entries = direct.map(async (endpoint) =>
      (await this.#ports.addressesOf(endpoint.url)).map((address) => ({ address, endpoint })),
    );
    const all = (await Promise.all(entries)).flat();
    return new Map(
      [...Map.groupBy(all, ({ address }) => address)].map(([address, group]) => [
        address,
        group.map((each) => each.endpoint),
      ]),
    );
  }
}

function keysOf({ endpoints, doubted, intervalMs }: Watching): readonly unknown[] {
  return [intervalMs, endpoints.map(endpointKey), doubted.map(endpointKey)];
}
