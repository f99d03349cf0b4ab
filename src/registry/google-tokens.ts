// Keeps an access token at hand for each Google key. Tokens live for an hour, and each new one is a rewritten
// hosts.toml: a token is renewed at half of its life, so that many minutes of failing renewals have to pass before a
// pull meets an expired one, and the last good one is kept until it ends, also by the agent's next process.

import type { Credential } from "../core/credentials/credential.ts";
import type { KeptToken } from "../core/credentials/kept-token.ts";
import type { Secret } from "../core/credentials/secret.ts";
import type { GoogleToken } from "./google-token.ts";

export type GoogleKey = Credential & { kind: "googleKey" };

/** What there is for a key now. */
export interface GoogleTokenState {
  /** Null where there is none that is still good. */
  readonly token: GoogleToken | null;
  /** Why there is none. */
  readonly problem: string | null;
  /** There is one, but its end is near and renewing fails. */
  readonly warning: string | null;
}

export interface Clock {
  nowMs(): number;
  /** Runs once after so many milliseconds, unless it is cancelled. */
  after(delayMs: number, run: () => void): { cancel(): void };
}

export interface GoogleTokensOptions {
  readonly clock: Clock;
  readonly fetchToken: (keyJson: Secret, signal: AbortSignal) => Promise<GoogleToken>;
  /** What an earlier process has kept of a key; null: nothing. */
  readonly readKept: (keyJson: Secret) => Promise<KeptToken | null>;
  /** A token was renewed, or has ended: time for a pass. */
  readonly onChange: () => void;
}

const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;
const FETCH_TIMEOUT_MS = 30_000;
const FIRST_WAIT_MS = 3000;

export class GoogleTokens {
  readonly #options: GoogleTokensOptions;
  readonly #renewals = new Map<string, Renewal>();

  constructor(options: GoogleTokensOptions) {
    this.#options = options;
  }

  /**
   * The token for a key; waits for the first one, but not long: mirrors are not to go unwatched because
   * Google cannot be reached. Each key is renewed until keepOnly() or close().
   */
  async tokenFor(key: GoogleKey): Promise<GoogleTokenState> {
    const found = this.#renewals.get(key.json.reveal());
    const renewal = found ?? new Renewal(key, this.#options);
    this.#renewals.set(key.json.reveal(), renewal);
    await renewal.firstToken;
    return renewal.state();
  }

  /** Those that are good now, for the next process. */
  get current(): readonly KeptToken[] {
    return [...this.#renewals.values()].flatMap((renewal) => renewal.kept ?? []);
  }

  /** Forgets the tokens of all other keys. */
  keepOnly(keys: readonly GoogleKey[]): void {
    const kept = new Set(keys.map((key) => key.json.reveal()));
    for (const [json, renewal] of this.#renewals) {
      if (kept.has(json)) continue;
      renewal.close();
      this.#renewals.delete(json);
    }
  }

  close(): void {
    this.keepOnly([]);
  }
}

/** One key's token. */
class Renewal {
  /** Settled when the first token is there, could not be had, or is late: then onChange tells of it. */
  readonly firstToken: Promise<void>;
  readonly #path: string;
  readonly #json: Secret;
  readonly #options: GoogleTokensOptions;
  readonly #closing = new AbortController();
  #token: GoogleToken | null = null;
  #lifetimeMs = 0;
  #failure: string | null = "it has not come yet";
  #failures = 0;
  #timers: { cancel(): void }[] = [];

  constructor({ path, json }: GoogleKey, options: GoogleTokensOptions) {
    this.#path = path;
    this.#json = json;
    this.#options = options;
    this.firstToken = this.#start();
  }

  state(): GoogleTokenState {
    const leftMs = this.#leftMs();
    const failure = `Cannot get an access token with "${this.#path}": ${this.#failure}`;
    if (leftMs <= 0) return { token: null, problem: failure, warning: null };
    const isNear = this.#failure !== null && leftMs < this.#lifetimeMs / 4;
    // The time, not what is left: a text that changes is told anew each time.
    const endsAt = (): string => new Date(this.#options.clock.nowMs() + leftMs).toISOString();
    return {
      token: this.#token,
      problem: null,
      warning: isNear ? `${failure}; the present one ends at ${endsAt()}` : null,
    };
  }

  get kept(): KeptToken | null {
    if (this.#token === null || this.#leftMs() <= 0) return null;
    return { ...this.#token, keyJson: this.#json, lifetimeMs: this.#lifetimeMs };
  }

  close(): void {
    this.#closing.abort();
    this.#cancelTimers();
  }

  async #start(): Promise<void> {
    const { clock, onChange, readKept } = this.#options;
    if (this.#takeUp(await readKept(this.#json))) return;
    const late = Promise.withResolvers<"late">();
    const timer = clock.after(FIRST_WAIT_MS, () => late.resolve("late"));
    const first = this.#renew();
    if ((await Promise.race([first, late.promise])) !== "late") return timer.cancel();
    void first.then(() => {
      if (!this.#closing.signal.aborted) onChange();
    });
  }

  /** Goes on with what an earlier process has kept; says whether renewing it can wait. */
  #takeUp(kept: KeptToken | null): boolean {
    if (kept === null || kept.expiresAtMs <= this.#options.clock.nowMs()) return false;
    this.#token = { token: kept.token, expiresAtMs: kept.expiresAtMs };
    this.#lifetimeMs = kept.lifetimeMs;
    if (this.#leftMs() <= kept.lifetimeMs / 2) return false;
    this.#failure = null;
    if (!this.#closing.signal.aborted) this.#schedule();
    return true;
  }

  async #renew(): Promise<void> {
    const { fetchToken, clock } = this.#options;
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(FETCH_TIMEOUT_MS)]);
      const token = await fetchToken(this.#json, signal);
      if (token.expiresAtMs <= clock.nowMs()) throw new Error("it has ended already: is this node's clock right?");
      this.#token = token;
      this.#lifetimeMs = token.expiresAtMs - clock.nowMs();
      this.#failure = null;
      this.#failures = 0;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#failures += 1;
    }
    if (!this.#closing.signal.aborted) this.#schedule();
  }

  #schedule(): void {
    const { clock, onChange } = this.#options;
    const leftMs = this.#leftMs();
    const delayMs =
      this.#failures === 0
        ? leftMs - this.#lifetimeMs / 2
        : Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (this.#failures - 1));
    const again = async (): Promise<void> => {
      await this.#renew();
      if (!this.#closing.signal.aborted) onChange();
    };
    this.#cancelTimers();
    this.#timers = [clock.after(Math.max(MIN_RETRY_MS, delayMs), () => void again())];
    if (leftMs > 0) this.#timers.push(clock.after(leftMs, onChange));
  }

  #leftMs(): number {
    return this.#token === null ? 0 : this.#token.expiresAtMs - this.#options.clock.nowMs();
  }

  #cancelTimers(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
  }
}

/** The real clock; its timers do not keep the program running. */
export const SYSTEM_CLOCK: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
