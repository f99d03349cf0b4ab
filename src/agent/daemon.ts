// The agent's life: watches, probes and passes until it is closed. Nothing here is in the data path:
// when it ends, by whatever cause, pulls go on with the files that it last wrote.

import { setTimeout as delay } from "node:timers/promises";
import { MAX_SPREAD_MS } from "../node/restart.ts";
import type { SdNotify } from "../node/sd-notify.ts";
import { writeHealth, writeLastGood } from "../node/state.ts";
import { FileWatch } from "../node/watch.ts";
import type { Event } from "../report/events.ts";
import type { Log } from "../report/log.ts";
import { type Status, summarise } from "../report/status.ts";
import { Agent } from "./agent.ts";
import type { AgentPorts, AgentView, Following } from "./agent-ports.ts";
import { compileStatus } from "./compile-status.ts";
import type { Host } from "./host.ts";
import { type LoadedConfig, loadLastGood } from "./load-config.ts";
import { Metrics } from "./metrics.ts";
import { openPullCare, type PullCare } from "./open-free-pulls.ts";
import { Paced } from "./paced.ts";
import { PassLoop } from "./pass-loop.ts";
import { Probing } from "./probing.ts";
import { StatusFile } from "./status-file.ts";
import { takeOver } from "./take-over.ts";
import { TakeoverTask } from "./takeover-task.ts";

export interface DaemonOptions {
  readonly root: string;
  readonly configFile: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly version: string;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
}

const SAFETY_INTERVAL_MS = 60_000;
const RETRY_MS = 1000;
/** How long systemd waits for the first pass at most: what hangs must not have us killed (TimeoutStartSec=). */
const FIRST_PASS_MS = 8000;
/** How long a containerd that is to start after us then waits for its configuration at most. */
const START_WAIT_MS = 8000;
/** How often at most all endpoints are gone through because of probes. */
const PACE_MS = 100;

export interface DaemonParts {
  readonly host: Host;
  readonly service: SdNotify;
  readonly known: Parameters<typeof writeHealth>[1];
}

export class Daemon {
  readonly #options: DaemonOptions;
  readonly #host: Host;
  readonly #service: SdNotify;
  readonly #agent: Agent;
  readonly #loop: PassLoop;
  readonly #probing: Probing;
  readonly #pulls: PullCare;
  readonly #takeover: TakeoverTask;
  readonly #status: StatusFile;
  readonly #metrics: Metrics;
  readonly #views = new Paced<AgentView>(PACE_MS, (view) => this.#publish(view));
  readonly #probed = new Paced<null>(PACE_MS, () => this.#host.noticeAnswers());
  readonly #watch: FileWatch;
  #watched = "";
  #watchedNode = "";

