// Pulls on a booted node over its containerd's CRI, as kubelet does.

import { setTimeout as delay } from "node:timers/promises";
import { CriClient, CriError } from "../../src/node/cri.ts";
import type { Machine } from "../lab/machine.ts";

/** Waits for a containerd that is just starting; the pull itself is tried once. */
export async function pullOn(node: Machine, image: string): Promise<void> {
  const socket = node.path("/run/containerd/containerd.sock");
  await untilCriAnswers(socket);
  await withCri(socket, (cri) => cri.pullImage(image, { timeoutMs: 60_000 }));
}

// The socket answers a moment before the CRI has recovered its state ("server is not initialized yet").
async function untilCriAnswers(socket: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await delay(100)) {
    try {
      return void (await withCri(socket, (cri) => cri.listImages({ timeoutMs: 5000 })));
    } catch (error) {
      if (!(error instanceof CriError) || Date.now() > deadline) throw error;
    }
  }
}

async function withCri<T>(socket: string, call: (cri: CriClient) => Promise<T>): Promise<T> {
  const cri = new CriClient(socket);
  try {
    return await call(cri);
  } finally {
    cri.close();
  }
}
