// Makes those probes of a mirror deep on which something hangs, see core/probe-depth.ts. Upstreams are spared: they
// are other people's servers, asked only while a mirror fails, and then by every node.

import { arch } from "node:os";
import { isUnfit } from "../core/canary.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EndpointHealth } from "../core/health.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type DepthState, decideDepth, demandDeep, FIRST_DEPTH } from "../core/probe-depth.ts";
import type { Verdict } from "../registry/answer-verdict.ts";
import { type DeepProbe, probeDeep } from "../registry/deep-probe.ts";
import { Canaries, type CanariesPorts } from "./canaries.ts";

export interface DeepProbingPorts extends CanariesPorts {
  /** Whether pulls are served elsewhere while this endpoint is down. */
  readonly isServedWithout: (endpoint: Endpoint) => boolean;
  readonly random: () => number;
}

interface Occasion {
  readonly config: MirrorConfig;
  readonly health: EndpointHealth;
}

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
    { config }: Pick<Occasion, "config">,
    tools: Pick<DeepProbe, "client" | "auth" | "target">,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const mirror = config.mirrors.find(({ endpoint }) => endpoint === tools.target.url);
    const canary = mirror ? await this.#canaries.find(mirror, config, signal) : null;
    if (!mirror || canary === null) return { ok: true };
    const architecture = GO_ARCHITECTURES[arch()] ?? arch();
    const verdict = await probeDeep({ ...tools, canary, architecture }, signal);
    if (verdict.ok) this.#canaries.learn(mirror, canary, { isHeld: true });
    if (verdict.ok || !isUnfit(canary, verdict.reason)) return verdict;
    this.#canaries.learn(mirror, canary, { isHeld: false });
    return { ok: true };
  }
}