  constructor(options: DaemonOptions, { host, service, known }: DaemonParts) {
    this.#options = options;
    this.#host = host;
    this.#service = service;
    this.#status = new StatusFile(host.paths.status);
    this.#metrics = new Metrics({ ...options, emit: (event) => this.#emit(event) });
    this.#watch = new FileWatch({
      onChange: () => this.#loop.requestForChange(),
      onProblem: ({ message }) => this.#emit({ kind: "watchImpaired", message }),
    });
    this.#agent = new Agent(this.#ports(), known);
    this.#loop = new PassLoop(() => this.#pass(), {
      intervalMs: Math.min(SAFETY_INTERVAL_MS, service.watchdogIntervalMs ?? SAFETY_INTERVAL_MS),
      retryMs: RETRY_MS,
      onFailure: (error, retryInMs) => this.#onFailure(error, retryInMs),
    });
    this.#pulls = openPullCare({
      host,
      view: () => this.#agent.view,
      probeDeepSoon: (endpoint) => this.#probing.probeDeepSoon(endpoint),
      proveOtherWay: (endpoint) => this.#agent.proveOtherWay(endpoint),
      drawSpreadMs: () => this.#drawSpreadMs(),
      emit: (event) => this.#emit(event),
    });
    this.#takeover = new TakeoverTask({
      takeOver: (config, stop) => takeOver(host, config, { spreadMs: this.#drawSpreadMs() }, stop),
      emit: (event) => this.#emit(event),
      requestPass: () => this.requestPass(),
      isOurFault,
      nowMs: () => performance.now(),
    });
    this.#probing = new Probing({
      client: host.client,
      authOf: (endpoint) => host.credentials.authOf(endpoint),
      healthOf: (endpoint) => this.#agent.view.health.of(endpoint),
      onProbe: (endpoint, result) => {
        this.#agent.onProbe(endpoint, result);
        this.#metrics.probe(endpoint, result);
        this.#probed.call(null);
      },
      proxy: host.proxy,
      listImages: (config, stop) => host.listImages(config, stop),
      isServedWithout: (endpoint) => this.#agent.isServedWithout(endpoint),
      nowMs: options.nowMs,
    });
  }

  /** Passes and probes until the signal; rejects when the program itself is at fault. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const ends = [stopped, this.#loop.failed, this.#takeover.failed];
    await Promise.race([this.#loop.request(), delay(FIRST_PASS_MS, null, { ref: false }), ...ends]);
    if (signal.aborted) return;
    // At a boot containerd starts as soon as we are ready, and reads its configuration once.
    await Promise.race([this.#takeover.untilStartable(), delay(START_WAIT_MS, null, { ref: false }), ...ends]);
    if (signal.aborted) return;
    this.#service.ready(this.#summary());
    await Promise.race(ends);
  }

  requestPass(): void {
    void this.#loop.request();
  }

  async reload(): Promise<void> {
    this.#service.reloading();
    this.#emit({ kind: "reloadAsked" });
    this.#agent.forgetFights();
    this.#takeover.forget();
    await this.#loop.request();
    this.#service.ready(this.#summary());
  }

  async close(): Promise<void> {
    this.#service.stopping();
    this.#views.close();
    this.#probed.close();
    this.#host.close();
    await Promise.all([
      this.#watch.close(),
      this.#probing.close(),
      this.#loop.close(),
      this.#pulls.close(),
      this.#takeover.close(),
    ]);
    await Promise.all([this.#status.close(), this.#metrics.close()]);
  }

  // Files first: containerd starts with them. Where they are is known once containerd was asked: then they are watched.
  async #pass(): Promise<void> {
    await this.#agent.pass();
    const { inForce, node } = this.#agent.view;
    if (inForce && node) this.#takeover.consider(inForce.config, node.takeover);
    if (inForce && JSON.stringify(this.#host.placesToWatch(inForce.config)) !== this.#watchedNode) this.requestPass();
    void this.#host.askRegistries();
    this.#service.watchdog();
  }

  #ports(): AgentPorts {
    const { paths } = this.#host;
    return {
      configPath: paths.config,
      loadConfig: () => this.#loadConfig(),
      loadLastGood: () => loadLastGood(paths.stateDir),
      saveLastGood: (lastGood) => writeLastGood(paths.stateDir, lastGood),
      saveHealth: (known) => writeHealth(paths.stateDir, known),
      readCredentials: (valid) => this.#host.readCredentials(valid),
      observe: (config) => this.#host.observe(config),
      perform: (actions, config) => this.#host.perform(actions, config),
      underLock: (work) => this.#host.underLock(work),
      follow: (following) => this.#follow(following),
      emit: (event) => this.#emit(event),
      publish: (view) => this.#views.call(view),
      pullsHang: () => this.#pulls.pullsHang(),
      requestPass: (withinMs) => this.#loop.requestWithin(withinMs),
      random: Math.random,
      nowMs: this.#options.nowMs,
      steadyMs: () => performance.now(),
    };
  }

  // What changed between reading a file and watching it would go unseen: what is newly watched is read again.
  async #loadConfig(): Promise<LoadedConfig> {
    const loaded = await this.#host.loadConfig();
    const { inForce } = this.#agent.view;
    const config = loaded.config ?? inForce?.config;
    this.#metrics.follow(config?.agent.metrics);
    const node = config ? this.#host.placesToWatch(config) : { files: [], folders: [] };
    this.#watchedNode = JSON.stringify(node);
    const names = [...loaded.names, ...(loaded.config ? [] : (inForce?.names ?? []))];
    const watched = { ...node, files: [this.#host.paths.config, ...names, ...node.files] };
    if (JSON.stringify(watched) === this.#watched) return loaded;
    this.#watched = JSON.stringify(watched);
    this.#watch.setPaths(watched);
    return this.#host.loadConfig();
  }

  #follow(following: Following): void {
    if (following.inForce) this.#options.log.setLevel(following.inForce.config.agent.logLevel);
    this.#probing.follow(following);
  }

  #publish(view: AgentView): void {
    this.#metrics.see(view);
    this.#pulls.follow(view);
    const status = this.#compileStatus(view);
    if (this.#status.publish(status)) this.#service.status(summarise(status));
  }

  #emit(event: Event): void {
    this.#options.log.event(event);
    this.#metrics.event(event);
  }

  #summary(): string {
    return summarise(this.#compileStatus(this.#agent.view));
  }

  #compileStatus(view: AgentView): Status {
    const context = { configPath: this.#host.paths.config, freeing: this.#pulls.freeing() };
    return compileStatus(view, { ...context, nowMs: this.#options.nowMs() });
  }

  // With a root it is a containerd for trials, which belongs to no fleet.
  #drawSpreadMs(): number {
    return this.#options.root === "" ? Math.random() * MAX_SPREAD_MS : 0;
  }

  #onFailure(error: unknown, retryInMs: number): "retry" | "throw" {
    if (this.#options.signal.aborted) return "retry";
    if (isOurFault(error)) return "throw";
    this.#emit({ kind: "passFailed", message: (error as Error).message, retryInMs });
    return "retry";
  }
}

// A mistake of ours must not be repeated every second; systemd starts the agent again from the beginning.
function isOurFault(error: unknown): boolean {
  return !(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError;
}
