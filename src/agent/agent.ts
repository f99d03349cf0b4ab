// The daemon: what is in force, what is known, and a pass over the node whenever either changes.
//
// One direction: the config, probes and credentials come in, a pass decides and acts, events and
// status go out. Everything outside is a port, so that the whole of it runs in memory in the tests.

import { isDeepStrictEqual } from "node:util";
import type { Action } from "../core/action.ts";
import type { ConfigIssue } from "../core/config-issue.ts";
import { type Fights, foldDrift } from "../core/drift.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { Mirror } from "../core/mirror-config.ts";
import { passDelayMs } from "../core/pass-delay.ts";
import type { ProbeResult } from "../core/probe-result.ts";
import { distinct, type RouteDecision, upstreamsThatMatter } from "../core/routes.ts";
import { isServedWithout } from "../core/served-without.ts";
import type { KnownHealth } from "../node/state.ts";
import type { AgentPorts, AgentView, ValidConfig } from "./agent-ports.ts";
import { ClockWatch } from "./clock-watch.ts";
import { describeCredential } from "./endpoint-credentials.ts";
import { type HealthChange, HealthTable } from "./health-table.ts";
import type { LoadedConfig } from "./load-config.ts";
import { Memory } from "./memory.ts";
import { eventsOfPass } from "./pass-events.ts";
import { type CredentialOf, type ObservedNode, type PassPlan, planPass } from "./reconcile.ts";

interface Look {
  readonly plan: PassPlan;
  /** The changes of health that the plan was made with. */
  readonly changes: readonly HealthChange[];
}

/** How long a status that differs in measurements alone may wait. */
const QUIET_MS = 15_000;

export class Agent {
  readonly #ports: AgentPorts;
  readonly #health: HealthTable;
  readonly #memory = new Memory();
  readonly #clock: ClockWatch;
  #inForce: ValidConfig | null = null;
  #rejected: readonly ConfigIssue[] | null = null;
  #appliedAtMs: number | null = null;
  #passedAtMs: number | null = null;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #decisions: readonly RouteDecision[] = [];
  #node: ObservedNode | null = null;
  #fights: Fights = new Map();
  #settled: ReadonlyMap<string, string> = new Map();
  #changes: HealthChange[] = [];
  #credentials: PassPlan["credentials"] = new Map();
  #notices: ReadonlySet<string> = new Set();

  constructor(ports: AgentPorts, known: KnownHealth) {
    this.#ports = ports;
    this.#clock = new ClockWatch(ports);
    this.#health = new HealthTable(known, ports.nowMs());
  }

  /** One pass over config and node. Throws if the node cannot be read or changed; the next pass tries again. */
  async pass(): Promise<void> {
    this.#health.shift(this.#clock.takeStepMs());
    await this.#memory.retry();
    const valid = await this.#chooseConfig(await this.#ports.loadConfig());
    if (valid) await this.#reconcile(valid);
    this.#passedAtMs = this.#ports.nowMs();
    this.#follow();
    this.#publish();
    this.#memory.throwIfOwed();
  }

