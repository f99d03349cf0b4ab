// What all parts of one push share: the registry, its gate, how to try again and whom to tell.

import type { Distribution } from "../registry/distribution.ts";
import type { Gate } from "../registry/gate.ts";
import { type RetryOptions, retry } from "../registry/retry.ts";
import type { OnPushEvent } from "./push-event.ts";

export interface PushSession {
  readonly registry: Distribution;
  readonly retries: RetryOptions;
  readonly stallTimeoutMs: number;
  readonly finishTimeoutMs: number;
  readonly onEvent: OnPushEvent;
  readonly signal: AbortSignal;
}

export interface SessionOptions {
  readonly registry: Distribution;
  readonly gate: Gate;
  readonly retries: number;
  readonly backoffMs: number;
  readonly stallTimeoutMs: number;
  readonly finishTimeoutMs: number;
  readonly onEvent: OnPushEvent;
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Manifests are small and finish an image, mounts cost nothing: both go before uploads. */
export const PRIORITY = { manifest: 2, mount: 1 } as const;

/** Image after image, so that a push that is stopped has finished some; of an image the largest blob first. */
export function uploadPriority(order: number, size: number): number {
  return -order - 1 / (1 + size);
}

export function openSession({ gate, retries, backoffMs, wait, ...rest }: SessionOptions): PushSession {
  const onRetry: RetryOptions["onRetry"] = ({ message }, waitMs) => rest.onEvent({ kind: "retry", message, waitMs });
  const options = { gate, retries, backoffMs, wait, onRetry };
  return { ...rest, retries: options };
}

/** Runs one task against the registry: when there is room, and again when it failed for a while only. */
export function attempt<T>(session: PushSession, priority: number, task: () => Promise<T>): Promise<T> {
  return retry(task, { priority, options: session.retries }, session.signal);
}
