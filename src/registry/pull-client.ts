// Gets manifests and blobs as containerd does when it pulls through a mirror: `?ns=` names the registry that the
// mirror stands for (remotes/docker/registry.go, isProxy), and a 401 is answered with a credential for the repository.

import { serverRoot } from "../core/endpoint.ts";
import { fetchAnonymousToken } from "./anonymous-token.ts";
import type { EndpointAuth } from "./endpoint-auth.ts";
import { type FollowedAnswer, getFollowing } from "./follow-redirects.ts";
import type { HttpClient } from "./http-client.ts";
import type { ProbeTarget } from "./probe.ts";
import { createSend } from "./send.ts";

export interface Repository {
  /** The registry in the image's name. */
  readonly registry: string;
  /** Without the endpoint's namespace. */
  readonly name: string;
}

export interface PullOptions {
  readonly client: HttpClient;
  readonly auth: Pick<EndpointAuth, "current" | "authorize">;
  readonly target: Omit<ProbeTarget, "authorization">;
  readonly repository: Repository;
}

export interface PullRequest {
  /** "manifests/3.9", "blobs/sha256:..." */
  readonly path: string;
  readonly accept: string;
  /** What comes after so many bytes is not read. */
  readonly maxBodyBytes: number;
}

export interface PullAnswer extends FollowedAnswer {
  /** Whoever gave the answer had been sent a credential. */
  readonly authorized: boolean;
}

/** Requests for one repository of one endpoint. */
export class PullClient {
  readonly #options: PullOptions;
  readonly #origin: string;
  readonly #root: string;
  readonly #scope: string;
  #authorization: string | null = null;

  constructor(options: PullOptions) {
    const { target, repository } = options;
    const namespace = new URL(target.url).pathname.replace(/^\/(v2\/?)?/, "");
    const name = namespace === "" ? repository.name : `${namespace}/${repository.name}`;
    this.#options = options;
    this.#origin = serverRoot(target.url);
    this.#root = `/v2/${name}`;
    this.#scope = `repository:${name}:pull`;
  }

  /** Within target.timeoutMs for each of at most two tries. Throws RequestFailure where no whole answer came. */
  async get(request: PullRequest, signal: AbortSignal): Promise<PullAnswer> {
    this.#authorization ??= this.#options.auth.current([this.#scope])?.reveal() ?? null;
    const first = await this.#send(request, signal);
    const challenge = first.headers["www-authenticate"];
    if (first.status !== 401 || challenge === undefined) return first;
    const authorization = await this.#authorize(challenge, signal);
    if (authorization === null) return first;
    this.#authorization = authorization;
    return this.#send(request, signal);
  }

  async #send({ path, accept, maxBodyBytes }: PullRequest, signal: AbortSignal): Promise<PullAnswer> {
    const { client, target, repository } = this.#options;
    const { tls, proxy, timeoutMs } = target;
    const url = new URL(`${this.#root}/${path}`, this.#origin);
    if (url.host !== repository.registry) url.searchParams.set("ns", repository.registry);
    const authorization = this.#authorization;
    const headers = { Accept: accept, ...(authorization === null ? {} : { Authorization: authorization }) };
    const answer = await getFollowing(client, { url, headers, tls, proxy, timeoutMs, maxBodyBytes }, signal);
    return { ...answer, authorized: authorization !== null && answer.url.origin === url.origin };
  }

  async #authorize(challenge: string, signal: AbortSignal): Promise<string | null> {
    const { client, auth, target } = this.#options;
    const scope = this.#scope;
    const { tls, proxy, timeoutMs } = target;
    const own = await auth.authorize({ rejected: this.#authorization !== null, scopes: [scope], timeoutMs }, signal);
    if (own !== null) return own.reveal();
    const send = createSend(client, { tls, proxy, timeoutMs });
    return (await fetchAnonymousToken({ challenge, origin: this.#origin, scope }, send, signal))?.reveal() ?? null;
  }
}
