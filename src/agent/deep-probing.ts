// Makes every sixth probe of a mirror a deep one, and those on which a change of its state hangs. Upstreams are
// spared: they are other people's servers, asked only while a mirror fails, and then by every node.

import { arch } from "node:os";
import { isUnfit } from "../core/canary.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { EndpointHealth } from "../core/health.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { DEEP_EVERY, isDeepDue } from "../core/probe-depth.ts";
import type { Verdict } from "../registry/answer-verdict.ts";
import { type DeepProbe, probeDeep } from "../registry/deep-probe.ts";
import { Canaries, type CanariesPorts } from "./canaries.ts";

interface Occasion {
  readonly config: MirrorConfig;
  readonly health: EndpointHealth;
}

const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };

export class DeepProbing {
  readonly #canaries: Canaries;
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #shallowInRow = new Map<string, number>();

  constructor(ports: CanariesPorts & { readonly random: () => number }) {
    this.#canaries = new Canaries(ports);
    this.#nowMs = ports.nowMs;
    this.#random = ports.random;
  }

  /** Whether this probe of an endpoint, which has just answered, must go on; counts those that need not. */
  isDue(endpoint: Endpoint, { config, health }: Occasion): boolean {
    if (endpoint.role === "upstream") return false;
    const shallowInRow = this.#shallowInRow.get(endpoint.url) ?? 0;
    const context = { settings: config.agent.probe, shallowInRow, nowMs: this.#nowMs() };
    const isDue = isDeepDue(health, context);
    const isByCount = shallowInRow >= DEEP_EVERY - 1;
    // A change strikes all nodes at once: from there on they count from different places.
    const begin = isByCount ? 0 : Math.floor(this.#random() * DEEP_EVERY);
    this.#shallowInRow.set(endpoint.url, isDue ? begin : shallowInRow + 1);
    return isDue;
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
