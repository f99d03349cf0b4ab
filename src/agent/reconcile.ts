// One pass: observe the node, decide what should be there, do what is missing. The same code serves
// `plan`, `apply` and the daemon.

import type { Action } from "../core/action.ts";
import { compileNode, type NodeFacts, type TlsFile, type WantFile } from "../core/compile-node.ts";
import type { ContainerdVersion } from "../core/containerd-config/versions.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { type NodeHave, planActions } from "../core/plan-actions.ts";
import { compileRoutes, decideRoute, type RouteDecision, type StateOf } from "../core/routes.ts";

/** What a pass decides from, beside the node itself. */
export interface PassInput {
  readonly config: MirrorConfig;
  readonly tlsFiles: ReadonlyMap<string, TlsFile>;
  readonly stateOf: StateOf;
  /** The mirrors left out so far: endpointKeys, by registry. */
  readonly out: Readonly<Record<string, readonly string[]>>;
  readonly authorizationOf: (endpoint: Endpoint) => string | null;
}

export interface ObservedNode {
  readonly have: NodeHave;
  readonly folders: ReadonlySet<string>;
  readonly certsDir: string;
  readonly tlsDir: string;
  readonly containerdVersion: ContainerdVersion | null;
}

export interface PassPlan {
  readonly decisions: readonly RouteDecision[];
  readonly want: readonly WantFile[];
  readonly have: NodeHave;
  readonly actions: readonly Action[];
}

/** Decides what the node needs now. */
export function planPass(input: PassInput, node: ObservedNode): PassPlan {
  const decisions = compileRoutes(input.config).map((route) =>
    decideRoute(route, { stateOf: input.stateOf, wasOut: new Set(input.out[route.registry]) }),
  );
  const facts: NodeFacts = { ...node, tlsFiles: input.tlsFiles, authorizationOf: input.authorizationOf };
  const want = compileNode(decisions, facts);
  return { decisions, want, have: node.have, actions: planActions(want, node.have) };
}
