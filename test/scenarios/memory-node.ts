// A node in memory, for scenarios: the agent's ports over a map of files, a clock that is set, and a log
// that is read. It does with actions what the real performers do with files, and can break off at any of them.

import { Agent } from "../../src/agent/agent.ts";
import type { AgentPorts, AgentView, Following } from "../../src/agent/agent-ports.ts";
import type { CredentialState } from "../../src/agent/endpoint-credentials.ts";
import type { TakeoverState } from "../../src/agent/takeover-state.ts";
import type { Action } from "../../src/core/action.ts";
import { parseConfig } from "../../src/core/config/parse-config.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { HaveFile } from "../../src/core/plan-actions.ts";
import type { ProbeReason } from "../../src/core/probe-result.ts";
import type { KnownHealth, LastGood } from "../../src/node/state.ts";
import { describeEvent, type Event } from "../../src/report/events.ts";

export const CERTS_DIR = "/etc/containerd/certs.d";

const withoutCredential = (endpoint: Endpoint): CredentialState => ({
  endpoint,
  choice: { kind: "anonymous", because: "no credential is configured", warnings: [] },
  problem: null,
  warnings: [],
  tokenExpiresAtMs: null,
});

const SETTLED: TakeoverState = {
  plan: { kind: "settled", because: "" },
  inEffect: true,
  isDue: false,
  restartOwed: false,
  lastRestartAtMs: null,
  auths: [],
  stamp: "",
};

/** The power went. */
export class PowerCut extends Error {}

export class MemoryNode {
  configText: string;
  /** How much somebody has moved the clock. */
  clockSetByMs = 0;
  /** Nothing can be remembered. */
  isStateFull = false;
  nowMs = Date.parse("2026-01-01T03:00:00Z");
  /** Everything on disk under certs.d and in the state folder. */
  readonly files = new Map<string, HaveFile>();
  readonly backups = new Map<string, HaveFile>();
  known: KnownHealth = { endpoints: {}, out: {} };
  lastGood: LastGood | null = null;

  readonly events: Event[] = [];
  readonly performed: Action[] = [];
  following: Following = { inForce: null, endpoints: [] };
  view: AgentView | null = null;
  passesAsked = 0;
  /** What the last pass that was asked for may wait. */
  passWithinMs = 0;
  random = (): number => 0;
  /** Counts down at every effect; the effect at which it reaches zero is the last. */
  effectsLeft = Number.POSITIVE_INFINITY;

  constructor(configText: string) {
    this.configText = configText;
  }

  /** Starts an agent on this node, as after a reboot: what it remembers is what was saved. */
  start(): Agent {
    return new Agent(this.#ports(), this.known);
  }

  hostsToml(registry: string): string | null {
    return this.files.get(`${CERTS_DIR}/${registry}/hosts.toml`)?.text ?? null;
  }

  /** Gives the agent one probe of every endpoint that it follows and that `url` names. */
  probe(agent: Agent, url: string, reason: ProbeReason | null, { latencyMs = 1, isDeep = true } = {}): void {
    for (const endpoint of this.#followed(url)) {
      const measured = { latencyMs, certificateExpiresAtMs: null };
      agent.onProbe(
        endpoint,
        reason ? { ...measured, ok: false, reason, detail: "made so" } : { ...measured, ok: true, isDeep },
      );
    }
  }

  /** What an operator reads at the default level. */
  eventKinds(): string[] {
    return this.events.filter((event) => describeEvent(event).level !== "debug").map(({ kind }) => kind);
  }

  #followed(url: string): Endpoint[] {
    return this.following.endpoints.filter((endpoint) => endpoint.url === url);
  }

  #ports(): AgentPorts {
    return {
      configPath: "/etc/mirror-agent/config.yaml",
      loadConfig: async () => {
        const { config, issues } = parseConfig(this.configText);
        return { text: this.configText, config, issues, tlsFiles: new Map(), names: [] };
      },
      loadLastGood: async () => {
        if (!this.lastGood) return null;
        const { config } = parseConfig(this.lastGood.text);
        return { text: this.lastGood.text, config, issues: [], tlsFiles: new Map(), names: [] };
      },
      saveLastGood: async (lastGood) => this.#save(() => (this.lastGood = lastGood)),
      saveHealth: async (known) => this.#save(() => (this.known = structuredClone(known))),
      readCredentials: async () => withoutCredential,
      observe: async () => this.#observe(),
      perform: async (actions) => {
        for (const action of actions) this.#effect(() => this.#do(action));
      },
      underLock: (work) => work(),
      follow: (following) => {
        this.following = following;
      },
      emit: (event) => this.events.push(event),
      pullsHang: () => false,
      publish: (view) => {
        this.view = view;
      },
      requestPass: (withinMs) => {
        this.passesAsked += 1;
        this.passWithinMs = withinMs;
      },
      random: () => this.random(),
      nowMs: () => this.nowMs,
      steadyMs: () => this.nowMs - this.clockSetByMs,
    };
  }

  #observe() {
    return {
      have: { hostsFiles: new Map(this.files), tlsCopies: new Map(), backedUp: new Set(this.backups.keys()) },
      folders: new Set([...this.files.keys()].map((path) => path.split("/").at(-2) as string)),
      certsDir: CERTS_DIR,
      tlsDir: "/var/lib/mirror-agent/tls",
      containerdVersion: { major: 1, minor: 7, patch: 24 },
      takeover: SETTLED,
    };
  }

  #save(effect: () => void): void {
    if (this.isStateFull) throw new Error("ENOSPC: no space left on device");
    this.#effect(effect);
  }

  /** Sets the clock; the time that passes does not. */
  setClock(ms: number): void {
    this.clockSetByMs += ms - this.nowMs;
    this.nowMs = ms;
  }

  #effect(effect: () => void): void {
    if (this.effectsLeft === 0) throw new PowerCut();
    this.effectsLeft -= 1;
    effect();
  }

  #do(action: Action): void {
    this.performed.push(action);
    const file = this.files.get(action.path);
    const backup = this.backups.get(action.path);
    if (action.kind === "writeFile") this.files.set(action.path, { text: action.text, mode: action.mode });
    if (action.kind === "removeFile") this.files.delete(action.path);
    if (action.kind === "backUpFile" && file && !backup) this.backups.set(action.path, file);
    if (action.kind === "restoreFile" && backup) {
      this.files.set(action.path, backup);
      this.backups.delete(action.path);
    }
  }
}
