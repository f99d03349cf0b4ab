// What is known of every endpoint, and which mirrors are left out of routes because of it.

import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import { type EndpointHealth, type FoldContext, foldProbe, shiftHealth, unknownHealth } from "../core/health.ts";
import { transitionOf } from "../core/health-transition.ts";
import type { ProbeResult } from "../core/probe-result.ts";
import { foldTransition, type RecentTransition } from "../core/recent-transitions.ts";
import type { RouteDecision } from "../core/routes.ts";
import type { KnownHealth } from "../node/state.ts";

export interface HealthChange {
  readonly endpoint: Endpoint;
  readonly before: EndpointHealth;
  readonly after: EndpointHealth;
}

/** A mirror at which one pull hung may let the next hang as well. */
const QUESTIONED_MS = 5 * 60_000;

export class HealthTable {
  readonly #health = new Map<string, EndpointHealth>();
  #startedAtMs: number;
  #out: KnownHealth["out"];
  #recent: readonly RecentTransition[];
  /** When pulls were last seen to hang at a mirror that answers, by endpointKey. */
  readonly #questionedAtMs = new Map<string, number>();

  /**
   * Goes on from what was known. Only "down" is still believed: "up" is a proof that has to be fresh, and so is a row
   * of good probes: nobody looked while the agent did not run.
   */
  constructor(known: KnownHealth, nowMs: number) {
    this.#startedAtMs = nowMs;
    this.#out = known.out;
    this.#recent = Array.isArray(known.recent) ? known.recent : [];
    for (const [key, health] of Object.entries(known.endpoints)) {
      // What an earlier version did not know is not known.
      const whole = notAfter({ ...unknownHealth(nowMs), ...health, streak: 0, goodSinceMs: null }, nowMs);
      this.#health.set(key, health.state === "up" ? { ...whole, state: "unknown", sinceMs: nowMs } : whole);
    }
  }

  /** The mirrors left out of routes: endpointKeys, by registry. */
  get out(): KnownHealth["out"] {
    return this.#out;
  }

  /** The last transitions, the newest first, also of endpoints that are not followed any more. */
  get recent(): readonly RecentTransition[] {
    return this.#recent;
  }

  readonly of = (endpoint: Endpoint): EndpointHealth =>
    this.#health.get(endpointKey(endpoint)) ?? unknownHealth(this.#startedAtMs);

  readonly stateOf = (endpoint: Endpoint): EndpointHealth["state"] => this.of(endpoint).state;

  /** Pulls hang there, whatever its probes say. `steadyMs`: monotonic. */
  question(mirror: Endpoint, steadyMs: number): void {
    this.#questionedAtMs.set(endpointKey(mirror), steadyMs);
  }

  /** Whether a mirror is not known to be well right now, or pulls do not go there yet: another way is needed. */
  isInDoubt(mirror: Endpoint, steadyMs: number): boolean {
    const { state, streak } = this.of(mirror);
    const questionedAtMs = this.#questionedAtMs.get(endpointKey(mirror)) ?? Number.NEGATIVE_INFINITY;
    return state !== "up" || streak > 0 || steadyMs - questionedAtMs < QUESTIONED_MS || this.#isOut(mirror);
  }

  #isOut(endpoint: Endpoint): boolean {
    return Object.values(this.#out).some((keys) => keys.includes(endpointKey(endpoint)));
  }

  /** Adds one probe's result. */
  fold(endpoint: Endpoint, result: ProbeResult, context: FoldContext): HealthChange {
    const before = this.of(endpoint);
    const after = foldProbe(before, result, context);
    this.#health.set(endpointKey(endpoint), after);
    if (before.state !== after.state)
      this.#recent = foldTransition(this.#recent, endpoint, transitionOf(before, after));
    return { endpoint, before, after };
  }

  /** The clock was set by so much: what has happened meanwhile did not happen years ago. */
  shift(byMs: number): void {
    if (byMs === 0) return;
    for (const [key, health] of this.#health) this.#health.set(key, shiftHealth(health, byMs, this.#startedAtMs));
    this.#recent = this.#recent.map((each) =>
      each.atMs >= this.#startedAtMs ? { ...each, atMs: each.atMs + byMs } : each,
    );
    this.#startedAtMs += byMs;
  }

  /** Forgets every endpoint but these: what is not probed is not known. */
  keepOnly(endpoints: readonly Endpoint[]): void {
    const keys = new Set(endpoints.map(endpointKey));
    for (const key of this.#health.keys()) if (!keys.has(key)) this.#health.delete(key);
  }

  /** Remembers which mirrors the routes leave out; says whether that is news. */
  setOut(decisions: readonly RouteDecision[]): boolean {
    const left = decisions.filter(({ out }) => out.length > 0);
    const out = Object.fromEntries(left.map(({ route, out }) => [route.registry, out.map(endpointKey)]));
    const isNews = JSON.stringify(out) !== JSON.stringify(this.#out);
    this.#out = out;
    return isNews;
  }

  known(): KnownHealth {
    return { endpoints: Object.fromEntries(this.#health), out: this.#out, recent: this.#recent };
  }
}

// A node may boot with its clock in the past, before anything that is remembered.
function notAfter(health: EndpointHealth, nowMs: number): EndpointHealth {
  const { sinceMs, recoveredAtMs } = health;
  return {
    ...health,
    sinceMs: Math.min(sinceMs, nowMs),
    recoveredAtMs: recoveredAtMs === null ? null : Math.min(recoveredAtMs, nowMs),
  };
}
