// Tries a task again while what went wrong is temporary. The place in the gate is given back while it waits.

import type { Gate } from "./gate.ts";
import { isTemporary, type RegistryError } from "./registry-error.ts";

export interface RetryOptions {
  readonly gate: Gate;
  /** How often a task is tried again after its first failure. */
  readonly retries: number;
  /** The first wait; it doubles each time. */
  readonly backoffMs: number;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onRetry: (error: RegistryError, waitMs: number) => void;
}

const LONGEST_WAIT_MS = 30_000;

/** Runs a task through the gate until it succeeds, fails for good or has used up its retries. */
export async function retry<T>(
  task: () => Promise<T>,
  { priority, options }: { readonly priority: number; readonly options: RetryOptions },
  signal: AbortSignal,
): Promise<T> {
  const { gate, retries, wait, onRetry } = options;
  for (let failed = 0; ; failed++) {
    try {
      const result = await gate.run(task, priority, signal);
      gate.relax();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (!isTemporary(error) || failed >= retries) throw error;
      const waitMs = waitAfter(error, failed, options);
      if (error.status === 429 || error.status === 503) gate.throttle(waitMs);
      onRetry(error, waitMs);
      await wait(waitMs, signal);
    }
  }
}

/** Full jitter would let many workers come back at once after 0 ms; half of the wait is certain. */
function waitAfter(error: RegistryError, failed: number, { backoffMs }: RetryOptions): number {
  if (error.retryAfterMs !== null) return error.retryAfterMs;
  const longest = Math.min(LONGEST_WAIT_MS, backoffMs * 2 ** failed);
  return longest * (0.5 + Math.random() / 2);
}
