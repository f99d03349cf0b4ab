// Metrics as the daemon sees them: told everything, and nothing at all where nobody asked for metrics. prom-client,
// node:http's server and all that counts are loaded with the first config that wants them.

import { isDeepStrictEqual } from "node:util";
import type { Endpoint } from "../core/endpoint.ts";
import type { MetricsSettings } from "../core/mirror-config.ts";
import type { ProbeResult } from "../core/probe-result.ts";
import type { Event } from "../report/events.ts";
import type { AgentView } from "./agent-ports.ts";
import type { MetricsPorts, MetricsRecorder } from "./metrics-recorder.ts";

const NOWHERE: MetricsSettings = { textfile: null, listen: null };

type Note = (recorder: MetricsRecorder) => void;

export class Metrics {
  readonly #ports: MetricsPorts;
  readonly #startedAtMs: number;
  #settings = NOWHERE;
  #recorder: MetricsRecorder | null = null;
  /** What happens while the recorder is being loaded; null when it is not. */
  #waiting: Note[] | null = null;
  #turn: Promise<void> = Promise.resolve();

  constructor(ports: MetricsPorts) {
    this.#ports = ports;
    this.#startedAtMs = ports.nowMs();
  }

  /** Shows metrics there from now on; counting begins, and ends, with it. */
  follow(settings: MetricsSettings = NOWHERE): void {
    if (isDeepStrictEqual(settings, this.#settings)) return;
    this.#settings = settings;
    if (isWanted(settings) && this.#recorder === null) this.#waiting ??= [];
    this.#turn = this.#turn.then(() => this.#move(settings)).catch((error) => this.#giveUp(error));
  }

  event(event: Event): void {
    this.#note((recorder) => recorder.event(event));
  }

  probe(endpoint: Endpoint, result: ProbeResult): void {
    this.#note((recorder) => recorder.probe(endpoint, result));
  }

  see(view: AgentView): void {
    this.#note((recorder) => recorder.see(view));
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#recorder?.close();
  }

  #note(note: Note): void {
    if (this.#recorder !== null) note(this.#recorder);
    else this.#waiting?.push(note);
  }

  async #move(settings: MetricsSettings): Promise<void> {
    if (isWanted(settings)) {
      this.#recorder ??= await this.#load();
      return this.#recorder.follow(settings);
    }
    const recorder = this.#recorder;
    this.#recorder = null;
    this.#waiting = isWanted(this.#settings) ? [] : null; // wanted again meanwhile
    await recorder?.follow(NOWHERE);
    await recorder?.close();
  }

  async #load(): Promise<MetricsRecorder> {
    const { MetricsRecorder } = await import("./metrics-recorder.ts");
    const recorder = new MetricsRecorder(this.#ports, this.#startedAtMs);
    for (const note of this.#waiting ?? []) note(recorder);
    this.#waiting = null;
    return recorder;
  }

  // Whatever is wrong with metrics, pulls matter more. The next pass tries again.
  #giveUp(error: Error): void {
    this.#settings = NOWHERE;
    this.#waiting = null;
    this.#ports.emit({ kind: "metricsImpaired", message: `Cannot show metrics: ${error.message}` });
  }
}

function isWanted({ textfile, listen }: MetricsSettings): boolean {
  return textfile !== null || listen !== null;
}
