// Counts what happens and shows it where the config says. Loaded only where metrics are asked for: see metrics.ts.

import { versions } from "node:process";
import type { Endpoint } from "../core/endpoint.ts";
import { type Failovers, foldFailovers } from "../core/failover-time.ts";
import type { MetricsSettings } from "../core/mirror-config.ts";
import type { ProbeResult } from "../core/probe-result.ts";
import type { Event } from "../report/events.ts";
import { mergeSamples } from "../report/merge-samples.ts";
import type { Labels } from "../report/metrics-catalogue.ts";
import { countEvent, zeroCounts } from "../report/metrics-counts.ts";
import { MetricsRegistry } from "../report/metrics-registry.ts";
import { compileScope, type MetricsScope, NO_SCOPE } from "../report/metrics-scope.ts";
import type { AgentView } from "./agent-ports.ts";
import { MetricsListener } from "./metrics-listener.ts";
import { compileSamples } from "./metrics-samples.ts";
import { MetricsTextfile } from "./metrics-textfile.ts";
import { Paced } from "./paced.ts";

export interface MetricsPorts {
  readonly version: string;
  readonly emit: (event: Event) => void;
  readonly nowMs: () => number;
}

/** Nobody scrapes more often than that; node-exporter is asked every 15 s or less often. */
const WRITE_INTERVAL_MS = 10_000;

export class MetricsRecorder {
  readonly #ports: MetricsPorts;
  readonly #startedAtMs: number;
  readonly #registry = new MetricsRegistry();
  readonly #textfile: MetricsTextfile;
  readonly #listener: MetricsListener;
  readonly #writes = new Paced<null>(WRITE_INTERVAL_MS, () => void this.#textfile.write(() => this.#render()));
  #view: AgentView | null = null;
  #scope: MetricsScope = NO_SCOPE;
  #failovers: Failovers = new Map();

  constructor(ports: MetricsPorts, startedAtMs: number) {
    this.#ports = ports;
    this.#startedAtMs = startedAtMs;
    this.#textfile = new MetricsTextfile(ports.emit);
    const readPage = async () => ({ contentType: this.#registry.contentType, text: await this.#render() });
    this.#listener = new MetricsListener({ readPage, emit: ports.emit });
  }

  /** Shows metrics there, and nowhere else. */
  async follow({ textfile, listen }: MetricsSettings): Promise<void> {
    await Promise.all([this.#textfile.follow(textfile), this.#listener.follow(listen)]);
    this.#writes.call(null);
  }

  event(event: Event): void {
    this.#registry.add(countEvent(event, this.#scope));
    this.#writes.call(null);
  }

  probe(endpoint: Endpoint, result: ProbeResult): void {
    const labels = this.#scope.endpointLabels(endpoint);
    if (labels === null) return;
    this.#registry.observeProbe(labels, result.latencyMs / 1000);
    if (result.ok) return;
    this.#registry.add([{ name: "probes_failed_total", labels: { ...labels, reason: result.reason }, by: 1 }]);
  }

  see(view: AgentView): void {
    if (view.decisions !== this.#view?.decisions) this.#setScope(view);
    this.#view = view;
    this.#countFailovers();
    this.#writes.call(null);
  }

  /** Writes what is not yet written, and stops serving. */
  async close(): Promise<void> {
    this.#writes.close();
    await Promise.all([this.#textfile.close(), this.#listener.close()]);
  }

  #setScope(view: AgentView): void {
    this.#scope = compileScope(view.decisions);
    const { endpoints, registries, endpointLabels, registryLabels } = this.#scope;
    const kept = new Set([NODE, ...endpoints.map(endpointLabels), ...registries.map(registryLabels)].map(keyOf));
    this.#registry.keepOnly((labels) => kept.has(keyOf(labels)));
    this.#registry.add(zeroCounts(this.#scope));
  }

  #countFailovers(): void {
    const { failovers, begun, secondsMore } = foldFailovers(
      this.#failovers,
      this.#view?.decisions ?? [],
      performance.now(),
    );
    this.#failovers = failovers;
    for (const registry of begun) this.#add("failovers_total", registry, 1);
    for (const [registry, seconds] of secondsMore) this.#add("failed_over_seconds_total", registry, seconds);
  }

  #add(name: "failovers_total" | "failed_over_seconds_total", registry: string, by: number): void {
    const labels = this.#scope.registryLabels(registry);
    if (labels !== null) this.#registry.add([{ name, labels, by }]);
  }

  async #render(): Promise<string> {
    this.#countFailovers();
    if (this.#view) {
      const facts = { version: this.#ports.version, nodeVersion: versions.node, startedAtMs: this.#startedAtMs };
      this.#registry.show(mergeSamples(compileSamples(this.#view, this.#scope, facts)));
    }
    return this.#registry.render();
  }
}

/** The labels of what counts for the node itself. */
const NODE: Labels = {};

/** Whose a metric is, by its labels. */
function keyOf(labels: Labels | null): string {
  return JSON.stringify([labels?.endpoint ?? null, labels?.role ?? null, labels?.registry ?? null]);
}
