// Asks all servers of a registry for one image at once, as a pull would one after the other: the manifest by name,
// then what that leads to by digest. A server that gave no answer at all is not asked again.

import type { Answer, HostAnswers, ImageFacts } from "../core/explain/answers.ts";
import { isWebPage } from "../core/explain/describe-answer.ts";
import type { PullMode } from "../core/explain/failure-cost.ts";
import { type AskedHost, forecastResolve } from "../core/explain/forecast.ts";
import { contentUrl, manifestUrl, type PullHost } from "../core/explain/pull-hosts.ts";
import { type ContentDescriptor, type ReadManifest, readManifest } from "../core/explain/read-manifest.ts";
import type { ImageReference } from "../core/image-reference.ts";
import { type ContainerdAsker, digestOf, type Question, type Reply } from "./ask-as-containerd.ts";

export interface HostToAsk {
  readonly host: PullHost;
  readonly asker: ContainerdAsker;
}

export interface AskedImage {
  readonly asked: readonly AskedHost[];
  readonly image: ImageFacts | null;
}

export interface AskOptions {
  readonly reference: ImageReference;
  readonly mode: PullMode;
  /** In Go's words: "amd64". */
  readonly architecture: string;
}

const MANIFEST_TYPES = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "*/*",
].join(", ");

const MOST_MANIFEST_BYTES = 4 * 1048 * 1048;
/** Enough to see that a blob flows. */
const FIRST_BLOB_BYTES = 64 * 1024;

/** Asks for everything; rejects only when the signal is aborted. */
export async function askHosts(
  hosts: readonly HostToAsk[],
  options: AskOptions,
  signal: AbortSignal,
): Promise<AskedImage> {
  const resolved = await Promise.all(hosts.map((one) => askResolve(one, options.reference, signal)));
  const begun = new Begun(hosts, resolved, options.reference.repository);
  const digest = chooseDigest(begun.asked, options);
  if (digest === null) return { asked: begun.asked, image: null };
  let body = await begun.askManifest(digest, signal);
  let read = body === null ? null : readManifest(body, options.architecture);
  if (read?.kind === "index" && read.child !== null) {
    body = await begun.askManifest(read.child, signal);
    read = body === null ? null : readManifest(body, options.architecture);
  }
  if (read?.kind === "image") await begun.askBlob(read.smallest, signal);
  const layers = read?.kind === "image" ? read.layers : null;
  return { asked: begun.asked, image: { digest, layers, problem: findProblem(read, options) } };
}

function findProblem(read: ReadManifest | null, { architecture }: AskOptions): string | null {
  if (read?.kind === "index" && read.child === null) return `its index has no image for linux/${architecture}`;
  return read === null || read.kind === "image" ? null : "its manifest is not that of an image";
}

// What the pull resolves to, or, where it gets nowhere, what anybody says. The hash of a web page is nobody's digest.
function chooseDigest(asked: readonly AskedHost[], { reference, mode }: AskOptions): string | null {
  if (reference.digest !== null) return reference.digest;
  const forecast = forecastResolve(asked, { mode, isDigest: false });
  const by = forecast.kind === "served" ? forecast.by : null;
  const digests = asked.map(({ answers: { resolve } }) =>
    isFound(resolve) && !isWebPage(resolve) ? resolve.digest : null,
  );
  const chosen = by === null ? undefined : digests[by];
  return chosen ?? digests.find((digest) => digest !== null) ?? null;
}

async function askResolve({ host, asker }: HostToAsk, reference: ImageReference, signal: AbortSignal): Promise<Reply> {
  const question = {
    urlAt: (root: string) => manifestUrl(host, root, reference),
    accept: MANIFEST_TYPES,
    maxBodyBytes: MOST_MANIFEST_BYTES,
  };
  const head = await asker.ask({ ...question, method: "HEAD" }, signal);
  const { answer } = head;
  if (answer.kind === "failed") return head;
  const isVague = answer.status < 300 && (answer.digest === null || head.length === null);
  if (!isVague && answer.status !== 405) return head;
  // As containerd: the digest is then that of whatever the body is.
  const get = await asker.ask({ ...question, method: "GET" }, signal);
  if (!isFound(get.answer)) return { ...get, answer: brokenOff(get.answer, isVague) };
  return { ...get, answer: { ...get.answer, digest: answer.digest ?? digestOf(get.body) } };
}

// After a HEAD that succeeded, a GET that does not is the end of the pull (resolver.go, Resolve).
function brokenOff(answer: Answer, isVague: boolean): Answer {
  return isVague && answer.kind === "failed" ? { ...answer, begun: true } : answer;
}

/** The servers and their answers so far. */
class Begun {
  readonly #hosts: readonly HostToAsk[];
  readonly #repository: string;
  #answers: readonly HostAnswers[];

  constructor(hosts: readonly HostToAsk[], resolved: readonly Reply[], repository: string) {
    this.#hosts = hosts;
    this.#repository = repository;
    this.#answers = resolved.map(({ answer, certificateExpiresAtMs }) => ({
      resolve: answer,
      manifests: [],
      blob: null,
      certificateExpiresAtMs,
    }));
  }

  get asked(): readonly AskedHost[] {
    return this.#hosts.map(({ host }, index) => ({ host, answers: this.#answers[index] as HostAnswers }));
  }

  /** The first body that has this digest; null if nobody sends it. */
  async askManifest(digest: string, signal: AbortSignal): Promise<string | null> {
    const replies = await this.#askAll("manifests", { digest, size: MOST_MANIFEST_BYTES }, signal);
    const checked = replies.map((reply) => checkDigest(reply, { digest, size: reply.body.length }));
    this.#answers = this.#answers.map((answers, index) => ({
      ...answers,
      manifests: [...answers.manifests, checked[index] as Answer],
    }));
    const index = checked.findIndex((answer) => isFound(answer) && answer.isWrong === false);
    return replies[index]?.body.toString("utf8") ?? null;
  }

  async askBlob(blob: ContentDescriptor, signal: AbortSignal): Promise<void> {
    const replies = await this.#askAll("blobs", blob, signal);
    this.#answers = this.#answers.map((answers, index) => ({
      ...answers,
      blob: checkDigest(replies[index] as Reply, blob),
    }));
  }

  async #askAll(
    kind: "manifests" | "blobs",
    { digest, size }: ContentDescriptor,
    signal: AbortSignal,
  ): Promise<Reply[]> {
    const maxBodyBytes = kind === "manifests" ? size : Math.min(size + 1, FIRST_BLOB_BYTES);
    return Promise.all(
      this.#hosts.map(({ host, asker }, index) => {
        const { resolve, certificateExpiresAtMs } = this.#answers[index] as HostAnswers;
        if (resolve.kind === "failed") {
          return { answer: resolve, body: Buffer.alloc(0), certificateExpiresAtMs, length: null };
        }
        const urlAt = (root: string): URL => contentUrl(host, root, { repository: this.#repository, kind, digest });
        const question: Question = { method: "GET", urlAt, accept: MANIFEST_TYPES, maxBodyBytes };
        return asker.ask(question, signal);
      }),
    );
  }
}

/** Says of an answer whether its body has the digest; of a body that was not read to its end nobody knows. */
function checkDigest({ answer, body }: Reply, { digest, size }: ContentDescriptor): Answer {
  if (!isFound(answer)) return answer;
  const isPart = body.length < size && body.length >= FIRST_BLOB_BYTES;
  return { ...answer, isWrong: isPart ? null : digestOf(body) !== digest };
}

function isFound(answer: Answer): answer is Answer & { kind: "answered" } {
  return answer.kind === "answered" && answer.status < 300;
}
