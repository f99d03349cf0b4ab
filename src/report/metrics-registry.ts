// The metrics as prom-client holds and renders them. Decides nothing: what to count and to show is told as values.

import type { Registry as PromRegistry } from "prom-client";
import Counter from "prom-client/lib/counter.js";
import Gauge from "prom-client/lib/gauge.js";
import Histogram from "prom-client/lib/histogram.js";
import Registry from "prom-client/lib/registry.js";
import {
  type CounterName,
  type Increment,
  type Labels,
  METRIC_PREFIX,
  METRICS,
  type Metric,
  type MetricName,
  type Sample,
} from "./metrics-catalogue.ts";

/** Says whether the endpoint or registry of these labels still has series. */
export type Keeps = (labels: Labels) => boolean;

const CATALOGUE = Object.entries(METRICS) as readonly (readonly [MetricName, Metric])[];

export class MetricsRegistry {
  readonly #registry: PromRegistry = new Registry();
  readonly #counters = new Map<CounterName, Counter>();
  readonly #gauges = new Map<MetricName, Gauge>();
  readonly #durations: Histogram;
  /** prom-client does not tell which labels it holds without rendering them. */
  readonly #held = new Map<MetricName, Map<string, Labels>>();

  constructor() {
    let durations: Histogram | null = null;
    for (const [name, metric] of CATALOGUE) {
      const { help, labels } = metric;
      const settings = { name: METRIC_PREFIX + name, help, labelNames: [...labels], registers: [this.#registry] };
      if (metric.type === "counter") this.#counters.set(name as CounterName, new Counter(settings));
      if (metric.type === "gauge") this.#gauges.set(name, new Gauge(settings));
      if (metric.type === "histogram") durations = new Histogram({ ...settings, buckets: [...metric.buckets] });
    }
    if (durations === null) throw new Error("Cannot measure probes: there is no histogram for them");
    this.#durations = durations;
    this.show([]);
  }

  /** The HTTP header for what render() gives. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  add(increments: readonly Increment[]): void {
    for (const { name, labels, by } of increments) {
      this.#counters.get(name)?.inc({ ...labels }, by);
      this.#hold(name, labels);
    }
  }

  observeProbe(labels: Labels, seconds: number): void {
    this.#durations.observe({ ...labels }, seconds);
    this.#hold("probe_duration_seconds", labels);
  }

  /** Shows these gauges and no others. */
  show(samples: readonly Sample[]): void {
    for (const gauge of this.#gauges.values()) {
      gauge.reset();
      gauge.remove({}); // without labels it would now be 0, which says something
    }
    for (const { name, labels, value } of samples) this.#gauges.get(name)?.set({ ...labels }, value);
  }

  /** Drops what counted for endpoints and registries that have left. */
  keepOnly(keeps: Keeps): void {
    for (const [name, held] of this.#held) {
      for (const [key, labels] of held) {
        if (keeps(labels)) continue;
        held.delete(key);
        (name === "probe_duration_seconds" ? this.#durations : this.#counters.get(name as CounterName))?.remove(labels);
      }
    }
  }

  /** Prometheus' text format. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  #hold(name: MetricName, labels: Labels): void {
    const held = this.#held.get(name) ?? new Map<string, Labels>();
    held.set(JSON.stringify(labels), labels);
    this.#held.set(name, held);
  }
}