  /** Takes in one probe of an endpoint that is followed. */
  onProbe(endpoint: Endpoint, result: ProbeResult): void {
    if (!this.#inForce) return;
    this.#health.shift(this.#clock.takeStepMs());
    const { config } = this.#inForce;
    const { maxLatencyMs = null } = config.mirrors.find((mirror) => isAt(endpoint, mirror))?.probe ?? {};
    const nowMs = this.#ports.nowMs();
    const change = this.#health.fold(endpoint, result, { settings: config.agent.probe, maxLatencyMs, nowMs });
    if (change.before.state !== change.after.state) {
      this.#changes.push(change);
      const { pullsHang, random } = this.#ports;
      this.#ports.requestPass(passDelayMs(change, { jitter: config.agent.jitter, random, pullsHang: pullsHang() }));
    }
    // Nearly every probe says what the last one said: it must cost next to nothing.
    if (isMeasurement(change) && Math.abs(nowMs - this.#publishedAtMs) < QUIET_MS) return;
    // Whom to probe depends on the mirrors alone; of upstreams there may be a thousand.
    if (endpoint.role === "mirror") this.#follow();
    this.#publish();
  }

  /** Begins to fight again over files that were given up. */
  forgetFights(): void {
    this.#fights = new Map();
  }

  get view(): AgentView {
    return {
      inForce: this.#inForce,
      rejected: this.#rejected,
      appliedAtMs: this.#appliedAtMs,
      passedAtMs: this.#passedAtMs,
      decisions: this.#decisions,
      health: this.#health,
      credentials: this.#credentials,
      node: this.#node,
    };
  }

  /** Whether another way is known to work in every route that leaves this mirror out. */
  readonly isServedWithout = (mirror: Endpoint): boolean =>
    isServedWithout(mirror, this.#decisions, this.#health.stateOf);

  /** Has the upstreams beside this mirror probed for a while, whatever its own probes say. */
  proveOtherWay(mirror: Endpoint): void {
    this.#health.question(mirror, this.#ports.steadyMs());
    this.#follow();
  }

  // A config with errors changes nothing: the one in force stays, also across a restart of the agent.
  async #chooseConfig(loaded: LoadedConfig): Promise<ValidConfig | null> {
    if (isValid(loaded)) {
      this.#rejected = null;
      return loaded;
    }
    this.#inForce ??= await this.#loadLastGood();
    if (JSON.stringify(loaded.issues) !== JSON.stringify(this.#rejected)) {
      this.#ports.emit({ kind: "configRejected", issues: loaded.issues, lastGood: this.#inForce !== null });
    }
    this.#rejected = loaded.issues;
    return this.#inForce;
  }

  async #loadLastGood(): Promise<ValidConfig | null> {
    const lastGood = await this.#ports.loadLastGood();
    return lastGood && isValid(lastGood) ? lastGood : null;
  }

  async #reconcile(valid: ValidConfig): Promise<void> {
    const isNew = !sameConfig(valid, this.#inForce);
    if (isNew) this.forgetFights();
    const { plan, changes, performed } = await this.#planAndPerform(valid, await this.#ports.readCredentials(valid));
    const lastGood = { text: valid.text, tlsFiles: [...valid.tlsFiles.values()] };
    if (isNew) await this.#memory.keep("config", () => this.#ports.saveLastGood(lastGood));
    const before = this.#decisions;
    this.#inForce = valid;
    this.#decisions = plan.decisions;
    this.#changes = this.#changes.slice(changes.length);
    this.#settled = new Map(plan.want.map(({ path, text }) => [path, text]));
    if (isNew) this.#tellApplied(valid);
    this.#tellCredentials(plan);
    const events = eventsOfPass({ before, decisions: plan.decisions, changes, performed });
    for (const event of events) this.#ports.emit(event);
  }

  // A problem is told when it comes up, and again when it comes back.
  #tellCredentials({ credentials }: PassPlan): void {
    const notices = new Set([...credentials.values()].flatMap(describeCredential));
    for (const message of notices.difference(this.#notices)) this.#ports.emit({ kind: "credentialProblem", message });
    this.#notices = notices;
    this.#credentials = credentials;
  }

  #tellApplied({ config, issues }: ValidConfig): void {
    this.#appliedAtMs = this.#ports.nowMs();
    const { mirrors } = config;
    this.#ports.emit({
      kind: "configApplied",
      path: this.#ports.configPath,
      mirrors: mirrors.length,
      registries: this.#decisions.length,
    });
    for (const issue of issues) this.#ports.emit({ kind: "configWarning", issue });
  }

  // A settled node is only looked at. Where there is something to do, it is looked at again under the
  // lock, since another writer may have done it meanwhile.
  async #planAndPerform(
    valid: ValidConfig,
    credentialOf: CredentialOf,
  ): Promise<Look & { performed: readonly Action[] }> {
    const first = await this.#look(valid, credentialOf);
    if (first.plan.actions.length === 0) return { ...first, performed: [] };
    return this.#ports.underLock(async () => {
      const second = await this.#look(valid, credentialOf);
      const performed = this.#withoutLostFights(second.plan.actions);
      await this.#ports.perform(performed, valid.config);
      return { ...second, performed };
    });
  }

  // The decisions are on disk before anything follows from them: after a crash the agent goes on from there.
  async #look(valid: ValidConfig, credentialOf: CredentialOf): Promise<Look> {
    this.#node = await this.#ports.observe(valid.config);
    const { config, tlsFiles } = valid;
    const { stateOf, out } = this.#health;
    const plan = planPass({ config, tlsFiles, stateOf, out, credentialOf }, this.#node);
    const changes = [...this.#changes];
    if (this.#health.setOut(plan.decisions) || changes.length > 0)
      await this.#memory.keep("health", () => this.#ports.saveHealth(this.#health.known()));
    return { plan, changes };
  }

  #withoutLostFights(planned: readonly Action[]): readonly Action[] {
    const nowMs = this.#ports.nowMs();
    const { fights, repairs, actions, givenUp } = foldDrift(this.#fights, planned, { settled: this.#settled, nowMs });
    this.#fights = fights;
    for (const { path } of repairs) this.#ports.emit({ kind: "driftRepaired", path });
    for (const path of givenUp) this.#ports.emit({ kind: "fightStopped", path });
    return actions;
  }

  // An upstream is probed only while a mirror beside it is in doubt.
  #follow(): void {
    if (!this.#inForce) {
      this.#ports.follow({ inForce: null, endpoints: [] });
      return;
    }
    const steadyMs = this.#ports.steadyMs();
    const routes = this.#decisions.map(({ route }) => route);
    const mirrors = distinct(routes.flatMap((route) => route.mirrors));
    const upstreams = upstreamsThatMatter(routes, (mirror) => this.#health.isInDoubt(mirror, steadyMs));
    const endpoints = [...mirrors, ...upstreams];
    this.#health.keepOnly(endpoints);
    this.#ports.follow({ inForce: this.#inForce, endpoints });
  }

  #publish(): void {
    this.#publishedAtMs = this.#ports.nowMs();
    this.#ports.publish(this.view);
  }
}

/** Whether nothing changed but how long the answer took. */
function isMeasurement({ before, after }: HealthChange): boolean {
  const unmeasured = { latencyMs: null, latenciesMs: [] };
  return isDeepStrictEqual({ ...before, ...unmeasured }, { ...after, ...unmeasured });
}

function isAt({ role, url }: Endpoint, mirror: Mirror): boolean {
  return role === "mirror" && url === mirror.endpoint;
}

function isValid(loaded: LoadedConfig): loaded is ValidConfig {
  return loaded.config !== null;
}

function sameConfig(a: ValidConfig, b: ValidConfig | null): boolean {
  if (a.text !== b?.text || a.tlsFiles.size !== b.tlsFiles.size) return false;
  return [...a.tlsFiles].every(([path, file]) => b.tlsFiles.get(path)?.sha256 === file.sha256);
}
