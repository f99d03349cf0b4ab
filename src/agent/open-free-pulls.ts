// Care for the pulls under way on this node: which containerd, which proxy, and the parts that look, close and restart.

import { setTimeout as delay } from "node:timers/promises";
import type { Endpoint } from "../core/endpoint.ts";
import type { Freeing } from "../core/freeing.ts";
import { findHungEndpoints, findTrustedMirrors } from "../core/hung-endpoints.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
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
import { FreePulls } from "./free-pulls.ts";
import { HangRestarts, type HangRestartsPorts, restartForHang } from "./hang-restarts.ts";
import type { Host } from "./host.ts";
import { PullWatch, type PullWatchPorts } from "./pull-watch.ts";

interface PullCareContext {
  readonly host: Host;
  /** What is in force, if anything is. */
  readonly config: () => MirrorConfig | null;
  readonly probeDeepSoon: PullWatchPorts["onAlarm"];
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
  const { host, config, emit } = context;
  const wait = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {}); // rejects when aborted
  const nowMs = () => performance.now();
  const socketPath = () => {
    const inForce = config();
    return inForce && host.pathsOf(inForce).containerdSocket;
  };
  const isProxied = (url: string) => chooseProxy(url, host.proxy()) !== null;
  const shared = { findPid: createPidFinder(socketPath), addressesOf: createAddressBook(), isProxied, wait, nowMs };
  const restart: HangRestartsPorts["restart"] = (url, inForce, stop) => restartForHang(host, url, inForce, stop);
  const hangs = new HangRestarts({ ...context, restart, wait, nowMs });
  const onStuck = (endpoint: Endpoint) => hangs.consider(endpoint);
  const closing = { endSocket, abortSocket, listDescriptors, endReturning };
  const freeing = new FreePulls({ ...shared, ...closing, findSockets, onStuck, emit });
  const onAlarm = context.probeDeepSoon;
  const watching = new PullWatch({ ...shared, findSockets, countDescriptors, listSocketInodes, onAlarm });
  const trial = openTrial();
  return {
    follow({ decisions, health, inForce }) {
      freeing.follow(findHungEndpoints(decisions, health.of));
      const intervalMs = inForce?.config.agent.probe.intervalMs ?? 0;
      watching.follow({ endpoints: findTrustedMirrors(decisions, health.of), intervalMs });
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
