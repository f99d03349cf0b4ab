// What a pull would do now, from what each server answers: containerd's own order of asking, gone through with the
// answers at hand (resolver.go, Resolve; fetcher.go, Fetch). Each thing that is fetched starts at the first server
// again: containerd does not remember who failed.

import { asksDigestAsBlobAlways } from "../containerd-config/versions.ts";
import type { Answer, Answered, HostAnswers, ImageFacts } from "./answers.ts";
import { isWebPage } from "./describe-answer.ts";
import { costOf, type PullMode } from "./failure-cost.ts";
import type { PullHost } from "./pull-hosts.ts";

export type PullStep = "resolve" | "manifest" | "blob";

export type Forecast =
  /** `by`: the server of the blobs; `resolvedBy`: the one that turns the tag into a digest. Indexes into the hosts. */
  | { readonly kind: "served"; readonly by: number; readonly resolvedBy: number; readonly delayMs: number }
  | { readonly kind: "fails"; readonly because: string; readonly at: number | null; readonly delayMs: number }
  | {
      readonly kind: "hangs";
      readonly at: number;
      readonly step: PullStep;
      /** Null: for ever. */
      readonly cancelledAfterMs: number | null;
      readonly delayMs: number;
    };

export interface AskedHost {
  readonly host: PullHost;
  readonly answers: HostAnswers;
}

export interface ForecastOptions {
  readonly mode: PullMode;
  readonly isDigest: boolean;
  /** Null where no server resolves the image. */
  readonly image: ImageFacts | null;
}

/** How many blobs containerd fetches at the same time. */
const PARALLEL_BLOBS = 3;

/** What happens to a pull that begins now. */
export function forecastPull(asked: readonly AskedHost[], options: ForecastOptions): Forecast {
  const resolved = forecastResolve(asked, options);
  if (resolved.kind !== "served") return resolved;
  const page = asked[resolved.by]?.answers.resolve;
  // What resolves is taken at its word, and found to be no image once it is fetched: from the first server on again.
  if (page?.kind === "answered" && isWebPage(page)) {
    const because = 'the manifest is of the type "text/html"';
    return { kind: "fails", because, at: resolved.by, delayMs: 2 * resolved.delayMs };
  }
  const fetched = forecastFetches(asked, options);
  const delayMs = resolved.delayMs + fetched.delayMs;
  return fetched.kind === "served" ? { ...fetched, resolvedBy: resolved.by, delayMs } : { ...fetched, delayMs };
}

/** The server that turns the tag into a digest, and how long it takes to get to it. */
export function forecastResolve(asked: readonly AskedHost[], options: Omit<ForecastOptions, "image">): Forecast {
  const wanted = options.isDigest ? ["pull"] : ["pull", "resolve"];
  const may = ({ host }: AskedHost): boolean => wanted.every((capability) => host.capabilities.includes(capability));
  if (!asked.some(may))
    return { kind: "fails", because: "no host may resolve it: see capabilities", at: null, delayMs: 0 };
  const walked = walk(asked, { ...options, step: "resolve", answerOf: ({ resolve }) => resolve, may });
  if (walked.kind !== "fails" || walked.at !== null || !options.isDigest) return walked;
  return asksDigestAsBlobAlways(options.mode.version) ? { ...walked, delayMs: walked.delayMs * 2 } : walked;
}

function forecastFetches(asked: readonly AskedHost[], { mode, image }: ForecastOptions): Forecast {
  const manifests = Math.max(...asked.map(({ answers }) => answers.manifests.length));
  let delayMs = 0;
  let last: Forecast | null = null;
  for (let index = 0; index < manifests; index++) {
    last = walk(asked, { mode, step: "manifest", answerOf: ({ manifests }) => manifests[index] ?? null });
    delayMs += last.delayMs;
    if (last.kind !== "served") return { ...last, delayMs };
  }
  const because = image?.problem ?? null;
  if (because !== null) return { kind: "fails", because, at: last?.by ?? null, delayMs };
  // One that trickles is waited for, longer than it was here: which blobs it leads to is not known.
  if (last !== null && asked.every(({ answers }) => answers.blob === null)) return { ...last, delayMs };
  const blob = walk(asked, { mode, step: "blob", answerOf: ({ blob }) => blob });
  const waves = 1 + Math.ceil((image?.layers ?? 1) / PARALLEL_BLOBS);
  return { ...blob, delayMs: delayMs + blob.delayMs * waves };
}

interface Walk {
  readonly mode: PullMode;
  readonly step: PullStep;
  readonly answerOf: (answers: HostAnswers) => Answer | null;
  readonly may?: (asked: AskedHost) => boolean;
}

function walk(asked: readonly AskedHost[], { mode, step, answerOf, may = () => true }: Walk): Forecast {
  const watchdogMs = mode.isLocal ? mode.progressTimeoutMs : null;
  let delayMs = 0;
  for (const [at, one] of asked.entries()) {
    const answer = answerOf(one.answers);
    if (answer === null || !may(one)) continue;
    const verdict = judge(answer, one.host, { mode, step });
    if (verdict.kind === "served") return { kind: "served", by: at, resolvedBy: at, delayMs };
    if (verdict.kind === "fails") return { kind: "fails", because: verdict.because, at, delayMs };
    if (verdict.kind === "hangs")
      return { kind: "hangs", at, step, cancelledAfterMs: verdict.cancelledAfterMs, delayMs };
    delayMs += verdict.ms;
    if (watchdogMs !== null && delayMs >= watchdogMs)
      return { kind: "hangs", at, step, cancelledAfterMs: watchdogMs, delayMs };
  }
  return { kind: "fails", because: NOBODY[step], at: null, delayMs };
}

const NOBODY: Readonly<Record<PullStep, string>> = {
  resolve: "no server has it",
  manifest: "no server gives its manifest",
  blob: "no server gives its blobs",
};

type Verdict =
  | { readonly kind: "served" }
  | { readonly kind: "next"; readonly ms: number }
  | { readonly kind: "fails"; readonly because: string }
  | { readonly kind: "hangs"; readonly cancelledAfterMs: number | null };

function judge(answer: Answer, host: PullHost, { mode, step }: { mode: PullMode; step: PullStep }): Verdict {
  if (answer.kind === "failed") {
    if (answer.reason === "slow") return { kind: "served" };
    const cost = costOf(answer, host.dialTimeoutMs, mode);
    return cost.kind === "fails" ? { kind: "fails", because: answer.detail } : cost;
  }
  if (answer.status >= 400) return { kind: "next", ms: answer.ms };
  if (answer.status >= 300) return judgeRedirect(answer, step);
  if (answer.isWrong === true) return { kind: "fails", because: `what it sends for the ${step} has another digest` };
  return { kind: "served" };
}

// Go follows redirects; what is left of them has no place to go (resolver.go fails there, fetcher.go goes on).
function judgeRedirect({ status, ms }: Answered, step: PullStep): Verdict {
  return step === "resolve"
    ? { kind: "fails", because: `it answers ${status} without a place to go` }
    : { kind: "next", ms };
}
