// One probe of one endpoint: GET /v2/ at the root of its server, with the trust, proxy and credential that
// containerd would use there. What cannot be reached, or answers wrongly, is a result, not an error.

import { serverRoot } from "../core/endpoint.ts";
import type { ProbeResult } from "../core/probe-result.ts";
import type { ProxyEnvironment } from "../core/proxy.ts";
import { judgeAnswer } from "./answer-verdict.ts";
import { type FollowedAnswer, getFollowing } from "./follow-redirects.ts";
import { HttpClient, type HttpRequest } from "./http-client.ts";
import { RequestFailure } from "./request-failure.ts";
import type { TlsMaterial } from "./tls-material.ts";

export interface ProbeTarget {
  /** The endpoint's URL; its namespace plays no part. */
  readonly url: string;
  readonly tls: TlsMaterial;
  /** A whole Authorization header, or null; a secret. */
  readonly authorization: string | null;
  readonly timeoutMs: number;
  readonly proxy: ProxyEnvironment;
}

export interface Challenge {
  /** The WWW-Authenticate header. */
  readonly challenge: string;
  /** Who gave it. */
  readonly url: URL;
  readonly target: ProbeTarget;
}

/** Answers a challenge with an Authorization header for a second try; null to try without one. */
export type Authorize = (challenge: Challenge, signal: AbortSignal) => Promise<string | null>;

interface Answer extends FollowedAnswer {
  /** Whoever gave the answer had been sent a credential. */
  readonly authorized: boolean;
}

const MAX_BODY_BYTES = 64 * 1024;

/** Probes endpoints, and keeps connections between probes until it is closed. */
export class ProbeClient {
  readonly #client: HttpClient;
  readonly #authorize: Authorize | null;

  constructor({
    client = new HttpClient(),
    authorize = null,
  }: { client?: HttpClient; authorize?: Authorize | null } = {}) {
    this.#client = client;
    this.#authorize = authorize;
  }

  /** Measures once, within target.timeoutMs for each of at most two tries. Rejects only when the signal is aborted. */
  async probe(target: ProbeTarget, signal: AbortSignal): Promise<ProbeResult> {
    const start = performance.now();
    try {
      const answer = await this.#ask(target, signal);
      const verdict = judgeAnswer(answer, { authorized: answer.authorized });
      const measured = { latencyMs: since(start), certificateExpiresAtMs: answer.certificateExpiresAtMs };
      return verdict.ok ? { ...verdict, ...measured, isDeep: false } : { ...verdict, ...measured };
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      const { reason, message, certificateExpiresAtMs } = error;
      return { ok: false, reason, detail: message, latencyMs: since(start), certificateExpiresAtMs };
    }
  }

  close(): void {
    this.#client.close();
  }

  async #ask(target: ProbeTarget, signal: AbortSignal): Promise<Answer> {
    const first = await this.#get(target, target.authorization, signal);
    const challenge = first.headers["www-authenticate"];
    if (first.status !== 401 || challenge === undefined || this.#authorize === null) return first;
    const authorization = await this.#authorize({ challenge, url: first.url, target }, signal);
    // Without one it is worth another try where the first carried one: some that are open refuse a wrong header.
    const isSame = authorization === null && target.authorization === null;
    return isSame ? first : this.#get(target, authorization, signal);
  }

  async #get(target: ProbeTarget, authorization: string | null, signal: AbortSignal): Promise<Answer> {
    const request: HttpRequest = {
      url: new URL("/v2/", serverRoot(target.url)),
      headers: authorization === null ? {} : { Authorization: authorization },
      tls: target.tls,
      proxy: target.proxy,
      timeoutMs: target.timeoutMs,
      maxBodyBytes: MAX_BODY_BYTES,
    };
    const answer = await getFollowing(this.#client, request, signal);
    return { ...answer, authorized: authorization !== null && answer.url.origin === request.url.origin };
  }
}

function since(start: number): number {
  return performance.now() - start;
}
