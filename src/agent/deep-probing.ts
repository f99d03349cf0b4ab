// Makes those probes of a mirror deep on which something hangs, see core/probe-depth.ts. Upstreams are spared: they
// are other people's servers, asked only while a mirror fails, and then by every node.

import { arch } from "node:os";
import { isUnfit } from "../core/canary.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EndpointHealth } from "../core/health.ts";
import type { Mirror, MirrorConfig } from "../core/mirror-config.ts";
import { type DepthState, decideDepth, demandDeep, FIRST_DEPTH } from "../core/probe-depth.ts";
import type { Verdict } from "../registry/answer-verdict.ts";
import { type DeepProbe, probeDeep } from "../registry/deep-probe.ts";
import { Canaries, type CanariesPorts } from "./canaries.ts";

export interface DeepProbingPorts extends CanariesPorts {
  /** Whether pulls are served elsewhere while this endpoint is down. */
  readonly isServedWithout: (endpoint: Endpoint) => boolean;
  readonly random: () => number;
}

/** Deep where it speaks for the mirror: not while nobody can say which images there are. */
type Finding = Exclude<Verdict, { ok: true }> | { readonly ok: true; readonly isDeep: boolean };

interface Occasion {
  readonly config: MirrorConfig;
  readonly health: EndpointHealth;
}

/** How long a mirror that answers well waits for a containerd that cannot be asked: as long as one takes to start. */
const LONGEST_WAIT_MS = 60_000;
const LONGEST_WAIT_INTERVALS = 12;

const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

export class DeepProbing {
  readonly #ports: DeepProbingPorts;
  readonly #canaries: Canaries;
  readonly #depths = new Map<string, DepthState>();

  constructor(ports: DeepProbingPorts) {
    this.#ports = ports;
    this.#canaries = new Canaries(ports);
  }

  /** Whether this probe of a mirror, which has just answered, must go on; counts those that need not. */
  isDue(endpoint: Endpoint, { config, health }: Occasion): boolean {
    const { isServedWithout, random, nowMs } = this.#ports;
    const { isDeep, next } = decideDepth(this.#depths.get(endpoint.url) ?? FIRST_DEPTH, health, {
      settings: config.agent.probe,
      jitter: config.agent.jitter,
      isServed: isServedWithout(endpoint),
      random,
      nowMs: nowMs(),
    });
    this.#depths.set(endpoint.url, next);
    return isDeep;
  }

  /** Makes the next probe of a mirror deep. */
  demand({ url }: Endpoint): void {
    this.#depths.set(url, demandDeep(this.#depths.get(url) ?? FIRST_DEPTH));
  }

  /** Fetches an image there; good also where there is none to fetch. Rejects only when the signal is aborted. */
  async probe(
    endpoint: Endpoint,
    { config, health }: Occasion,
    tools: Pick<DeepProbe, "client" | "auth" | "target">,
    signal: AbortSignal,
  ): Promise<Finding> {
    const mirror = mirrorAt(endpoint, config);
    const canary = mirror ? await this.#canaries.find(mirror, config, signal) : null;
    if (!mirror || canary === null) return { ok: true, isDeep: true };
    if (canary === "unknown") return { ok: true, isDeep: !this.#canWait(endpoint, { config, health }) };
    const architecture = GO_ARCHITECTURES[arch()] ?? arch();
    const verdict = await probeDeep({ ...tools, canary, architecture }, signal);
    if (!verdict.ok && !isUnfit(canary, verdict.reason)) return verdict;
    this.#canaries.learn(mirror, canary, { isHeld: verdict.ok });
    return { ok: true, isDeep: true };
  }

  /** At a boot containerd starts after us: a mirror that was down is not let back in unlooked just because of that. */
  #canWait(endpoint: Endpoint, { config, health: { state, goodSinceMs } }: Occasion): boolean {
    const nowMs = this.#ports.nowMs();
    const longestMs = Math.min(LONGEST_WAIT_MS, LONGEST_WAIT_INTERVALS * config.agent.probe.intervalMs);
    const isLong = nowMs - (goodSinceMs ?? nowMs) >= longestMs;
    return state === "down" && !isLong && this.#ports.isServedWithout(endpoint);
  }
}

/** An endpoint may be listed several times, each time for other registries. */
function mirrorAt({ url }: Endpoint, { mirrors }: MirrorConfig): Pick<Mirror, "endpoint" | "hosts" | "probe"> | null {
  const listed = mirrors.filter(({ endpoint }) => endpoint === url);
  const [first] = listed;
  return first ? { ...first, hosts: listed.flatMap(({ hosts }) => hosts) } : null;
}
