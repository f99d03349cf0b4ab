// The screen of `mirror-agent explain`: first what a pull would do, then where containerd reads that, then each server
// with its answers. What needs a sentence has a line of its own, so that it is right at 80 columns.

import { isDeepStrictEqual } from "node:util";
import { describeFault } from "../core/describe-fault.ts";
import type { Answer } from "../core/explain/answers.ts";
import { contextOf, describeAnswer, isSlow, isWebPage } from "../core/explain/describe-answer.ts";
import { type ExplainedHost, type Explanation, explanationExitCode } from "../core/explain/explanation.ts";
import { TLS_TIMEOUT_MS } from "../core/explain/failure-cost.ts";
import type { Forecast } from "../core/explain/forecast.ts";
import type { AgentNote } from "./agent-notes.ts";
import { escapeControl } from "./escape-control.ts";
import { wrapText } from "./fit-text.ts";
import { humaniseDuration } from "./humanise.ts";
import { type Colour, paint } from "./table.ts";

export interface RenderExplanationOptions {
  readonly colour: boolean;
  readonly nowMs: number;
  /** Columns of the terminal. */
  readonly width?: number;
  /** What the agent says, where it runs. */
  readonly notes?: readonly AgentNote[];
}

/** The explanation for people; ends with a newline. */
export function renderExplanation(explanation: Explanation, options: RenderExplanationOptions): string {
  const { image, hosts, containerd } = explanation;
  const paragraphs = [
    [
      line(image, "bold"),
      line(describeForecast(explanation), toneOfForecast(explanation)),
      ...(containerd.pending === null ? [] : [line(containerd.pending, "yellow")]),
      ...(options.notes ?? []).map((note) => line(describeNote(note, options.nowMs), "yellow")),
    ],
    describeReading(explanation),
    ...hosts.map((host, index) => describeHost(host, { index, explanation, nowMs: options.nowMs })),
    describeRisks(explanation),
  ];
  const shown = paragraphs.filter((lines) => lines.length > 0).map((lines) => renderLines(lines, options));
  return `${shown.join("\n\n")}\n`;
}

interface Line {
  /** Left to the terminal to wrap, so that it can be copied in one piece. */
  readonly isWhole?: boolean;
  readonly label: string;
  readonly text: string;
  readonly tone: Colour | null;
}

// Much of it is from files and answers of others.
function line(text: string, tone: Colour | null = null, label = ""): Line {
  return { label, text: escapeControl(text), tone };
}

function renderLines(
  lines: readonly Line[],
  { colour, width = Number.POSITIVE_INFINITY }: RenderExplanationOptions,
): string {
  const rows = lines.flatMap(({ label, text, tone, isWhole = false }) =>
    wrapText(`${label}${text}`, isWhole ? Number.POSITIVE_INFINITY : width, " ".repeat(label.length)).map(
      (row, index) => {
        const from = index === 0 ? label.length : 0;
        return `${row.slice(0, from)}${paint(row.slice(from), tone, colour)}`;
      },
    ),
  );
  return rows.join("\n");
}

function describeNote(
  { endpoint, isLeftOut, since, reason, detail, fallsInLastHour }: AgentNote,
  nowMs: number,
): string {
  const why =
    reason === null
      ? ""
      : `: ${describeFault({ reason, detail: detail ?? "" }, { certificateExpiresAtMs: null, nowMs })}`;
  const ago = humaniseDuration(Math.max(0, nowMs - Date.parse(since)));
  const out = isLeftOut ? [`The agent has left out ${endpoint} for ${ago}${why}`] : [];
  const flaps =
    fallsInLastHour < 3 ? [] : [`it comes and goes: it went down ${fallsInLastHour} times in the last hour`];
  return isLeftOut ? [...out, ...flaps].join("; ") : `${endpoint}: ${flaps.join()}`;
}

function toneOfForecast(explanation: Explanation): Colour {
  if (explanation.forecast.kind !== "served") return "red";
  return explanationExitCode(explanation) === 0 ? "green" : "yellow";
}

/** One sentence: what a pull that begins now does, or would do after a restart. */
export function describeForecast({ forecast, hosts, containerd }: Explanation): string {
  const pull = containerd.pending === null ? "A pull" : "After a restart of containerd a pull";
  const name = (at: number): string => hosts[at]?.endpoint ?? "?";
  const wait = forecast.delayMs >= 1000 ? `, after ${humaniseDuration(forecast.delayMs)} of waiting for others` : "";
  switch (forecast.kind) {
    case "served": {
      const by = name(forecast.by);
      const resolver = name(forecast.resolvedBy);
      const how = resolver === by ? "" : `; its tag is resolved by ${resolver}`;
      return `${pull} would be served by ${by}${how}${wait}`;
    }
    case "fails":
      return `${pull} would fail${forecast.at === null ? "" : ` at ${name(forecast.at)}`}: ${forecast.because}${wait}`;
    case "hangs":
      return `${pull} would hang at ${name(forecast.at)} (${STEPS[forecast.step]}), ${describeEnd(forecast.cancelledAfterMs)}${wait}`;
  }
  forecast satisfies never;
  return "";
}

