// Watching and freeing pulls on this node: which containerd, which proxy, and the parts that look and close.

import { setTimeout as delay } from "node:timers/promises";
import { chooseProxy } from "../core/proxy.ts";
import { createAddressBook } from "../node/address-book.ts";
import { findListener, readIdentity } from "../node/containerd-daemon.ts";
import { countDescriptors, listSocketInodes } from "../node/descriptors.ts";
import { endSocket } from "../node/end-socket.ts";
import { abortSocket, findSockets } from "../node/sockets.ts";
import type { Event } from "../report/events.ts";
import { FreePulls } from "./free-pulls.ts";
import type { Host } from "./host.ts";
import { PullWatch, type PullWatchPorts } from "./pull-watch.ts";

interface FreePullsContext {
  readonly host: Pick<Host, "proxy">;
  /** containerd's, as the config in force says; null without one. */
  readonly socketPath: () => string | null;
  readonly onAlarm: PullWatchPorts["onAlarm"];
  readonly emit: (event: Event) => void;
}

/** Both look at nothing until they are told what to follow. */
export function openFreePulls({ host, socketPath, onAlarm, emit }: FreePullsContext): {
  readonly freeing: FreePulls;
  readonly watching: PullWatch;
} {
  const shared = {
    findPid: createPidFinder(socketPath),
    addressesOf: createAddressBook(),
    isProxied: (url: string) => chooseProxy(url, host.proxy()) !== null,
    findSockets,
    wait: (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {}), // rejects when aborted
    nowMs: () => performance.now(),
  };
  return {
    freeing: new FreePulls({ ...shared, endSocket, abortSocket, emit }),
    watching: new PullWatch({ ...shared, countDescriptors, listSocketInodes, onAlarm }),
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
