// The screen that `mirror-agent status` shows: first what is wrong, then every endpoint, then where pulls
// go. A node with 1,000 registries still fits a screen: registries that go the same way share a line.

import { escapeControl } from "./escape-control.ts";
import { humaniseDuration, humaniseList } from "./humanise.ts";
import { renderCredentials } from "./render-credentials.ts";
import {
  credentialsOf,
  findHeadlines,
  type Status,
  type StatusEndpoint,
  type StatusRoute,
  statusExitCode,
} from "./status.ts";
import { type Cell, type Colour, paint, renderTable, type TableOptions } from "./table.ts";

export interface RenderStatusOptions extends TableOptions {
  readonly nowMs: number;
}

/** After so long without news the agent is most likely not running. */
const STALE_MS = 60_000;

/** The status for people, `width` columns wide; ends with a newline. */
export function renderStatus(status: Status, options: RenderStatusOptions): string {
  const colour = statusExitCode(status) === 0 ? "green" : "red";
  const sections = [
    [...findHeadlines(status).map((line) => paint(line, colour, options.colour)), ...describeAge(status, options)],
    [
      `config      ${describeConfig(status, options.nowMs)}`,
      ...describeIssues(status),
      `containerd  ${describeContainerd(status)}`,
    ],
    renderEndpoints(status.endpoints, options),
    renderRoutes(status.routes, options),
    renderCredentials(credentialsOf(status), options),
  ];
  const shown = sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  return `${shown.join("\n\n")}\n`;
}

function describeAge({ updatedAt }: Status, { nowMs, colour }: RenderStatusOptions): string[] {
  const ageMs = nowMs - Date.parse(updatedAt);
  if (ageMs < STALE_MS) return [];
  return [paint(`This is ${humaniseDuration(ageMs)} old: mirror-agent is not running, or hangs`, "yellow", colour)];
}

function describeConfig({ config }: Status, nowMs: number): string {
  const { path, state, appliedAt } = config;
  const applied = appliedAt === null ? "" : `, applied ${since(appliedAt, nowMs)} ago`;
  if (state === "rejected") return `${path}, rejected`;
  return `${path}${state === "pending" ? ", not yet applied" : applied}`;
}

const INDENT = " ".repeat(12);

function describeIssues({ config }: Status): string[] {
  return config.issues.map(
    ({ line, column, message }) => `${INDENT}line ${line}, column ${column}: ${escapeControl(message)}`,
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
function renderEndpoints(endpoints: readonly StatusEndpoint[], options: RenderStatusOptions): string[] {
  if (endpoints.length === 0) return [];
  const rows = endpoints.map((endpoint) => [
    plain(endpoint.role === "mirror" ? endpoint.endpoint : `${endpoint.endpoint} (upstream)`),
    { text: endpoint.state, colour: STATE_COLOURS[endpoint.state] },
    plain(since(endpoint.since, options.nowMs)),
    plain(endpoint.reason ?? renderLatency(endpoint.latencyMs)),
  ]);
  const [header = "", ...lines] = renderTable(["ENDPOINT", "STATE", "FOR", ""], rows, options);
  return [header, ...endpoints.flatMap((endpoint, row) => [lines[row] ?? "", ...describeTrouble(endpoint, options)])];
}

function renderLatency(latencyMs: number | null): string {
  return latencyMs === null ? "" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`;
}

const SOON_MS = 30 * 86_400_000;

function describeTrouble(
  { detail, certificateExpiresAt }: StatusEndpoint,
  { nowMs, colour }: RenderStatusOptions,
): string[] {
  const trouble = detail === null ? [] : [escapeControl(detail)];
  const leftMs = certificateExpiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(certificateExpiresAt) - nowMs;
  if (leftMs <= 0) trouble.push(`the certificate expired ${humaniseDuration(-leftMs)} ago`);
  else if (leftMs <= SOON_MS) trouble.push(`the certificate expires in ${humaniseDuration(leftMs)}`);
  return trouble.map((line) => paint(`  ${line}`, "yellow", colour));
}

function renderRoutes(routes: readonly StatusRoute[], options: RenderStatusOptions): string[] {
  if (routes.length === 0) return [];
  const rows = [...Map.groupBy(routes, describeWay)].map(([way, group]) => [
    plain(humaniseList(group.map(({ registry }) => registry))),
    { text: way, colour: group[0]?.failedOver ? ("yellow" as const) : null },
  ]);
  return renderTable(["REGISTRY", "PULLS GO TO"], rows, options);
}

function describeWay({ registry, endpoints, upstream, failedOver }: StatusRoute): string {
  const last = registry === "_default" || upstream === null ? [] : [upstream];
  const ways = [...endpoints, ...last].join(", ");
  return failedOver ? `${ways || "the upstream"} (failed over)` : ways || "the upstream";
}

function since(iso: string, nowMs: number): string {
  return humaniseDuration(Math.max(0, nowMs - Date.parse(iso)));
}

function plain(text: string): Cell {
  return { text, colour: null };
}
