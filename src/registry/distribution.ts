// A registry as the distribution API knows it (distribution-spec 1.1): one request, authenticated, redirects followed.
// Retries are for the caller, who knows what has to be done again; a 401 is not, for a token may end in mid-upload and
// the same request with a new one then goes through on the same upload session (tried with docker-registry 2.8.2).

import type { Dispatcher } from "undici";
import type { Credential } from "../core/credentials/credential.ts";
import { parseChallenges } from "./challenge.ts";
import { fetchToken } from "./fetch-token.ts";
import { answerError, headerText, networkError } from "./registry-error.ts";
import { isAnonymous, TokenSource } from "./tokens.ts";
import { type RawRequest, Transport, type TransportOptions } from "./transport.ts";

export interface DistributionOptions extends TransportOptions {
  /** "https://172.18.0.20:5000" */
  readonly origin: string;
  readonly credential: Credential;
  /** How long an answer, or its next bytes, may take. */
  readonly timeoutMs: number;
  readonly onWarning: (text: string) => void;
}

export interface Call {
  /** Completes "Cannot …": "push manifest sha256:… to team-a/pause". */
  readonly what: string;
  readonly method: RawRequest["method"];
  /** A path under the origin, or a whole URL that the registry gave. */
  readonly url: string | URL;
  readonly scopes: readonly string[];
  readonly expected: readonly number[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try. */
  readonly body?: (() => AsyncIterable<Uint8Array> | Uint8Array) | null;
  readonly headersTimeoutMs?: number;
}

export interface Reply {
  readonly status: number;
  readonly url: URL;
  readonly headers: Dispatcher.ResponseData["headers"];
  readonly body: Dispatcher.ResponseData["body"];
}

const MOST_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];

/** One registry; close it to let the program end. */
export class Distribution {
  readonly origin: string;
  readonly #options: DistributionOptions;
  readonly #transport: Transport;
  readonly #tokens: TokenSource;
  readonly #warned = new Set<string>();

  constructor(options: DistributionOptions) {
    this.origin = options.origin;
    this.#options = options;
    this.#transport = new Transport(options);
    this.#tokens = new TokenSource({
      origin: options.origin,
      credential: options.credential,
      fetchToken: (request, signal) => fetchToken(this.#transport, request, signal),
      nowMs: Date.now,
    });
  }

  /** Asks whether this is a registry that lets us in, and learns how it wants to be asked. */
  async ping(signal: AbortSignal): Promise<void> {
    const what = `reach the registry at ${this.origin}`;
    await this.read({ what, method: "GET", url: "/v2/", scopes: [], expected: [200] }, signal);
  }

  /** Sends a call and reads its answer to the end. */
  async read(call: Call, signal: AbortSignal): Promise<Reply & { readonly text: string }> {
    const reply = await this.send(call, signal);
    try {
      return { ...reply, text: call.method === "HEAD" ? "" : await reply.body.text() };
    } catch (cause) {
      signal.throwIfAborted();
      throw networkError(call.what, cause);
    }
  }

  /** Sends a call; the reader has to read or dump the body. Throws RegistryError for any status not expected. */
  async send(call: Call, signal: AbortSignal): Promise<Reply> {
    let url = new URL(call.url, this.origin);
    for (let redirects = 0; ; redirects++) {
      const reply = await this.#authenticated(call, url, signal);
      this.#passOnWarnings(reply);
      if (call.expected.includes(reply.status)) return reply;
      const location = headerText(reply.headers.location);
      const follows = REDIRECTS.includes(reply.status) && location !== null && redirects < MOST_REDIRECTS;
      // A POST or PUT that is redirected would lose its body or become a GET; no registry is known to do it.
      if (!follows || (call.method !== "GET" && call.method !== "HEAD")) throw await this.#refusal(call, reply);
      await reply.body.dump();
      url = new URL(location, url);
    }
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  async #authenticated(call: Call, url: URL, signal: AbortSignal): Promise<Reply> {
    // A presigned address on another server must not see our token, and some refuse requests that carry one.
    const ours = url.origin === this.origin;
    for (let rejected = false; ; rejected = true) {
      const authorization = ours ? await this.#tokens.authorization(call.scopes, signal) : null;
      const reply = await this.#raw(call, url, { authorization: authorization?.reveal() ?? null, signal });
      if (reply.status !== 401 || !ours || rejected || call.expected.includes(401)) return reply;
      const challenges = parseChallenges([reply.headers["www-authenticate"] ?? []].flat());
      if (!this.#tokens.learn(challenges, call.scopes, authorization)) return reply;
      await reply.body.dump();
    }
  }

  async #raw(
    call: Call,
    url: URL,
    { authorization, signal }: { authorization: string | null; signal: AbortSignal },
  ): Promise<Reply> {
    const headers = {
      "user-agent": "mirror-agent",
      ...call.headers,
      ...(authorization === null ? {} : { authorization }),
    };
    const { timeoutMs } = this.#options;
    const request: RawRequest = {
      method: call.method,
      url,
      headers,
      body: call.body?.() ?? null,
      headersTimeoutMs: call.headersTimeoutMs ?? timeoutMs,
      bodyTimeoutMs: timeoutMs,
    };
    try {
      const { statusCode, headers: answered, body } = await this.#transport.request(request, signal);
      return { status: statusCode, url, headers: answered, body };
    } catch (cause) {
      signal.throwIfAborted();
      throw networkError(call.what, cause);
    }
  }

  async #refusal(call: Call, reply: Reply): Promise<Error> {
    const text = await reply.body.text().catch(() => "");
    const anonymous = reply.status === 401 && isAnonymous(this.#options.credential);
    const what = anonymous ? `${call.what} without user and password` : call.what;
    return answerError(what, { status: reply.status, headers: reply.headers, text }, Date.now());
  }

  #passOnWarnings(reply: Reply): void {
    for (const warning of [reply.headers.warning ?? []].flat()) {
      // distribution-spec: `299 - "text"`.
      const text = /^299 \S+ "((?:[^"\\]|\\.)*)"/.exec(warning)?.[1];
      if (text === undefined || this.#warned.has(text)) continue;
      this.#warned.add(text);
      this.#options.onWarning(text);
    }
  }
}

/** "push" where a push asks: one token then does for all that it does in a repository. */
export type Purpose = "pull" | "push";

/** The scope of a request to one repository (distribution, auth/scope.md). */
export function scopeOf(repository: string, purpose: Purpose): string {
  const actions = purpose === "push" ? "pull,push" : "pull";
  return `repository:${repository}:${actions}`;
}
