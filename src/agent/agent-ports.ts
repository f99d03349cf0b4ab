// What the agent has to do with the outside: what it asks of it, what it shows of itself.

import type { Action } from "../core/action.ts";
import type { ConfigIssue } from "../core/config-issue.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import type { RouteDecision } from "../core/routes.ts";
import type { KnownHealth, LastGood } from "../node/state.ts";
import type { Event } from "../report/events.ts";
import type { Clocks } from "./clock-watch.ts";
import type { HealthTable } from "./health-table.ts";
import type { LoadedConfig } from "./load-config.ts";
import type { CredentialOf, ObservedNode, PassPlan } from "./reconcile.ts";

/** A config that was found valid and is in force, or is about to be. */
export type ValidConfig = LoadedConfig & { readonly config: MirrorConfig; readonly text: string };

/** What the agent wants to be told about from now on. */
export interface Following {
  readonly inForce: ValidConfig | null;
  readonly endpoints: readonly Endpoint[];
}

/** Everything that the agent knows, for status. */
export interface AgentView {
  readonly inForce: ValidConfig | null;
  /** Why the config on disk is not in force; null if it is. */
  readonly rejected: readonly ConfigIssue[] | null;
  readonly appliedAtMs: number | null;
  /** When a pass last ended well. */
  readonly passedAtMs: number | null;
  readonly decisions: readonly RouteDecision[];
  readonly health: HealthTable;
  /** By endpointKey. */
  readonly credentials: PassPlan["credentials"];
  readonly node: ObservedNode | null;
}

export interface AgentPorts extends Clocks {
  readonly configPath: string;
  readonly loadConfig: () => Promise<LoadedConfig>;
  readonly loadLastGood: () => Promise<LoadedConfig | null>;
  readonly saveLastGood: (lastGood: LastGood) => Promise<void>;
  readonly saveHealth: (known: KnownHealth) => Promise<void>;
  /** Reads the credentials of a config's endpoints anew. */
  readonly readCredentials: (valid: ValidConfig) => Promise<CredentialOf>;
  readonly observe: (config: MirrorConfig) => Promise<ObservedNode>;
  /** Carries actions out. Only called under the lock. */
  readonly perform: (actions: readonly Action[], config: MirrorConfig) => Promise<void>;
  readonly underLock: <T>(work: () => Promise<T>) => Promise<T>;
  readonly follow: (following: Following) => void;
  readonly emit: (event: Event) => void;
  readonly publish: (view: AgentView) => void;
  /** Whether pulls of this node are seen to hang at an endpoint that is down or in doubt. */
  readonly pullsHang: () => boolean;
  /** Asks for another pass, at the latest after so long. */
  readonly requestPass: (withinMs: number) => void;
  /** Math.random, or what a test puts in its place. */
  readonly random: () => number;
}
