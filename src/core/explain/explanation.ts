// Everything that `explain` found out about one image, as a value without secrets: the screen and the JSON are made
// of it.

import { formatImageName } from "../image-name.ts";
import type { ImageReference } from "../image-reference.ts";
import type { Answer } from "./answers.ts";
import { isWebPage } from "./describe-answer.ts";
import { costOfSilence, type PullMode } from "./failure-cost.ts";
import type { AskedHost, Forecast } from "./forecast.ts";
import { manifestUrl, type PullHost, type RouteSource } from "./pull-hosts.ts";

export interface Explanation {
  readonly schema: 1;
  /** In full: "docker.io/library/busybox:latest". */
  readonly image: string;
  readonly registry: string;
  readonly containerd: {
    readonly version: string;
    readonly isRunning: boolean;
    readonly configPath: string;
    readonly configPathFrom: string | null;
    /** Why the forecast holds only after a restart of it; null: it holds now. */
    readonly pending: string | null;
  };
  readonly source: RouteSource;
  /** Folders that exist and are not read because of the one that is; a registry's own routes before _default are no news. */
  readonly hidden: readonly string[];
  /** What is legal and hardly meant; sentences. */
  readonly doubts: readonly string[];
  readonly hosts: readonly ExplainedHost[];
  /** Servers that have the image under different digests. */
  readonly digestsDiffer: boolean;
  /** What a server that takes requests and says nothing costs on this version. */
  readonly silence: ReturnType<typeof costOfSilence>;
  readonly forecast: Forecast;
}

export interface ExplainedHost {
  readonly role: PullHost["role"];
  readonly endpoint: string;
  /** What containerd requests first. */
  readonly url: string;
  readonly capabilities: readonly string[];
  readonly credential: string;
  /** Each request waits so long for a connection. */
  readonly dialTimeoutMs: number;
  readonly certificateExpiresAt: string | null;
  readonly manifest: Answer | null;
  readonly manifestByDigest: Answer | null;
  readonly blob: Answer | null;
}

export interface ExplanationParts {
  readonly reference: ImageReference;
  readonly containerd: Explanation["containerd"];
  readonly mode: PullMode;
  readonly source: RouteSource;
  readonly hidden: readonly string[];
  readonly doubts: readonly string[];
  /** Empty where the pull fails before anybody is asked. */
  readonly asked: readonly AskedHost[];
  readonly credentialOf: (host: PullHost) => string;
  readonly forecast: Forecast;
}

/** Puts an explanation together. */
export function compileExplanation(parts: ExplanationParts): Explanation {
  const { reference, asked, containerd, source, hidden, doubts, forecast, mode } = parts;
  const digests = new Set(asked.flatMap(({ answers: { resolve } }) => digestOf(resolve)));
  return {
    schema: 1,
    image: formatImageName(reference),
    registry: reference.registry,
    containerd,
    source,
    hidden: hidden.filter((path) => source.kind !== "hosts.toml" || !path.endsWith("/_default")),
    doubts,
    hosts: asked.map((one) => explainHost(one, parts)),
    digestsDiffer: digests.size > 1,
    silence: costOfSilence(mode),
    forecast,
  };
}

/** 0 where a pull would succeed now, else 1. */
export function explanationExitCode({ forecast, containerd }: Explanation): 0 | 1 {
  return forecast.kind === "served" && containerd.pending === null ? 0 : 1;
}

/** How a host's credential gets there, in words without the credential. */
export function describeCredential({ headers }: PullHost, { hasLogin }: { hasLogin: boolean }): string {
  const names = Object.keys(headers);
  const scheme = /^(Basic|Bearer) /.exec(headers.Authorization?.reveal() ?? "")?.[1];
  const shown = names.map((name) => (name === "Authorization" && scheme ? `Authorization (${scheme})` : name));
  const ways = [
    ...(names.length > 0 ? [`header ${shown.join(", ")} in hosts.toml`] : []),
    ...(hasLogin ? ["registry.configs in config.toml, if it asks"] : []),
  ];
  return ways.length > 0 ? ways.join("; ") : "none but a pod's own pull secret, if it asks";
}

function explainHost({ host, answers }: AskedHost, { reference, credentialOf }: ExplanationParts): ExplainedHost {
  const expiresAtMs = answers.certificateExpiresAtMs;
  return {
    role: host.role,
    endpoint: host.roots[0],
    url: manifestUrl(host, host.roots[0], reference).href,
    capabilities: host.capabilities,
    credential: credentialOf(host),
    dialTimeoutMs: host.dialTimeoutMs,
    certificateExpiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    manifest: answers.resolve,
    manifestByDigest: answers.manifests.at(-1) ?? null,
    blob: answers.blob,
  };
}

function digestOf(answer: Answer): string[] {
  if (answer.kind !== "answered" || answer.status >= 300 || isWebPage(answer)) return [];
  return answer.digest === null ? [] : [answer.digest];
}
