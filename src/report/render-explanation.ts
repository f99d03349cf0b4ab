// The screen of `mirror-agent explain`: first what a pull would do, then where containerd reads that, then each server
// with its answers. What needs a sentence has a line of its own, so that it is right at 80 columns.

import type { Answer } from "../core/explain/answers.ts";
import type { ExplainedHost, Explanation } from "../core/explain/explanation.ts";
import type { Forecast } from "../core/explain/forecast.ts";
import { escapeControl } from "./escape-control.ts";
import { humaniseDuration } from "./humanise.ts";
import { type Colour, paint } from "./table.ts";

export interface RenderExplanationOptions {
  readonly colour: boolean;
}

/** The explanation for people; ends with a newline. */
export function renderExplanation(explanation: Explanation, { colour }: RenderExplanationOptions): string {
  const { image, hosts, forecast } = explanation;
  const lines = [
    paint(escapeControl(image), "bold", colour),
    paint(describeForecast(explanation), forecast.kind === "served" ? "green" : "red", colour),
    "",
    ...describeReading(explanation, colour),
    ...hosts.flatMap((host, index) => ["", ...describeHost(host, { index, explanation, colour })]),
    "",
    ...describeRisks(explanation, colour),
  ];
  return `${lines.join("\n")}\n`;
}

/** One sentence: what a pull that begins now does. */
export function describeForecast({ forecast, hosts }: Explanation): string {
  const name = (at: number): string => hosts[at]?.endpoint ?? "?";
  const wait = forecast.delayMs >= 1000 ? `, after ${humaniseDuration(forecast.delayMs)} of waiting for others` : "";
  switch (forecast.kind) {
    case "served": {
      const by = name(forecast.by);
      const resolver = name(forecast.resolvedBy);
      const how = resolver === by ? "" : `; its tag is resolved by ${resolver}`;
      return `A pull would be served by ${by}${how}${wait}`;
    }
    case "fails":
      return `A pull would fail${forecast.at === null ? "" : ` at ${name(forecast.at)}`}: ${escapeControl(forecast.because)}${wait}`;
    case "hangs":
      return `A pull would hang at ${name(forecast.at)} (${STEPS[forecast.step]}), ${describeEnd(forecast.cancelledAfterMs)}${wait}`;
  }
  forecast satisfies never;
  return "";
}

const STEPS: Readonly<Record<Extract<Forecast, { kind: "hangs" }>["step"], string>> = {
  resolve: "resolving the name",
  manifest: "fetching the manifest",
  blob: "fetching blobs",
};

function describeEnd(cancelledAfterMs: number | null): string {
  if (cancelledAfterMs === null) return "for ever";
  return `until containerd cancels it after ${humaniseDuration(cancelledAfterMs)}, without asking anybody else`;
}

function describeReading({ containerd, registry, source, hidden, doubts }: Explanation, colour: boolean): string[] {
  const { version, isRunning, configPath } = containerd;
  const from = configPath === "" ? "config_path is not set" : `config_path ${configPath}`;
  return [
    `containerd  ${version}${isRunning ? "" : ", not running"}; ${from}`,
    `${registry} is read from ${describeSource({ source })}`,
    ...hidden.map((path) => paint(`  hides ${path}`, "yellow", colour)),
    ...doubts.map((doubt) => paint(`  ${escapeControl(doubt)}`, "yellow", colour)),
  ];
}

function describeSource({ source }: Pick<Explanation, "source">): string {
  switch (source.kind) {
    case "hosts.toml":
      return source.path;
    case "ignored":
      return `nothing: containerd ignores ${source.path}: ${escapeControl(source.because)}`;
    case "legacy":
      return "registry.mirrors in config.toml";
    case "certificates":
      return source.isEmpty ? `${source.path}, which has no hosts.toml` : `${source.path}: certificates alone`;
    case "none":
      return "nothing: there is no folder for it and no _default";
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
  { index, explanation, colour }: { index: number; explanation: Explanation; colour: boolean },
): string[] {
  const { forecast } = explanation;
  const serves = forecast.kind === "served" && forecast.by === index;
  const title = `${index + 1}  ${host.endpoint}${ROLES[host.role]}${serves ? "  ← serves the pull" : ""}`;
  const line = (name: string, text: string, tone: Colour | null = null): string =>
    `   ${name.padEnd(12)}${paint(escapeControl(text), tone, colour)}`;
  const answers = [
    ["HEAD", host.manifest],
    ["manifest", host.manifestByDigest],
    ["blob", host.blob],
  ] as const;
  return [
    paint(title, "bold", colour),
    line("asks", host.url),
    line("credential", host.credential),
    ...(host.capabilities.includes("resolve")
      ? []
      : [line("may", `${host.capabilities.join(", ")}; tags are resolved elsewhere`)]),
    // A server that gives no answer is asked once; what it would say to the rest is the same.
    ...answers.flatMap(([name, answer], at) =>
      answer && (at === 0 || answer !== host.manifest) ? [line(name, describeAnswer(answer), toneOf(answer))] : [],
    ),
    ...(host.certificateExpiresAt ? [line("certificate", `until ${host.certificateExpiresAt.slice(0, 10)}`)] : []),
  ];
}

function describeAnswer(answer: Answer): string {
  const time = humaniseDuration(answer.ms);
  if (answer.kind === "failed") return `${answer.reason}: ${answer.detail}`;
  if (answer.isWrong === true) return `${answer.status} in ${time}, but its bytes have another digest`;
  const size = answer.bytes > 0 ? `, ${answer.bytes} bytes` : "";
  const digest = answer.digest !== null && answer.status < 300 ? `  ${answer.digest.slice(0, 19)}` : "";
  const meaning = MEANINGS[answer.status];
  return `${answer.status} in ${time}${size}${digest}${meaning === undefined ? "" : `: ${meaning}`}`;
}

const MEANINGS: Readonly<Record<number, string>> = {
  401: "it wants a credential that it is not given, or refuses the one it gets",
  403: "it does not let this credential in",
  404: "it does not have the image",
  429: "it has been asked too often",
};

function toneOf(answer: Answer): Colour {
  return answer.kind === "answered" && answer.status < 300 && answer.isWrong !== true ? "green" : "red";
}

function describeRisks({ containerd, silence, hosts, digestsDiffer }: Explanation, colour: boolean): string[] {
  const dialMs = Math.max(0, ...hosts.map(({ dialTimeoutMs }) => dialTimeoutMs));
  const risks = [
    `With containerd ${containerd.version}, a server that drops packets costs each request ${humaniseDuration(dialMs)};`,
    `one that takes requests and never answers ${describeSilence(silence)}`,
  ];
  const differ =
    "The servers have different digests for this tag: nodes that reach different servers run different images";
  return [...(digestsDiffer ? [paint(differ, "yellow", colour)] : []), ...(hosts.length > 0 ? risks : [])];
}

function describeSilence(silence: Explanation["silence"]): string {
  if (silence.kind === "next") return `costs ${humaniseDuration(silence.ms)}`;
  return silence.kind === "hangs" ? `hangs the pull ${describeEnd(silence.cancelledAfterMs)}` : "fails it";
}
