// Credentials that only config.toml can hold: which endpoints need one there, and whether containerd uses it yet. Until
// it does, an endpoint is not to be believed to work for pulls, though our own probes could get in.

import type { AuthWishes, WantedAuth } from "../core/containerd-config/plan-auths.ts";
import type { EndpointCredential } from "../core/credentials/strategy.ts";
import type { CredentialState } from "./endpoint-credentials.ts";
import type { TakeoverState } from "./takeover-state.ts";

type ConfigAuthChoice = Extract<EndpointCredential, { kind: "config-auth" }>;

/** What config.toml has to hold for these endpoints; where two need another one for the same host, the first has it. */
export function compileAuthWishes(states: readonly CredentialState[]): AuthWishes {
  const wanted = new Map<string, WantedAuth>();
  const undecided = new Set<string>();
  for (const { endpoint, choice, problem } of states) {
    if (choice.kind === "config-auth" && !wanted.has(choice.host)) wanted.set(choice.host, choice);
    // Each change costs a restart: a file or a registry that says nothing for the moment changes nothing.
    if (problem !== null || choice.isProvisional === true) undecided.add(new URL(endpoint.url).host);
  }
  return { wanted: [...wanted.values()].map(({ host, auth }) => ({ host, auth })), undecided: [...undecided] };
}

/** A state with what there is to say of its place in config.toml. */
export function withConfigAuth(state: CredentialState, takeover: TakeoverState): CredentialState {
  const { choice, endpoint, problem } = state;
  if (choice.kind !== "config-auth" || problem !== null) return state;
  const use = findUse(choice, takeover);
  if (use.kind === "missing")
    return { ...state, problem: `Cannot authenticate at ${endpoint.url}: ${choice.because}; ${use.mend}` };
  if (use.kind !== "theirs") return state;
  const warning = `config.toml has a credential for "${choice.host}" that mirror-agent did not write: it is left alone`;
  return { ...state, warnings: [...state.warnings, warning] };
}

/** Why containerd cannot use what was chosen, or cannot yet; null if it can. */
export function findWhyUnused(choice: EndpointCredential, takeover: TakeoverState): string | null {
  if (choice.kind !== "config-auth") return null;
  const { auths, loadedHosts } = takeover;
  // Of a registry that has not said yet what it takes, it is what containerd has for it that counts.
  const isUsed = auths.some(({ host }) => host === choice.host)
    ? ["used", "theirs"].includes(findUse(choice, takeover).kind)
    : (loadedHosts?.includes(choice.host) ?? true);
  return isUsed ? null : "containerd has not loaded our credential from its config.toml";
}

type Use = { readonly kind: "used" | "theirs" | "coming" } | { readonly kind: "missing"; readonly mend: string };

function findUse(choice: ConfigAuthChoice, { auths, plan }: TakeoverState): Use {
  const { host } = choice;
  const state = auths.find((found) => found.host === host);
  const byHand = `set registry.configs."${host}".auth in containerd's config.toml, and restart containerd`;
  if (state === undefined) return { kind: "missing", mend: byHand };
  if (state.entry === "theirs") return { kind: "theirs" };
  if (!isSameAuth(state.auth, choice.auth))
    return {
      kind: "missing",
      mend: `config.toml can hold one credential for "${host}", and another endpoint's is there`,
    };
  if (state.isLoaded) return { kind: "used" };
  if (state.blocked !== null) return { kind: "missing", mend: `${state.blocked}: ${byHand}` };
  if (plan.kind === "refused") return { kind: "missing", mend: `${plan.because}; ${plan.mend}` };
  if (plan.kind === "change" && plan.restart === "owed") return { kind: "missing", mend: "restart containerd" };
  return { kind: "coming" };
}

function isSameAuth(a: ConfigAuthChoice["auth"], b: ConfigAuthChoice["auth"]): boolean {
  if (a.kind === "password" && b.kind === "password") return a.username === b.username && a.password.equals(b.password);
  return a.kind === "identityToken" && b.kind === "identityToken" && a.identityToken.equals(b.identityToken);
}
