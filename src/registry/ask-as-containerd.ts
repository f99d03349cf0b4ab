// Asks a server what containerd would ask it, with what containerd would send: the headers of hosts.toml with every
// request, a token where the server demands one. In one thing it is stricter: no header or login of a host goes where
// a redirect leads, while containerd sends some headers along, and shows the host's to a token server named there.

import { hash } from "node:crypto";
import { type ContainerdVersion, headersReachTokenEndpoint } from "../core/containerd-config/versions.ts";
import { basicAuthorization, bearerAuthorization, type Credential } from "../core/credentials/credential.ts";
import type { Secret } from "../core/credentials/secret.ts";
import type { Answer } from "../core/explain/answers.ts";
import { parseBasic } from "../core/explain/find-login.ts";
import type { PullHost } from "../core/explain/pull-hosts.ts";
import type { ProxyEnvironment } from "../core/proxy.ts";
import { findChallenge, parseChallenges } from "./challenge.ts";
import type { HttpAnswer, HttpClient } from "./http-client.ts";
import { realmProblem } from "./realm.ts";
import { RequestFailure } from "./request-failure.ts";
import { createSend } from "./send.ts";
import type { TlsMaterial } from "./tls-material.ts";
import { requestToken } from "./token.ts";

export interface AskSettings {
  readonly host: PullHost;
  readonly tls: TlsMaterial;
  readonly proxy: ProxyEnvironment;
  /** What config.toml has for this server. */
  readonly login: Credential;
  readonly version: ContainerdVersion;
  readonly repository: string;
  readonly timeoutMs: number;
}

export interface Question {
  readonly method: "GET" | "HEAD";
  readonly urlAt: (root: string) => URL;
  readonly accept: string;
  readonly maxBodyBytes: number;
}

export interface Reply {
  readonly answer: Answer;
  readonly body: Buffer;
  readonly certificateExpiresAtMs: number | null;
  /** The length that the server announced. */
  readonly length: number | null;
}

/** A body that flows may take so many times the limit for an answer. */
const FLOWING = 4;
const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Asks one server, and remembers the token that it takes and whether it speaks TLS. */
export class ContainerdAsker {
  readonly #client: Pick<HttpClient, "get">;
  readonly #settings: AskSettings;
  #root: string;
  #authorization: Secret | null = null;

  constructor(client: Pick<HttpClient, "get">, settings: AskSettings) {
    this.#client = client;
    this.#settings = settings;
    this.#root = settings.host.roots[0];
  }

  /** Asks; rejects only when the signal is aborted. */
  async ask(question: Question, signal: AbortSignal): Promise<Reply> {
    const start = performance.now();
    try {
      const answer = await this.#askRoots(question, signal);
      return replyOf(answer, performance.now() - start);
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      const { message: detail, begun, certificateExpiresAtMs } = error;
      // containerd has patience with what flows, however slowly: its watchdog counts from byte to byte.
      const reason = error.flowing ? "slow" : error.reason;
      const answer = { kind: "failed", reason, detail, begun, ms: performance.now() - start } as const;
      return { answer, body: Buffer.alloc(0), certificateExpiresAtMs, length: null };
    }
  }

