// Many nodes that probe one mirror and pull through it, with the agent's own rules for when to probe, what a probe
// means and when routes follow. Not simulated: the network, and servers that get slower under load.

import { type EndpointHealth, foldProbe, unknownHealth } from "../../src/core/health.ts";
import type { AgentSettings } from "../../src/core/mirror-config.ts";
import { passDelayMs } from "../../src/core/pass-delay.ts";
import { nextProbeDelayMs } from "../../src/core/probe-delay.ts";
import { type DepthState, decideDepth } from "../../src/core/probe-depth.ts";
import type { ProbeResult } from "../../src/core/probe-result.ts";
import { Clock, randomFrom } from "./clock.ts";

/** "hangs": nothing is answered any more. "hollow": /v2/ and manifests are, blobs are not. */
export type Fault = "hangs" | "hollow";

export interface FleetOptions {
  readonly nodes: number;
  readonly settings: AgentSettings;
  readonly fault: Fault;
  readonly faultAtMs: number;
  readonly recoveryAtMs: number;
  readonly endMs: number;
  /** Of one node, between two pulls. */
  readonly pullEveryMs: number;
  readonly seed: number;
}

/** Requests in each second. */
export interface Load {
  readonly mirror: number[];
  readonly upstream: number[];
}

export interface FleetResult extends Load {
  /** From the fault to each node's failover, in order. */
  readonly failoversMs: readonly number[];
  /** From the recovery to each node's failback, in order. */
  readonly failbacksMs: readonly number[];
}

/** HEAD and GET of an index, a manifest, a config and two layers. */
const REQUESTS_OF_PULL = 6;
/** Index, manifest, a small blob and the beginning of a large one. */
const REQUESTS_OF_DEEP = 4;
const ANSWER_MS = 5;

/** Lets a fleet run through a fault and its end. */
export function simulateFleet(options: FleetOptions): FleetResult {
  const clock = new Clock();
  const random = randomFrom(options.seed);
  const seconds = Math.ceil(options.endMs / 1000);
  const load: Load = { mirror: Array(seconds).fill(0), upstream: Array(seconds).fill(0) };
  const moves: { failoversMs: number[]; failbacksMs: number[] } = { failoversMs: [], failbacksMs: [] };
  for (let index = 0; index < options.nodes; index += 1) new Node({ options, clock, random, load, moves }).start();
  clock.runUntil(options.endMs);
  const byTime = (a: number, b: number) => a - b;
  return { ...load, failoversMs: moves.failoversMs.sort(byTime), failbacksMs: moves.failbacksMs.sort(byTime) };
}

interface World {
  readonly options: FleetOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly load: Load;
  readonly moves: { readonly failoversMs: number[]; readonly failbacksMs: number[] };
}

class Node {
  readonly #world: World;
  #mirror: EndpointHealth = { ...unknownHealth(0), state: "up" };
  #upstream: EndpointHealth = unknownHealth(0);
  #isUpstreamProbed = false;
  #isOut = false;
  #depth: DepthState;
  #passAtMs = Number.POSITIVE_INFINITY;
  #waitingPulls = 0;

  constructor(world: World) {
    this.#world = world;
    this.#depth = { shallowInRow: Math.floor(world.random() * 6), failbackAtMs: null };
  }

