// Authenticates the agent's own requests to one endpoint's server as containerd would, and remembers what the
// server takes. That grows old: an upstream that nobody probes would keep a password that has ended. A refused
// credential is not tried again with every probe: a thousand nodes that ask every five seconds lock an account in
// no time.

import {
  type AuthAnswer,
  directAuthorization,
  type PresentedCredential,
  schemeShown,
  tokenServerCredential,
} from "../core/credentials/auth-answer.ts";
import { bearerAuthorization, sameCredential } from "../core/credentials/credential.ts";
import type { Secret } from "../core/credentials/secret.ts";
import { askRegistry } from "./auth-probe.ts";
import { RequestFailure } from "./request-failure.ts";
import type { Send } from "./send.ts";
import { requestToken } from "./token.ts";

export interface EndpointAuthOptions {
  /** "https://172.18.0.20:5000" */
  readonly origin: string;
  readonly send: Send;
  readonly nowMs: () => number;
  readonly random?: () => number;
}

export interface AuthorizeOptions {
  readonly rejected: boolean;
  readonly scopes: readonly string[];
  /** For everything that has to be asked. */
  readonly timeoutMs: number;
}

interface HeldToken {
  readonly authorization: Secret;
  readonly renewAtMs: number;
}

type TokenRealm = AuthAnswer & { readonly kind: "bearer" };

const RETRY_REFUSED_MS = 60_000;
/** How long an answer is believed, at least, and by chance: a thousand nodes do not ask in the same moment. */
const BELIEVED_MS = 300_000;
const SPREAD_MS = 300_000;
/** A token is renewed before it ends: the request that carries it has to arrive. */
const USED_SHARE = 0.75;

export class EndpointAuth {
  readonly #options: EndpointAuthOptions;
  #credential: PresentedCredential = { kind: "none" };
  #answer: AuthAnswer = { kind: "unknown" };
  /** From then on the answer holds only until there is a new one. */
  #askAgainAtMs = 0;
  #held = new Map<string, HeldToken>();
  #tokensAreUseless: string | null = null;

  constructor(options: EndpointAuthOptions) {
    this.#options = options;
  }

  /** What the server takes, as far as it is known; the same object until it changes. */
  get answer(): AuthAnswer {
    return this.#answer;
  }

  /** Uses this credential from now on. A changed one is asked about anew; a renewed token of the same key is no change. */
  present(credential: PresentedCredential, { isRenewal = false } = {}): void {
    if (samePresented(credential, this.#credential)) return;
    this.#credential = credential;
    this.#held.clear();
    if (!isRenewal || this.#answer.kind === "refused") this.#answer = { kind: "unknown" };
  }

  /** Says why containerd cannot use tokens that this could get, so that a probe finds what a pull would; null: it can. */
  setTokensAreUseless(because: string | null): void {
    this.#tokensAreUseless = because;
  }

  /** Asks the server what it takes, unless it has said so lately. Throws RequestFailure where nobody answers. */
  async ask(signal: AbortSignal): Promise<AuthAnswer> {
    const { origin, send, nowMs } = this.#options;
    if (this.#answer.kind !== "unknown" && nowMs() < this.#askAgainAtMs) return this.#answer;
    const credential = this.#credential;
    const answer = await askRegistry({ origin, credential, send }, signal);
    if (credential === this.#credential) this.#learn(answer);
    return this.#answer;
  }

  /** The header that a request with these scopes can carry at once; null where there is none, or none is needed. */
  current(scopes: readonly string[] = []): Secret | null {
    const scheme = schemeShown(this.#answer, this.#options.origin);
    if (scheme !== null) return directAuthorization(this.#credential, scheme);
    return this.#answer.kind === "bearer" && this.#tokensAreUseless === null ? this.#heldFor(scopes.join(" ")) : null;
  }

  /**
   * The header for a second try after a 401; `rejected`: the first try carried one. Null where there is no
   * credential. Throws RequestFailure "unauthorized" where the one that there is is not taken.
   * `scopes` are for a token server: "repository:library/busybox:pull".
   */
  async authorize({ timeoutMs, ...wish }: AuthorizeOptions, signal: AbortSignal): Promise<Secret | null> {
    const late = AbortSignal.timeout(timeoutMs);
    try {
      return await this.#authorize(wish, AbortSignal.any([signal, late]));
    } catch (error) {
      signal.throwIfAborted();
      if (!late.aborted) throw error;
      throw new RequestFailure("response-timeout", `no answer about our credential within ${timeoutMs} ms`);
    }
  }

  async #authorize(
    { rejected, scopes }: Omit<AuthorizeOptions, "timeoutMs">,
    signal: AbortSignal,
  ): Promise<Secret | null> {
    if (this.#credential.kind === "none") return null;
    // It was taken before: a token was withdrawn, a password changed, or the registry itself.
    if (rejected || this.#answer.kind === "anonymous") {
      this.#askAgainAtMs = 0;
      this.#held.clear();
    }
    const answer = await this.ask(signal);
    switch (answer.kind) {
      case "direct":
        return directAuthorization(this.#credential, answer.scheme);
      case "bearer":
        if (this.#tokensAreUseless !== null) throw new RequestFailure("unauthorized", this.#tokensAreUseless);
        return this.#heldFor(scopes.join(" ")) ?? this.#fetch(answer, scopes, signal);
      case "refused":
        throw new RequestFailure("unauthorized", `${answer.by} refuses our credential`);
      case "unsupported":
        throw new RequestFailure("unauthorized", answer.because);
      case "unknown":
      case "anonymous":
      case "asks":
        return null;
    }
    answer satisfies never;
    return null;
  }

  #heldFor(key: string): Secret | null {
    const held = this.#held.get(key);
    return held !== undefined && this.#options.nowMs() < held.renewAtMs ? held.authorization : null;
  }

  async #fetch({ realm, service }: TokenRealm, scopes: readonly string[], signal: AbortSignal): Promise<Secret> {
    const { send, nowMs } = this.#options;
    const startedMs = nowMs();
    const query = { realm, service, scopes, credential: tokenServerCredential(this.#credential) };
    const answer = await requestToken(query, send, signal);
    if (answer.kind === "failed") throw new RequestFailure("server-error", answer.because);
    if (answer.kind === "refused") {
      const by = new URL(realm).origin;
      if (answer.forScopes) throw new RequestFailure("forbidden", `${by} gives us no token for ${scopes.join(" ")}`);
      this.#learn({ kind: "refused", by });
      throw new RequestFailure("unauthorized", `${by} refuses our credential`);
    }
    const authorization = bearerAuthorization(answer.token);
    this.#held.set(scopes.join(" "), { authorization, renewAtMs: startedMs + answer.lifetimeMs * USED_SHARE });
    return authorization;
  }

  #learn(answer: AuthAnswer): void {
    if (answer.kind === "unknown") return;
    const { nowMs, random = Math.random } = this.#options;
    this.#askAgainAtMs = nowMs() + (answer.kind === "refused" ? RETRY_REFUSED_MS : BELIEVED_MS + random() * SPREAD_MS);
    // The same answer stays the same object, so that who compares sees changes only.
    if (JSON.stringify(answer) !== JSON.stringify(this.#answer)) this.#answer = answer;
  }
}

function samePresented(a: PresentedCredential, b: PresentedCredential): boolean {
  if (a.kind === "googleToken" || b.kind === "googleToken") {
    return a.kind === "googleToken" && b.kind === "googleToken" && a.token.equals(b.token);
  }
  return sameCredential(a, b);
}
