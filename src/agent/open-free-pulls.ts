// Care for the pulls under way on this node: which containerd, which proxy, and the parts that look, close and restart.

import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../core/endpoint.ts";
import type { Freeing } from "../core/freeing.ts";
import { findHungEndpoints, findWatchedMirrors, hasOtherWay } from "../core/hung-endpoints.ts";
import { chooseProxy } from "../core/proxy.ts";
import { createAddressBook } from "../node/address-book.ts";
import { findListener, readIdentity } from "../node/containerd-daemon.ts";
import { countDescriptors, listDescriptors, listSocketInodes } from "../node/descriptors.ts";
import { endReturning } from "../node/end-returning.ts";
import { endSocket } from "../node/end-socket.ts";
import { abortSocket, findSockets } from "../node/sockets.ts";
import { tryFreeing } from "../node/try-freeing.ts";
import type { Event } from "../report/events.ts";
import type { AgentView } from "./agent-ports.ts";
import { CloseSockets } from "./close-sockets.ts";
import { FreePulls } from "./free-pulls.ts";
import { FreeStuckPulls, type FreeStuckPullsPorts } from "./free-stuck-pulls.ts";
import { HangRestarts, type HangRestartsPorts, restartForHang } from "./hang-restarts.ts";
import type { Host } from "./host.ts";
import { PullWatch, type PullWatchPorts } from "./pull-watch.ts";

interface PullCareContext {
  readonly host: Host;
  /** What is in force, and what is known. */
  readonly view: () => AgentView;
  readonly probeDeepSoon: PullWatchPorts["onAlarm"];
  readonly proveOtherWay: FreeStuckPullsPorts["proveOtherWay"];
  /** How long a restart of containerd is put off, so that not all nodes of a fleet restart at once. */
  readonly drawSpreadMs: () => number;
  readonly emit: (event: Event) => void;
}

/** Everything that is done for pulls under way. */
export interface PullCare {
  /** From now on it goes by this; call it whenever health or routes may have changed. */
  follow(view: AgentView): void;
  /** Whether pulls are seen to hang at an endpoint that is down or in doubt. */
  pullsHang(): boolean;
  /** What can be done about them here; null until it was tried. */
  freeing(): Freeing | null;
  close(): Promise<void>;
}

/** Looks at no connections of others until it is told what to follow. */
export function openPullCare(context: PullCareContext): PullCare {
  const { host, view, emit, drawSpreadMs, proveOtherWay } = context;
  const config = () => view().inForce?.config ?? null;
  const wait = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {}); // rejects when aborted
  const nowMs = () => performance.now();
  const socketPath = () => {
    const inForce = config();
    return inForce && host.pathsOf(inForce).containerdSocket;
  };
  const isProxied = (url: string) => chooseProxy(url, host.proxy()) !== null;
  const shared = { findPid: createPidFinder(socketPath), addressesOf: createAddressBook(), isProxied, wait, nowMs };
  const restart: HangRestartsPorts["restart"] = (url, inForce, stop) => restartForHang(host, url, inForce, stop);
  const hangs = new HangRestarts({ config, emit, drawSpreadMs, restart, wait, nowMs });
  const onStuck = (endpoint: Endpoint) => hangs.consider(endpoint);
  const closing = new CloseSockets({ endSocket, abortSocket, emit });
  const ending = { closing, listDescriptors, endReturning, emit };
  const freeing = new FreePulls({ ...shared, ...ending, findSockets, onStuck });
  const isServedElsewhere = (mirror: Endpoint) => hasOtherWay(mirror, view().decisions, view().health.of);
  const stuck = new FreeStuckPulls({ ...ending, hasOtherWay: isServedElsewhere, proveOtherWay, nowMs });
  const looking = { findSockets, countDescriptors, listSocketInodes };
  const freeStuck: PullWatchPorts["freeStuck"] = (pulls, signal) => stuck.free(pulls, signal);
  const watching = new PullWatch({ ...shared, ...looking, onAlarm: context.probeDeepSoon, freeStuck });
  const trial = openTrial();
  return {
    follow({ decisions, health, inForce }) {
      freeing.follow(findHungEndpoints(decisions, health.of));
      const intervalMs = inForce?.config.agent.probe.intervalMs ?? 0;
      watching.follow({ ...findWatchedMirrors(decisions, health.of), intervalMs });
    },
    pullsHang: () => freeing.hasStalled,
    freeing: () => trial.found,
    close: async () => void (await Promise.all([freeing.close(), watching.close(), hangs.close(), trial.close()])),
  };
}

function openTrial(): { readonly found: Freeing | null; close(): Promise<void> } {
  const stop = new AbortController();
  let found: Freeing | null = null;
  const tried = tryFreeing(stop.signal).then(
    (freeing) => {
      found = freeing;
    },
    (error: unknown) => {
      if (!stop.signal.aborted) throw error;
    },
  );
  return {
    get found() {
      return found;
    },
    close() {
      stop.abort();
      return tried;
    },
  };
}

// Looking through all processes four times a second is too much: a daemon that was found is only checked.
function createPidFinder(socketPath: () => string | null): () => Promise<number | null> {
  let found: { readonly path: string; readonly pid: number; readonly identity: string } | null = null;
  return async () => {
    const path = socketPath();
    if (path === null) return null;
    if (found?.path === path && (await readIdentity(found.pid)) === found.identity) return found.pid;
    const pid = await findListener(path);
    const identity = pid === null ? null : await readIdentity(pid);
    found = pid === null || identity === null ? null : { path, pid, identity };
    return found?.pid ?? null;
  };
}
