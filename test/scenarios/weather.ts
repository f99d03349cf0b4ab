// Hours in moments: an agent on a node in memory whose mirror and upstream have weather, probed as the daemon probes
// them, on a clock that jumps from one event to the next.

import type { Agent } from "../../src/agent/agent.ts";
import { type Endpoint, endpointKey } from "../../src/core/endpoint.ts";
import { nextProbeDelayMs } from "../../src/core/probe-delay.ts";
import { type DepthState, decideDepth, FIRST_DEPTH } from "../../src/core/probe-depth.ts";
import type { MemoryNode } from "./memory-node.ts";

/** "hollow": it answers, but serves no images. */
export type Weather = "fair" | "dead" | "hollow";

export interface WeatherOptions {
  readonly node: MemoryNode;
  readonly random: () => number;
  /** Of one endpoint at one moment. */
  readonly weather: (endpoint: Endpoint, nowMs: number) => Weather;
}

/** What the routes of a node were, whenever they changed. */
export interface RouteChange {
  readonly atMs: number;
  readonly hostsToml: string;
}

export class WeatherStation {
  readonly #options: WeatherOptions;
  readonly #agent: Agent;
  readonly #depths = new Map<string, DepthState>();
  #nextProbeMs = new Map<string, number>();
  #passAtMs = Number.POSITIVE_INFINITY;
  #passesAsked = 0;
  readonly changes: RouteChange[] = [];

  constructor(options: WeatherOptions) {
    this.#options = options;
    options.node.random = options.random;
    this.#agent = options.node.start();
  }

  /** Lets time pass, pass by pass and probe by probe. */
  async run(durationMs: number): Promise<void> {
    const { node } = this.#options;
    const endMs = node.nowMs + durationMs;
    if (node.view === null) await this.#pass();
    for (;;) {
      const [probeAtMs, endpoint] = this.#earliestProbe();
      const atMs = Math.min(probeAtMs, this.#passAtMs, endMs);
      node.nowMs = atMs;
      if (atMs === endMs) return;
      if (atMs === this.#passAtMs) await this.#pass();
      else if (endpoint) this.#probe(endpoint);
    }
  }

  async #pass(): Promise<void> {
    const { node } = this.#options;
    this.#passAtMs = Number.POSITIVE_INFINITY;
    await this.#agent.pass();
    const hostsToml = node.hostsToml("gcr.io") ?? "";
    if (hostsToml !== this.changes.at(-1)?.hostsToml) this.changes.push({ atMs: node.nowMs, hostsToml });
  }

  #earliestProbe(): [number, Endpoint | null] {
    const { node } = this.#options;
    const due = node.following.endpoints.map((endpoint) => {
      const key = endpointKey(endpoint);
      return [this.#nextProbeMs.get(key) ?? node.nowMs, endpoint] as [number, Endpoint];
    });
    const keys = new Set(node.following.endpoints.map(endpointKey));
    this.#nextProbeMs = new Map([...this.#nextProbeMs].filter(([key]) => keys.has(key)));
    return due.sort(([a], [b]) => a - b)[0] ?? [Number.POSITIVE_INFINITY, null];
  }

  #probe(endpoint: Endpoint): void {
    const { node, random, weather } = this.#options;
    const config = node.view?.inForce?.config;
    if (!config || !node.view) throw new Error("Cannot probe: no config is in force");
    const sky = weather(endpoint, node.nowMs);
    const isDeep = sky !== "dead" && this.#isDeep(endpoint);
    const isBad = sky === "dead" || (sky === "hollow" && isDeep);
    node.probe(this.#agent, endpoint.url, isBad ? "response-timeout" : null, { isDeep });
    const gentle = endpoint.role === "upstream";
    const delayMs = nextProbeDelayMs(node.view.health.of(endpoint), config.agent.probe, { random, gentle });
    this.#nextProbeMs.set(endpointKey(endpoint), node.nowMs + delayMs);
    if (node.passesAsked > this.#passesAsked) this.#passAtMs = Math.min(this.#passAtMs, node.nowMs + node.passWithinMs);
    this.#passesAsked = node.passesAsked;
  }

  #isDeep(endpoint: Endpoint): boolean {
    const { node, random } = this.#options;
    const config = node.view?.inForce?.config;
    if (endpoint.role === "upstream" || !config || !node.view) return true;
    const { isDeep, next } = decideDepth(this.#depths.get(endpoint.url) ?? FIRST_DEPTH, node.view.health.of(endpoint), {
      settings: config.agent.probe,
      jitter: config.agent.jitter,
      isServed: this.#agent.isServedWithout(endpoint),
      random,
      nowMs: node.nowMs,
    });
    this.#depths.set(endpoint.url, next);
    return isDeep;
  }
}
