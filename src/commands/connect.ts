// How the images commands talk to a registry: one connection set-up and one set of limits for all of them.

import { setTimeout as sleep } from "node:timers/promises";
import type { Credential } from "../core/credentials/credential.ts";
import { readProxyEnvironment } from "../core/proxy.ts";
import type { OnPushEvent } from "../push/push-event.ts";
import { openSession, type PushSession } from "../push/push-session.ts";
import { Distribution } from "../registry/distribution.ts";
import { Gate } from "../registry/gate.ts";
import type { TlsMaterial } from "../registry/tls-material.ts";
import type { CommandContext } from "./context.ts";
import type { ConnectionFlags } from "./registry-flags.ts";

export interface Peer {
  /** "https://172.18.0.20:5000" */
  readonly origin: string;
  readonly credential: Credential;
  readonly tls: TlsMaterial;
}

const CONNECT_MS = 10_000;
const BACKOFF_MS = 500;
/** A registry on an object store first copies what it got before it answers. */
const FINISH_MS = 600_000;

/** A registry, reached as flags and environment say; nothing is sent yet. Its warnings go to standard error. */
export function connect(peer: Peer, flags: ConnectionFlags, { env, stderr }: CommandContext): Distribution {
  return new Distribution({
    ...peer,
    proxy: readProxyEnvironment(env),
    connections: flags.threads,
    connectTimeoutMs: CONNECT_MS,
    timeoutMs: flags.timeout * 1000,
    onWarning: (text) => void stderr.write(`warning: ${text}\n`),
  });
}

/** A session with a registry, with the limits that the flags set. */
export function startSession(
  registry: Distribution,
  flags: ConnectionFlags,
  { context, onEvent }: { context: CommandContext; onEvent: OnPushEvent },
): PushSession {
  const wait = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal });
  const timeoutMs = flags.timeout * 1000;
  return openSession({
    registry,
    gate: new Gate({ limit: flags.threads, nowMs: context.nowMs, wait }),
    retries: flags.retries,
    backoffMs: BACKOFF_MS,
    stallTimeoutMs: timeoutMs,
    finishTimeoutMs: Math.max(timeoutMs, FINISH_MS),
    onEvent,
    wait,
    signal: context.signal,
  });
}
