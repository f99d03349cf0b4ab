// The parts of a status for people, as lines: first what is wrong, then every endpoint, where pulls go, what happened
// lately. `status` shows them one below the other, `status --watch` as far as they fit the terminal. A node with
// 1,000 registries still fits a screen: registries that go the same way share a line.

import { escapeControl } from "./escape-control.ts";
import { chooseFitting, shorten, shortenUrl, wrapText } from "./fit-text.ts";
import { humaniseDuration, humaniseList, humaniseTime } from "./humanise.ts";
import { renderCredentials } from "./render-credentials.ts";
import {
  credentialsOf,
  findHeadlines,
  type Status,
  type StatusEndpoint,
  type StatusRoute,
  type StatusTransition,
  statusExitCode,
} from "./status.ts";
import { type Cell, type Colour, paint, renderTable, type TableOptions } from "./table.ts";

export interface SectionOptions extends TableOptions {
  readonly nowMs: number;
  /** How long something has been so. */
  readonly renderDuration: (ms: number) => string;
}

export interface StatusSections {
  readonly headlines: readonly string[];
  readonly setting: readonly string[];
  readonly endpoints: readonly string[];
  readonly routes: readonly string[];
  readonly transitions: readonly string[];
  readonly credentials: readonly string[];
}

/** Everything that is to be said; a part about which there is nothing to say is empty. */
export function renderSections(status: Status, options: SectionOptions): StatusSections {
  const { width, colour } = options;
  const tone = statusExitCode(status) === 0 ? "green" : "red";
  return {
    headlines: findHeadlines(status).flatMap((line) => wrapText(line, width).map((part) => paint(part, tone, colour))),
    setting: [
      ...wrapText(`config      ${describeConfig(status, options)}`, width, INDENT),
      ...describeIssues(status, width),
      ...wrapText(`containerd  ${describeContainerd(status)}`, width, INDENT),
    ],
    endpoints: renderEndpoints(status.endpoints, options),
    routes: renderRoutes(status.routes, options),
    transitions: renderTransitions(status.transitions ?? [], options),
    credentials: renderCredentials(credentialsOf(status), options),
  };
}

function describeConfig({ config }: Status, options: SectionOptions): string {
  const { path, state, appliedAt } = config;
  const applied = appliedAt === null ? "" : `, applied ${since(appliedAt, options)} ago`;
  if (state === "rejected") return `${path}, rejected`;
  return `${path}${state === "pending" ? ", not yet applied" : applied}`;
}

const INDENT = " ".repeat(12);

function describeIssues({ config }: Status, width: number): string[] {
  return config.issues.flatMap(({ line, column, message }) =>
    wrapText(`${INDENT}line ${line}, column ${column}: ${escapeControl(message)}`, width, INDENT),
  );
}

function describeContainerd({ containerd }: Status): string {
  const version = containerd.version ?? "of unknown version";
  const problem = containerd.problem === null ? "" : `: ${escapeControl(containerd.problem)}`;
  if (containerd.restartOwed) return `${version}, restart owed: it does not read the routes until then${problem}`;
  return containerd.inEffect ? `${version}, reads the routes` : `${version}, does not read the routes${problem}`;
}

const STATE_COLOURS: Readonly<Record<StatusEndpoint["state"], Colour>> = {
  up: "green",
  down: "red",
  unknown: "yellow",
};

// What needs a sentence stands below the endpoint: in a column it would squeeze the names of the servers.
function renderEndpoints(endpoints: readonly StatusEndpoint[], options: SectionOptions): string[] {
  if (endpoints.length === 0) return [];
  const rows = endpoints.map((endpoint) => [
    nameOf(endpoint),
    { text: endpoint.state, colour: STATE_COLOURS[endpoint.state] },
    plain(since(endpoint.since, options)),
    plain(endpoint.reason ?? renderLatency(endpoint.latencyMs)),
  ]);
  const [header = "", ...lines] = renderTable(["ENDPOINT", "STATE", "FOR", ""], rows, options);
  return [header, ...endpoints.flatMap((endpoint, row) => [lines[row] ?? "", ...describeTrouble(endpoint, options)])];
}

