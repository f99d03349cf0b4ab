// The images that this node has, by the CRI: what kubelet sees, and nothing that others keep in containerd.

import type { CriImage } from "./cri.ts";

const TIMEOUT_MS = 2000;

/** Null where containerd cannot be asked. Rejects only when the signal is aborted. */
export async function listImages(socket: string, signal: AbortSignal): Promise<readonly CriImage[] | null> {
  const { CriClient, CriError } = await import("./cri.ts");
  const cri = new CriClient(socket);
  try {
    return await cri.listImages({ timeoutMs: TIMEOUT_MS, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CriError)) throw error;
    return null;
  } finally {
    cri.close();
  }
}
