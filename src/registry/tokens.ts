// How a registry wants to be addressed, and the tokens for that: Docker's token protocol (distribution,
// docs/content/spec/auth/token.md and oauth.md). Learned from its first 401, kept for each scope until it nears its end.

import {
  basicAuthorization,
  bearerAuthorization,
  type Credential,
  NO_CREDENTIAL,
  sameCredential,
} from "../core/credentials/credential.ts";
import type { Secret } from "../core/credentials/secret.ts";
import { type Challenge, findChallenge } from "./challenge.ts";
import { realmProblem } from "./realm.ts";
import { RegistryError } from "./registry-error.ts";

export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | null;
  readonly scopes: readonly string[];
  readonly credential: Credential;
}

export interface Token {
  readonly token: Secret;
  readonly lifetimeMs: number;
}

export interface TokenSourceOptions {
  readonly origin: string;
  readonly credential: Credential;
  readonly fetchToken: (request: TokenRequest, signal: AbortSignal) => Promise<Token>;
  readonly nowMs: () => number;
}

type Mode =
  | { readonly kind: "unknown" }
  | { readonly kind: "fixed"; readonly authorization: Secret }
  | { readonly kind: "bearer"; readonly realm: URL; readonly service: string | null };

interface Held {
  readonly token: Promise<Secret>;
  /** Null while it is on its way. */
  authorization: Secret | null;
  renewAtMs: number;
}

/** A token is renewed before it ends: an upload that starts with it has to get through. */
const USED_SHARE = 0.75;

/** Answers, for each request, which Authorization header it needs. */
export class TokenSource {
  readonly #options: TokenSourceOptions;
  readonly #held = new Map<string, Held>();
  #mode: Mode;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
    const { credential } = options;
    const fixed = credential.kind === "registryToken" ? bearerAuthorization(credential.token) : null;
    this.#mode = fixed === null ? { kind: "unknown" } : { kind: "fixed", authorization: fixed };
  }

  /** The header for a request with these scopes; null before the registry asked for anything. */
  async authorization(scopes: readonly string[], signal: AbortSignal): Promise<Secret | null> {
    if (this.#mode.kind === "unknown") return null;
    if (this.#mode.kind === "fixed") return this.#mode.authorization;
    return this.#bearer(this.#mode, scopes, signal);
  }

  /** Takes in the challenges of a 401 to a request that carried `rejected`; true if another try makes sense. */
  learn(challenges: readonly Challenge[], scopes: readonly string[], rejected: Secret | null): boolean {
    const bearer = findChallenge(challenges, "bearer");
    if (bearer !== null) return this.#learnBearer(bearer, scopes, rejected);
    const authorization = basicOf(this.#options.credential);
    if (findChallenge(challenges, "basic") === null || authorization === null || rejected !== null) return false;
    this.#mode = { kind: "fixed", authorization };
    return true;
  }

  #learnBearer({ params }: Challenge, scopes: readonly string[], rejected: Secret | null): boolean {
    if (this.#options.credential.kind === "registryToken") return false;
    const { realm = "", service = null } = params;
    const problem = realmProblem(realm, this.#options.origin);
    if (problem !== null) throw tokenError(problem);
    this.#mode = { kind: "bearer", realm: new URL(realm), service };
    // Another request may have renewed it already.
    const key = scopes.join(" ");
    const held = this.#held.get(key)?.authorization ?? null;
    if (rejected !== null && held?.equals(rejected)) this.#held.delete(key);
    return true;
  }

  async #bearer(mode: Mode & { kind: "bearer" }, scopes: readonly string[], signal: AbortSignal): Promise<Secret> {
    const key = scopes.join(" ");
    const found = this.#held.get(key);
    if (found !== undefined && found.renewAtMs > this.#options.nowMs()) return found.token;
    const fetched = this.#fetch(mode, scopes, signal);
    const held: Held = {
      token: fetched.then(({ authorization }) => authorization),
      authorization: null,
      renewAtMs: Infinity,
    };
    this.#held.set(key, held);
    fetched.then(
      (token) => Object.assign(held, token),
      () => this.#held.delete(key),
    );
    return held.token;
  }

  async #fetch({ realm, service }: Mode & { kind: "bearer" }, scopes: readonly string[], signal: AbortSignal) {
    const { credential, fetchToken, nowMs } = this.#options;
    const startedMs = nowMs();
    const { token, lifetimeMs } = await fetchToken({ realm, service, scopes, credential }, signal);
    return { authorization: bearerAuthorization(token), renewAtMs: startedMs + lifetimeMs * USED_SHARE };
  }
}

/** The user and password that a credential amounts to for basic authentication; null if it is none. */
function basicOf(credential: Credential): Secret | null {
  if (credential.kind === "basic") return basicAuthorization(credential.username, credential.password);
  if (credential.kind === "googleKey") return basicAuthorization("_json_key", credential.json);
  return null;
}

/** Whether there is nothing to authenticate with. */
export function isAnonymous(credential: Credential): boolean {
  return sameCredential(credential, NO_CREDENTIAL);
}

function tokenError(problem: string): RegistryError {
  return new RegistryError(problem, { status: 401, codes: [], temporary: false, retryAfterMs: null });
}
