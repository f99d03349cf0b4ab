// Freeing pulls on this node: which containerd, which proxy, and the parts that look and close.

import { setTimeout as delay } from "node:timers/promises";
import { chooseProxy } from "../core/proxy.ts";
import { createAddressBook } from "../node/address-book.ts";
import { findListener, readIdentity } from "../node/containerd-daemon.ts";
import { endSocket } from "../node/end-socket.ts";
import { abortSocket, findSockets } from "../node/sockets.ts";
import type { Event } from "../report/events.ts";
import { FreePulls } from "./free-pulls.ts";
import type { Host } from "./host.ts";

interface FreePullsContext {
  readonly host: Pick<Host, "proxy">;
  /** containerd's, as the config in force says; null without one. */
  readonly socketPath: () => string | null;
  readonly emit: (event: Event) => void;
}

/** Looks at nothing until it is told what to follow. */
export function openFreePulls({ host, socketPath, emit }: FreePullsContext): FreePulls {
  return new FreePulls({
    findPid: createPidFinder(socketPath),
    addressesOf: createAddressBook(),
    isProxied: (url) => chooseProxy(url, host.proxy()) !== null,
    findSockets,
    endSocket,
    abortSocket,
    emit,
    wait: (ms, signal) => delay(ms, undefined, { signal }).catch(() => {}), // rejects when aborted
    nowMs: () => performance.now(),
  });
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