const STEPS: Readonly<Record<Extract<Forecast, { kind: "hangs" }>["step"], string>> = {
  resolve: "resolving the reference",
  manifest: "fetching the manifest",
  blob: "fetching blobs",
};

function describeEnd(cancelledAfterMs: number | null): string {
  if (cancelledAfterMs === null) return "for ever";
  return `until containerd cancels it after ${humaniseDuration(cancelledAfterMs)}, without asking anybody else`;
}

function describeReading({ containerd, registry, source, hidden, doubts }: Explanation): Line[] {
  const { version, isRunning, configPath } = containerd;
  const from = configPath === "" ? "config_path is not set" : `config_path ${configPath}`;
  const isRead = source.kind !== "unread";
  return [
    line(`${version}${isRunning ? "" : ", not running"}${isRead ? `; ${from}` : ""}`, null, "containerd  "),
    ...(isRead ? [line(`${registry} is read from ${describeSource({ source })}`)] : []),
    ...hidden.map((path) => line(`hides ${path}`, "yellow", "  ")),
    ...doubts.map((doubt) => line(doubt, "yellow", "  ")),
  ];
}

function describeSource({ source }: Pick<Explanation, "source">): string {
  switch (source.kind) {
    case "hosts.toml":
      return source.path;
    case "ignored":
      return `nothing: containerd ignores ${source.path}: ${source.because}`;
    case "legacy":
      return "registry.mirrors in config.toml";
    case "certificates":
      return source.isEmpty ? `${source.path}, which has no hosts.toml` : `${source.path}: certificates alone`;
    case "none":
      return "nothing: there is no folder for it and no _default";
    case "unread":
      return "";
  }
  source satisfies never;
  return "";
}

const ROLES: Readonly<Record<ExplainedHost["role"], string>> = {
  host: "",
  server: " (server)",
  registry: " (the registry itself)",
};

function describeHost(
  host: ExplainedHost,
  { index, explanation, nowMs }: { index: number; explanation: Explanation; nowMs: number },
): Line[] {
  const { forecast } = explanation;
  const serves = forecast.kind === "served" && forecast.by === index;
  const title = `${host.endpoint}${ROLES[host.role]}${serves ? "  ← serves the pull" : ""}`;
  const field = (name: string, text: string, tone: Colour | null = null): Line =>
    line(text, tone, `   ${name.padEnd(12)}`);
  const answers = [
    ["HEAD", host.manifest],
    ["manifest", host.manifestByDigest],
    ["blob", host.blob],
  ] as const;
  const describe = (answer: Answer): string => describeAnswer(answer, { ...contextOf(host), nowMs });
  return [
    line(title, "bold", `${index + 1}  `),
    { ...field("asks", host.url), isWhole: true },
    field("credential", host.credential),
    ...(host.capabilities.includes("resolve")
      ? []
      : [field("may", `${host.capabilities.join(", ")}; tags are resolved elsewhere`)]),
    // A server that gives no answer is asked once; what it would say to the rest is the same.
    ...answers.flatMap(([name, answer], at) =>
      answer && (at === 0 || !isDeepStrictEqual(answer, host.manifest))
        ? [field(name, describe(answer), toneOf(answer))]
        : [],
    ),
    ...(host.certificateExpiresAt ? [field("certificate", `until ${host.certificateExpiresAt.slice(0, 10)}`)] : []),
  ];
}

function toneOf(answer: Answer): Colour {
  const isGood =
    answer.kind === "answered" &&
    answer.status < 300 &&
    answer.isWrong !== true &&
    !isWebPage(answer) &&
    !isSlow(answer);
  return isGood ? "green" : "red";
}

function describeRisks({ containerd, silence, hosts, digestsDiffer }: Explanation): Line[] {
  const dialMs = Math.max(0, ...hosts.map(({ dialTimeoutMs }) => dialTimeoutMs));
  const risks = [
    line(
      `With containerd ${containerd.version}, a server that drops packets costs each request ${humaniseDuration(dialMs)},`,
    ),
    line(`one that never answers the TLS handshake ${humaniseDuration(TLS_TIMEOUT_MS)};`),
    line(`one that takes requests and never answers ${describeSilence(silence)}`),
  ];
  const differ =
    "The servers have different digests for this tag: nodes that reach different servers run different images";
  return [...(digestsDiffer ? [line(differ, "yellow")] : []), ...(hosts.length > 0 ? risks : [])];
}

function describeSilence(silence: Explanation["silence"]): string {
  if (silence.kind === "next") return `costs ${humaniseDuration(silence.ms)}`;
  return silence.kind === "hangs" ? `hangs the pull ${describeEnd(silence.cancelledAfterMs)}` : "fails it";
}
