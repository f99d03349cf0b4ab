// Every endpoint's credential on its way from the operator's files to containerd: read, changed into what the
// registry gets to see, shown to the registry, and put into words for hosts.toml or config.toml. One pass calls
// refresh() and then choose(); probes authenticate with authOf().
//
// A file that cannot be read does not take a credential away that was good: editors truncate, volumes come late.

import type { ContainerdVersion } from "../core/containerd-config/versions.ts";
import type { AuthAnswer, PresentedCredential } from "../core/credentials/auth-answer.ts";
import { type Credential, NO_CREDENTIAL, sameCredential } from "../core/credentials/credential.ts";
import type { KeptToken } from "../core/credentials/kept-token.ts";
import { chooseStrategy, type EndpointCredential } from "../core/credentials/strategy.ts";
import { type Endpoint, endpointKey } from "../core/endpoint.ts";
import type { CredentialReading } from "../node/credential-source.ts";
import type { EndpointAuth } from "../registry/endpoint-auth.ts";
import type { GoogleKey, GoogleTokens } from "../registry/google-tokens.ts";

export interface EndpointCredentialsPorts {
  /** What a credential helper has said may be so old. */
  readonly readCredential: (endpoint: Endpoint, maxAgeMs: number) => Promise<CredentialReading>;
  /** Its TLS files are read anew at each connection, or the endpoint is forgotten when they change. */
  readonly createAuth: (endpoint: Endpoint) => EndpointAuth;
  readonly googleTokens: GoogleTokens;
}

/** What there is to know about one endpoint's credential; no secrets in its texts. */
export interface CredentialState {
  readonly endpoint: Endpoint;
  readonly choice: EndpointCredential;
  /** Why there is no credential although one was named. */
  readonly problem: string | null;
  readonly warnings: readonly string[];
  /** When the access token that stands in for it ends; null where it is none. */
  readonly tokenExpiresAtMs: number | null;
}

/** What an operator should know about a credential: problems and warnings, one sentence each. */
export function describeCredential(state: CredentialState): string[] {
  const problem = credentialProblem(state);
  return [...(problem === null ? [] : [problem]), ...state.warnings];
}

/** What is wrong with the credential that was named for the endpoint, and what mends it; null if nothing is. */
export function credentialProblem({ endpoint, choice, problem }: CredentialState): string | null {
  if (problem !== null || choice.kind !== "impossible") return problem;
  return `Cannot authenticate at ${endpoint.url}: ${choice.because}; ${choice.mend}`;
}

interface Presented {
  readonly presented: PresentedCredential;
  readonly tokenExpiresAtMs: number | null;
  readonly problem: string | null;
}

type WhyUnused = (choice: EndpointCredential) => string | null;

interface Held extends Presented {
  readonly endpoint: Endpoint;
  readonly auth: EndpointAuth;
  /** The files it came from: those of another file say nothing about this one. */
  readonly source: string;
  readonly credential: Credential;
  readonly warnings: readonly string[];
}

const HELPER_AGE_MS = 60_000;
const REFUSED_AGE_MS = 10_000;

export class EndpointCredentials {
  readonly #ports: EndpointCredentialsPorts;
  #held: ReadonlyMap<string, Held> | null = null;
  #whyUnused: WhyUnused = () => null;
  /** Those whose credential only config.toml can hold. */
  readonly #costly = new WeakSet<EndpointAuth>();

  constructor(ports: EndpointCredentialsPorts) {
    this.#ports = ports;
  }