  // The nodes of a fleet were started at any time.
  start(): void {
    const { clock, options, random } = this.#world;
    clock.in(random() * options.settings.probe.intervalMs, () => this.#probeMirror());
    clock.in(this.#untilPull(), () => this.#pull());
  }

  get #fault(): Fault | null {
    const { clock, options } = this.#world;
    return clock.nowMs >= options.faultAtMs && clock.nowMs < options.recoveryAtMs ? options.fault : null;
  }

  #probeMirror(): void {
    const { clock, options, random } = this.#world;
    const startMs = clock.nowMs;
    const { result, tookMs } = this.#measure();
    clock.in(tookMs, () => {
      this.#fold(result);
      const delayMs = nextProbeDelayMs(this.#mirror, options.settings.probe, { random, gentle: false });
      clock.at(Math.max(clock.nowMs, startMs + delayMs), () => this.#probeMirror());
    });
  }

  #measure(): { result: ProbeResult; tookMs: number } {
    const { options, clock, random } = this.#world;
    const { probe, jitter } = options.settings;
    this.#count("mirror", 1);
    if (this.#fault === "hangs") return { result: BAD, tookMs: probe.timeoutMs };
    const isServed = this.#upstream.state === "up";
    const context = { settings: probe, jitter, isServed, random, nowMs: clock.nowMs };
    const { isDeep, next } = decideDepth(this.#depth, this.#mirror, context);
    this.#depth = next;
    if (!isDeep) return { result: good(false), tookMs: ANSWER_MS };
    this.#count("mirror", REQUESTS_OF_DEEP);
    if (this.#fault === "hollow") return { result: BAD, tookMs: probe.timeoutMs };
    return { result: good(true), tookMs: (1 + REQUESTS_OF_DEEP) * ANSWER_MS };
  }

  #fold(result: ProbeResult): void {
    const { clock, options } = this.#world;
    const before = this.#mirror;
    this.#mirror = foldProbe(before, result, { settings: options.settings.probe, nowMs: clock.nowMs });
    this.#follow("mirror", before, this.#mirror);
    if (this.#isInDoubt && !this.#isUpstreamProbed) this.#probeUpstream();
    this.#isUpstreamProbed = this.#isInDoubt;
  }

  get #isInDoubt(): boolean {
    return this.#mirror.state !== "up" || this.#mirror.streak > 0 || this.#isOut;
  }

  #probeUpstream(): void {
    const { clock, options, random } = this.#world;
    this.#count("upstream", 1);
    clock.in(ANSWER_MS, () => {
      if (!this.#isInDoubt) this.#upstream = unknownHealth(clock.nowMs);
      if (!this.#isInDoubt) return;
      const before = this.#upstream;
      this.#upstream = foldProbe(before, good(true), { settings: options.settings.probe, nowMs: clock.nowMs });
      this.#follow("upstream", before, this.#upstream);
      const delayMs = nextProbeDelayMs(this.#upstream, options.settings.probe, { random, gentle: true });
      clock.in(delayMs, () => (this.#isInDoubt ? this.#probeUpstream() : undefined));
    });
  }

  #follow(role: "mirror" | "upstream", before: EndpointHealth, after: EndpointHealth): void {
    if (before.state === after.state) return;
    const { clock, options, random } = this.#world;
    const { jitter } = options.settings;
    const atMs = clock.nowMs + passDelayMs({ endpoint: { role }, after }, { jitter, random, pullsHang: false });
    this.#passAtMs = Math.min(this.#passAtMs, atMs);
    clock.at(atMs, () => (clock.nowMs >= this.#passAtMs ? this.#pass() : undefined));
  }

  #pass(): void {
    const { clock, options, moves } = this.#world;
    this.#passAtMs = Number.POSITIVE_INFINITY;
    const isOut = this.#mirror.state === "down" && this.#upstream.state === "up";
    if (isOut === this.#isOut) return;
    this.#isOut = isOut;
    if (isOut) moves.failoversMs.push(clock.nowMs - options.faultAtMs);
    else moves.failbacksMs.push(clock.nowMs - options.recoveryAtMs);
    this.#count(isOut ? "upstream" : "mirror", this.#waitingPulls * REQUESTS_OF_PULL);
    this.#waitingPulls = 0;
  }

  // A pull that hangs is freed as soon as the routes have changed.
  #pull(): void {
    if (!this.#isOut && this.#fault !== null) this.#waitingPulls += 1;
    else this.#count(this.#isOut ? "upstream" : "mirror", REQUESTS_OF_PULL);
    this.#world.clock.in(this.#untilPull(), () => this.#pull());
  }

  #untilPull(): number {
    return -Math.log(1 - this.#world.random()) * this.#world.options.pullEveryMs;
  }

  #count(server: keyof Load, requests: number): void {
    const second = Math.floor(this.#world.clock.nowMs / 1000);
    const counts = this.#world.load[server];
    if (second < counts.length) counts[second] = (counts[second] ?? 0) + requests;
  }
}

const MEASURED = { latencyMs: ANSWER_MS, certificateExpiresAtMs: null };
const BAD: ProbeResult = { ...MEASURED, ok: false, reason: "response-timeout", detail: "simulated" };

function good(isDeep: boolean): ProbeResult {
  return { ...MEASURED, ok: true, isDeep };
}
