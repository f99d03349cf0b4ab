// One pass: observe the node, decide what should be there, do what is missing. The same code serves
// `plan`, `apply` and the daemon.

import type { Action } from "../core/action.ts";
import { compileNode, type NodeFacts, type TlsFile, type WantFile } from "../core/compile-node.ts";
import type { ContainerdVersion } from "../core/containerd-config/versions.ts";
import { headerOf } from "../core/credentials/strategy.ts";
import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type NodeHave, planActions } from "../core/plan-actions.ts";
import { compileRoutes, decideRoute, endpointsOf, type RouteDecision, type StateOf } from "../core/routes.ts";
import { withConfigAuth } from "./config-auths.ts";
import type { CredentialState } from "./endpoint-credentials.ts";
import type { TakeoverState } from "./takeover-state.ts";

/** What a pass decides from, beside the node itself. */
export interface PassInput {
  readonly config: MirrorConfig;
  readonly tlsFiles: ReadonlyMap<string, TlsFile>;
  readonly stateOf: StateOf;
  /** The mirrors left out so far: endpointKeys, by registry. */
  readonly out: Readonly<Record<string, readonly string[]>>;
  /** How an endpoint's credential reaches containerd, by the version that reads it. */
  readonly credentialOf: CredentialOf;
}

export type CredentialOf = (endpoint: Endpoint, containerdVersion: ContainerdVersion | null) => CredentialState;

export interface ObservedNode {
  readonly have: NodeHave;
  readonly folders: ReadonlySet<string>;
  readonly certsDir: string;
  readonly tlsDir: string;
  /** The version that reads hosts.toml; null where none was found. */
  readonly containerdVersion: ContainerdVersion | null;
  /** What has to happen so that containerd reads our files. */
  readonly takeover: TakeoverState;
}

export interface PassPlan {
  readonly decisions: readonly RouteDecision[];
  readonly want: readonly WantFile[];
  readonly have: NodeHave;
  readonly actions: readonly Action[];
  /** By endpointKey. */
  readonly credentials: ReadonlyMap<string, CredentialState>;
}

/** Decides what the node needs now. */
export function planPass(input: PassInput, node: ObservedNode): PassPlan {
  const routes = compileRoutes(input.config);
  const decisions = routes.map((route) =>
    decideRoute(route, { stateOf: input.stateOf, wasOut: new Set(input.out[route.registry]) }),
  );
  const credentials = new Map(
    endpointsOf(routes).map((endpoint) => [
      endpointKey(endpoint),
      withConfigAuth(input.credentialOf(endpoint, node.containerdVersion), node.takeover),
    ]),
  );
  const authorizationOf = (endpoint: Endpoint): string | null => {
    const state = credentials.get(endpointKey(endpoint));
    return state ? (headerOf(state.choice)?.reveal() ?? null) : null;
  };
  const facts: NodeFacts = { ...node, tlsFiles: input.tlsFiles, authorizationOf };
  const want = compileNode(decisions, facts);
  return { decisions, want, have: node.have, actions: planActions(want, node.have), credentials };
}
