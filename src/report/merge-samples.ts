// Where several endpoints or registries share one series, the one that needs attention stands for all.

import { METRICS, type Sample } from "./metrics-catalogue.ts";

/** One sample for each gauge and set of labels. */
export function mergeSamples(samples: readonly Sample[]): Sample[] {
  const merged = new Map<string, Sample>();
  for (const sample of samples) {
    const key = `${sample.name} ${JSON.stringify(sample.labels)}`;
    const other = merged.get(key);
    merged.set(key, other === undefined ? sample : { ...sample, value: merge(sample, other.value) });
  }
  return [...merged.values()];
}

function merge({ name, value }: Sample, other: number): number {
  return METRICS[name].merge === "least" ? Math.min(value, other) : Math.max(value, other);
}