  /** Reads the credentials of these endpoints anew, and forgets all others. Asks nobody but Google for tokens. */
  async refresh(endpoints: readonly Endpoint[]): Promise<void> {
    const entries = await Promise.all(
      endpoints.map(async (endpoint) => [endpointKey(endpoint), await this.#read(endpoint)] as const),
    );
    this.#held = new Map(entries);
    this.#ports.googleTokens.keepOnly(entries.map(([, { credential }]) => credential).filter(isGoogleKey));
  }

  /** Asks those registries what they take that have a credential and have not said so lately; who does not answer is left for later. */
  async ask(signal: AbortSignal): Promise<void> {
    const asked = [...(this.#held?.values() ?? [])].filter(({ presented }) => presented.kind !== "none");
    await Promise.allSettled(asked.map(({ auth }) => auth.ask(signal)));
    signal.throwIfAborted();
  }

  /** How containerd gets the endpoint's credential, by what is known now. */
  choose(endpoint: Endpoint, containerdVersion: ContainerdVersion | null): CredentialState {
    const { auth, presented, problem, warnings, tokenExpiresAtMs } = this.#find(endpoint);
    const { url } = endpoint;
    const known = { url, credential: presented, containerdVersion };
    const choice = chooseStrategy({ ...known, answer: auth.answer });
    if (choice.kind === "config-auth") this.#costly.add(auth);
    else this.#costly.delete(auth);
    const isUseless = choice.kind === "impossible" && containerdVersion !== null;
    // A probe may learn that the registry takes tokens alone before a pass does.
    const ifTokens = auth.answer.kind === "unknown" ? chooseStrategy({ ...known, answer: tokensOf(url) }) : choice;
    auth.setTokensAreUseless(isUseless ? choice.because : this.#whyUnused(ifTokens));
    return { endpoint, choice, problem, warnings: [...warnings, ...choice.warnings], tokenExpiresAtMs };
  }

  /** The same for all endpoints, in their order; null before they were read. */
  chooseAll(containerdVersion: ContainerdVersion | null): CredentialState[] | null {
    if (this.#held === null) return null;
    return [...this.#held.values()].map(({ endpoint }) => this.choose(endpoint, containerdVersion));
  }

  /** Says why containerd does not use a choice yet, from the next choose() on. */
  setWhyUnused(whyUnused: WhyUnused): void {
    this.#whyUnused = whyUnused;
  }

  /** Authenticates probes of the endpoint. */
  authOf(endpoint: Endpoint): EndpointAuth {
    // While a pass puts another config into force, endpoints of the old one are probed still.
    return this.#held?.get(endpointKey(endpoint))?.auth ?? this.#ports.createAuth(endpoint);
  }

  /** The access tokens that are good now. */
  get tokens(): readonly KeptToken[] {
    return this.#ports.googleTokens.current;
  }

  close(): void {
    this.#ports.googleTokens.close();
  }

  #find(endpoint: Endpoint): Held {
    const held = this.#held?.get(endpointKey(endpoint));
    if (held === undefined) throw new Error(`Cannot find the credential of "${endpoint.url}": it was not read`);
    return held;
  }

  async #read(endpoint: Endpoint): Promise<Held> {
    const source = `${endpoint.credentialPath} ${endpoint.gcrKeyPath}`;
    const before = this.#held?.get(endpointKey(endpoint));
    const reading = await this.#ports.readCredential(endpoint, this.#maxAgeMs(before));
    const last = before?.source === source ? before.credential : NO_CREDENTIAL;
    const credential = reading.credential ?? last;
    const { warning, ...shown } = await this.#present(credential);
    const auth = before?.auth ?? this.#ports.createAuth(endpoint);
    const isRenewal = isGoogleKey(credential) && before !== undefined && sameCredential(credential, before.credential);
    auth.present(shown.presented, { isRenewal });
    const warnings = [reading.warning, warning].filter((text) => text !== null);
    return { ...shown, endpoint, auth, source, credential, problem: reading.problem ?? shown.problem, warnings };
  }

  // A new password in config.toml costs a restart, and some helpers give one at each call: the old one stays while it is
  // taken.
  #maxAgeMs(before: Held | undefined): number {
    if (before?.auth.answer.kind === "refused") return REFUSED_AGE_MS;
    return before !== undefined && this.#costly.has(before.auth) ? Number.POSITIVE_INFINITY : HELPER_AGE_MS;
  }

  async #present(credential: Credential): Promise<Presented & { readonly warning: string | null }> {
    if (credential.kind !== "googleKey")
      return { presented: credential, tokenExpiresAtMs: null, problem: null, warning: null };
    const { token, problem, warning } = await this.#ports.googleTokens.tokenFor(credential);
    if (token === null) return { presented: { kind: "none" }, tokenExpiresAtMs: null, problem, warning };
    const presented: PresentedCredential = { kind: "googleToken", token: token.token };
    return { presented, tokenExpiresAtMs: token.expiresAtMs, problem, warning };
  }
}

function tokensOf(url: string): AuthAnswer {
  return { kind: "bearer", realm: url, service: null };
}

function isGoogleKey(credential: Credential): credential is GoogleKey {
  return credential.kind === "googleKey";
}