  // docker.NewHTTPFallback: the same request without TLS where the server does not speak it, from then on.
  async #askRoots(question: Question, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      return await this.#askAuthorized(question, signal);
    } catch (error) {
      const plain = this.#settings.host.roots[1];
      const noTls = error instanceof RequestFailure && (error.reason === "tls" || error.reason === "tls-timeout");
      if (!noTls || plain === undefined || this.#root === plain) throw error;
      this.#root = plain;
      return this.#askAuthorized(question, signal);
    }
  }

  async #askAuthorized(question: Question, signal: AbortSignal): Promise<HttpAnswer> {
    const { answer, origin } = await this.#askFollowing(question, signal);
    const demanded = answer.headers["www-authenticate"];
    if (answer.status !== 401 || demanded === undefined || origin !== new URL(this.#root).origin) return answer;
    this.#authorization = await this.#authorize(demanded, signal);
    return this.#authorization === null ? answer : (await this.#askFollowing(question, signal)).answer;
  }

  /** The answer at the end of all redirects, and who gave it. */
  async #askFollowing(question: Question, signal: AbortSignal): Promise<{ answer: HttpAnswer; origin: string }> {
    const { tls, proxy, timeoutMs } = this.#settings;
    const first = question.urlAt(this.#root);
    const endsAt = performance.now() + timeoutMs;
    let url = first;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const headers = { Accept: question.accept, ...(url.origin === first.origin ? this.#headers() : {}) };
      const request = { url, headers, tls, proxy, maxBodyBytes: question.maxBodyBytes };
      const left = { timeoutMs: Math.max(1, endsAt - performance.now()), maxBodyMs: FLOWING * timeoutMs };
      const method = question.method === "HEAD" ? { method: question.method } : {};
      const answer = await this.#client.get({ ...request, ...left, ...method }, signal);
      const place = REDIRECTS.has(answer.status) ? URL.parse(answer.headers.location ?? "", url) : null;
      if (place === null || answer.headers.location === undefined) return { answer, origin: url.origin };
      url = place;
    }
    throw new RequestFailure("redirect-loop", `still redirected after ${MAX_REDIRECTS} redirects`);
  }

  #headers(): Record<string, string> {
    const own = Object.entries(this.#settings.host.headers).map(([name, value]) => [name, value.reveal()] as const);
    // containerd's authorizer sets the canonical name; another spelling goes along as a second header.
    const token = this.#authorization === null ? {} : { Authorization: this.#authorization.reveal() };
    return { ...Object.fromEntries(own), ...token };
  }

  async #authorize(demanded: string, signal: AbortSignal): Promise<Secret | null> {
    const { host, tls, proxy, repository, timeoutMs, login } = this.#settings;
    const challenges = parseChallenges([demanded].flat());
    const bearer = findChallenge(challenges, "bearer");
    if (bearer === null) {
      const asksBasic = findChallenge(challenges, "basic") !== null;
      return asksBasic && login.kind === "basic" ? basicAuthorization(login.username, login.password) : null;
    }
    const { realm = "", service = null, scope } = bearer.params;
    if (realmProblem(realm, new URL(this.#root).origin) !== null) return null;
    const own = `repository:${repository}:pull`;
    const scopes = [...new Set([...(scope === undefined ? [] : [scope]), own])];
    const credential = login.kind === "none" ? this.#headerLogin(host) : login;
    const send = createSend(this.#client, { tls, proxy, timeoutMs });
    const answer = await requestToken({ realm, service, scopes, credential }, send, signal);
    return answer.kind === "token" ? bearerAuthorization(answer.token) : null;
  }

  #headerLogin({ headers }: PullHost): Credential {
    const [, base64] = /^Basic (.+)$/i.exec(headers.Authorization?.reveal() ?? "") ?? [];
    const reaches = headersReachTokenEndpoint(this.#settings.version);
    return (reaches && base64 !== undefined ? parseBasic(base64) : null) ?? { kind: "none" };
  }
}

/** "sha256:..." of some bytes. */
export function digestOf(body: Buffer): string {
  return `sha256:${hash("sha256", body)}`;
}

function replyOf({ status, headers, body, certificateExpiresAtMs }: HttpAnswer, ms: number): Reply {
  const length = headers["content-length"] === undefined ? null : Number(headers["content-length"]);
  const digest = headers["docker-content-digest"];
  const mediaType = headers["content-type"]?.split(";")[0]?.trim() ?? "";
  const answer: Answer = {
    kind: "answered",
    status,
    ms,
    digest: typeof digest === "string" ? digest : null,
    mediaType,
    isWrong: null,
    bytes: body.length,
  };
  return { answer, body, certificateExpiresAtMs, length };
}