const UPSTREAM = " (upstream)";

function nameOf({ endpoint, role }: Pick<StatusEndpoint, "endpoint" | "role">): Cell {
  const suffix = role === "upstream" ? UPSTREAM : "";
  return {
    text: `${endpoint}${suffix}`,
    colour: null,
    shorten: (width) => `${shortenUrl(endpoint, width - suffix.length)}${suffix}`.slice(0, width),
  };
}

function renderLatency(latencyMs: number | null): string {
  return latencyMs === null ? "" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`;
}

const SOON_MS = 30 * 86_400_000;

function describeTrouble({ detail, certificateExpiresAt }: StatusEndpoint, options: SectionOptions): string[] {
  const { nowMs, colour, width, renderDuration } = options;
  const trouble = detail === null ? [] : [escapeControl(detail)];
  const leftMs = certificateExpiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(certificateExpiresAt) - nowMs;
  if (leftMs <= 0) trouble.push(`the certificate expired ${renderDuration(-leftMs)} ago`);
  else if (leftMs <= SOON_MS) trouble.push(`the certificate expires in ${renderDuration(leftMs)}`);
  return trouble.flatMap((text) => wrapText(`  ${text}`, width, "  ")).map((line) => paint(line, "yellow", colour));
}

function renderRoutes(routes: readonly StatusRoute[], options: TableOptions): string[] {
  if (routes.length === 0) return [];
  const rows = [...Map.groupBy(routes, describeWay)].map(([way, group]) => [
    plain(humaniseList(group.map(({ registry }) => registry))),
    {
      text: way,
      colour: group[0]?.failedOver ? ("yellow" as const) : null,
      shorten: (width: number) => shortenWay(way, width),
    },
  ]);
  return renderTable(["REGISTRY", "PULLS GO TO"], rows, options);
}

function describeWay({ registry, endpoints, upstream, failedOver }: StatusRoute): string {
  const last = registry === "_default" || upstream === null ? [] : [upstream];
  const ways = [...endpoints, ...last].join(", ");
  return failedOver ? `${ways || "the upstream"}${FAILED_OVER}` : ways || "the upstream";
}

const FAILED_OVER = " (failed over)";

/** First the scheme that is usual goes, then the middle of each server's name; how many there are stays to be seen. */
function shortenWay(way: string, width: number): string {
  const suffix = way.endsWith(FAILED_OVER) ? FAILED_OVER : "";
  const ways = way.slice(0, way.length - suffix.length).split(", ");
  const bare = ways.map((url) => url.replace(/^https:\/\//, ""));
  const each = Math.floor((width - suffix.length - 2 * (ways.length - 1)) / ways.length);
  const variants = [bare, ...(each >= 8 ? [ways.map((url) => shortenUrl(url, each))] : [])];
  const texts = variants.map((urls) => `${urls.join(", ")}${suffix}`);
  return texts.find((text) => text.length <= width) ?? shorten(`${bare.join(", ")}${suffix}`, width);
}

function renderTransitions(transitions: readonly StatusTransition[], options: SectionOptions): string[] {
  if (transitions.length === 0) return [];
  const rows = transitions.map((transition) => [
    plain(humaniseTime(transition.at, options.nowMs)),
    nameOf(transition),
    describeTransition(transition),
  ]);
  return renderTable(["CHANGED", "ENDPOINT", ""], rows, options);
}

function describeTransition({ from, to, reason, lastedMs }: StatusTransition): Cell {
  const what = reason === null ? to : `${to}: ${reason}`;
  const after = lastedMs === null ? "" : ` after ${humaniseDuration(lastedMs)} ${from}`;
  const text = `${what}${reason === null ? "" : after && ","}${after}`;
  return { text, colour: STATE_COLOURS[to], shorten: (width) => chooseFitting([text, what, to], width) };
}

function since(iso: string, { nowMs, renderDuration }: SectionOptions): string {
  return renderDuration(Math.max(0, nowMs - Date.parse(iso)));
}

function plain(text: string): Cell {
  return { text, colour: null };
}
