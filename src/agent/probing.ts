// Keeps probes going for the endpoints that the agent follows, each with the trust, the proxy and the
// credential that containerd would use there: first whether the server answers, then, where that is due,
// whether it still serves images.

import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import type { EndpointHealth } from "../core/health.ts";
import { nextProbeDelayMs } from "../core/probe-delay.ts";
import type { ProbeResult } from "../core/probe-result.ts";
import type { ProxyEnvironment } from "../core/proxy.ts";
import type { EndpointAuth } from "../registry/endpoint-auth.ts";
import type { HttpClient } from "../registry/http-client.ts";
import { type Authorize, ProbeClient } from "../registry/probe.ts";
import { RequestFailure } from "../registry/request-failure.ts";
import type { Following, ValidConfig } from "./agent-ports.ts";
import { DeepProbing, type DeepProbingPorts } from "./deep-probing.ts";
import { Prober, type ProberTarget } from "./prober.ts";
import { tlsMaterialOf } from "./tls-material-of.ts";

export interface ProbingPorts {
  readonly client: HttpClient;
  readonly authOf: (endpoint: Endpoint) => EndpointAuth;
  readonly healthOf: (endpoint: Endpoint) => EndpointHealth;
  readonly onProbe: (endpoint: Endpoint, result: ProbeResult) => void;
  /** The proxy variables of the running containerd. */
  readonly proxy: () => ProxyEnvironment;
  /** The images that this node has. */
  readonly listImages: DeepProbingPorts["listImages"];
  readonly isServedWithout: DeepProbingPorts["isServedWithout"];
  readonly nowMs: () => number;
}

interface Asked {
  readonly endpoint: Endpoint;
  readonly auth: EndpointAuth;
}

export class Probing {
  readonly #ports: ProbingPorts;
  readonly #deep: DeepProbing;
  readonly #prober: Prober;
  #endpoints: ReadonlyMap<string, Endpoint> = new Map();
  #inForce: ValidConfig | null = null;
  /** By endpointKey: what is to be probed on a new connection. */
  readonly #alarmed = new Set<string>();

  constructor(ports: ProbingPorts) {
    this.#ports = ports;
    this.#deep = new DeepProbing({ ...ports, random: Math.random });
    this.#prober = new Prober({
      probe: (target, signal) => this.#probe(target as ProberTarget, signal),
      onResult: (key, result) => this.#ports.onProbe(this.#endpoint(key), result),
      nextDelayMs: (key) => this.#nextDelayMs(this.#endpoint(key)),
    });
  }

  /** Probes these endpoints from now on, and no others; nothing where no config is in force. */
  follow({ inForce, endpoints }: Following): void {
    this.#inForce = inForce;
    this.#endpoints = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
    this.#prober.setTargets(inForce ? endpoints.map((endpoint) => this.#target(endpoint, inForce)) : []);
  }

  /** Probes a mirror now, on a new connection, and looks behind /v2/. */
  probeDeepSoon(endpoint: Endpoint): void {
    this.#alarmed.add(endpointKey(endpoint));
    this.#deep.demand(endpoint);
    this.#prober.probeSoon(endpointKey(endpoint));
  }

  async close(): Promise<void> {
    await this.#prober.close();
    this.#ports.client.close();
  }

  #target(endpoint: Endpoint, { config, tlsFiles }: ValidConfig): ProberTarget {
    return {
      key: endpointKey(endpoint),
      url: endpoint.url,
      tls: tlsMaterialOf(endpoint.tls, tlsFiles),
      authorization: null,
      timeoutMs: config.agent.probe.timeoutMs,
      intervalMs: config.agent.probe.intervalMs,
      proxy: this.#ports.proxy(),
    };
  }

  // The credential joins at the last moment: a renewed token is no new target.
  async #probe(target: ProberTarget, signal: AbortSignal): Promise<ProbeResult> {
    const endpoint = this.#endpoint(target.key);
    const auth = this.#ports.authOf(endpoint);
    this.#openAnew(endpoint);
    const answered = await this.#probeRoot(target, { endpoint, auth }, signal);
    const config = this.#inForce?.config;
    if (!answered.ok || !config) return answered;
    if (endpoint.role === "upstream") return { ...answered, isDeep: true };
    const occasion = { config, health: this.#ports.healthOf(endpoint) };
    if (!this.#deep.isDue(endpoint, occasion)) return answered;
    const finding = await this.#deep.probe(endpoint, occasion, { client: this.#ports.client, auth, target }, signal);
    return { ...answered, ...finding };
  }

  // A pull opens connections of its own, and what fails for new ones alone is not seen on one that is kept.
  #openAnew(endpoint: Endpoint): void {
    const { state, streak } = this.#ports.healthOf(endpoint);
    const isAlarmed = this.#alarmed.delete(endpointKey(endpoint));
    if (isAlarmed || state !== "up" || streak > 0) this.#ports.client.endIdle(new URL(endpoint.url));
  }

  #probeRoot(target: ProberTarget, { endpoint, auth }: Asked, signal: AbortSignal): Promise<ProbeResult> {
    const authorization = auth.current()?.reveal() ?? null;
    const authorize: Authorize = async ({ target: { authorization: sent } }, stop) => {
      const asked = auth.authorize({ rejected: sent !== null, scopes: [], timeoutMs: target.timeoutMs }, stop);
      const header = await (endpoint.role === "upstream" ? asked.catch(goOnWithoutCredential) : asked);
      return header?.reveal() ?? null;
    };
    return new ProbeClient({ client: this.#ports.client, authorize }).probe({ ...target, authorization }, signal);
  }

  #nextDelayMs(endpoint: Endpoint): number {
    const settings = this.#inForce?.config.agent.probe;
    if (!settings) throw new Error("Cannot plan a probe: no config is in force");
    const gentle = endpoint.role === "upstream";
    return nextProbeDelayMs(this.#ports.healthOf(endpoint), settings, { random: Math.random, gentle });
  }

  #endpoint(key: string): Endpoint {
    const endpoint = this.#endpoints.get(key);
    if (!endpoint) throw new Error(`Cannot find endpoint "${key}": it is not followed`);
    return endpoint;
  }
}

// A mirror is there for its credential's sake. An upstream that does not take ours still serves what is public, and
// pods with secrets of their own: too much to leave pulls at a mirror that hangs.
function goOnWithoutCredential(error: unknown): null {
  if (error instanceof RequestFailure && error.reason === "unauthorized") return null;
  throw error;
}
