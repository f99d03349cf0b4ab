// Everything that the agent tells, as values, and the one sentence for each. A sentence tells a transition,
// not a state: what happened, to which endpoint, why, and where pulls go now. It is read at three in the
// morning by somebody who did not write this, often as the only source.

import type { ConfigIssue } from "../core/config-issue.ts";
import type { NamedEndpoint } from "../core/endpoint.ts";
import type { Transition } from "../core/health-transition.ts";
import type { RouteDecision } from "../core/routes.ts";
import { describeHanging, type HangingEvent } from "./describe-hanging.ts";
import { describePulls } from "./describe-pulls.ts";
import { escapeControl } from "./escape-control.ts";
import { humaniseCount, humaniseDuration } from "./humanise.ts";

export type Event =
  | { readonly kind: "started"; readonly version: string; readonly configPath: string }
  | { readonly kind: "stopping"; readonly because: string }
  | { readonly kind: "reloadAsked" }
  | { readonly kind: "configApplied"; readonly path: string; readonly mirrors: number; readonly registries: number }
  /** `lastGood`: whether an earlier config is in force instead. */
  | { readonly kind: "configRejected"; readonly issues: readonly ConfigIssue[]; readonly lastGood: boolean }
  | { readonly kind: "configWarning"; readonly issue: ConfigIssue }
  /** `decisions`: the routes that the endpoint belongs to, as they are now. */
  | EndpointChanged
  /** Routes changed, though no mirror did: another way was proven to work, or ceased to. */
  | { readonly kind: "routesChanged"; readonly decisions: readonly RouteDecision[] }
  | { readonly kind: "fileWritten"; readonly path: string; readonly because: string }
  | { readonly kind: "fileRemoved"; readonly path: string; readonly because: string }
  | { readonly kind: "driftRepaired"; readonly path: string }
  | { readonly kind: "fightStopped"; readonly path: string }
  /** containerd reads the routes from now on; `path`: the file that was changed for it, if any. */
  | TakeoverDone
  /** `isRead`: it reads the routes, and only a credential is missing. */
  | { readonly kind: "restartOwed"; readonly because: string; readonly isRead?: boolean }
  | { readonly kind: "takeoverRefused"; readonly because: string; readonly mend: string }
  /** `recovered`: whether containerd answers with the old configuration. */
  | { readonly kind: "takeoverFailed"; readonly because: string; readonly recovered: boolean }
  | { readonly kind: "credentialProblem"; readonly message: string }
  | HangingEvent
  | { readonly kind: "certificateExpiring"; readonly of: string; readonly leftMs: number }
  | { readonly kind: "watchImpaired"; readonly message: string }
  /** `where`: "written to FILE", "served at ADDRESS". */
  | { readonly kind: "metricsShown"; readonly where: string }
  | { readonly kind: "metricsImpaired"; readonly message: string }
  | { readonly kind: "passFailed"; readonly message: string; readonly retryInMs: number };

interface TakeoverDone {
  readonly kind: "takeoverDone";
  readonly path: string | null;
  readonly restarted: boolean;
  /** Where credentials were changed in it, and nothing else: the hosts, by what was done. */
  readonly credentials?: { readonly set: readonly string[]; readonly takenOut: readonly string[] };
}

interface EndpointChanged {
  readonly kind: "endpointChanged";
  readonly endpoint: NamedEndpoint;
  readonly transition: Transition;
  readonly decisions: readonly RouteDecision[];
}

export type Level = "debug" | "info" | "warn" | "error";

export interface EventText {
  readonly level: Level;
  /** One line, without control characters. */
  readonly message: string;
}

/** The line that an event makes in the log. */
export function describeEvent(event: Event): EventText {
  const [level, message] = describe(event);
  return { level, message: escapeControl(message) };
}

function describe(event: Event): readonly [Level, string] {
  switch (event.kind) {
    case "started":
      return ["info", `mirror-agent ${event.version} started with ${event.configPath}`];
    case "stopping":
      return ["info", `Stopping: ${event.because}; pulls go on with the routes as they are`];
    case "reloadAsked":
      return ["info", "Asked to reload: reading the config and looking at the node again"];
    case "configApplied":
      return ["info", `Config ${event.path} is in force: ${describeSize(event)}`];
    case "configRejected":
      return ["error", describeRejection(event)];
    case "configWarning":
      return ["warn", `Config: ${describeIssue(event.issue)}`];
    case "endpointChanged":
      return describeEndpoint(event);
    case "routesChanged":
      return describeRoutes(event.decisions);
    case "fileWritten":
      return ["debug", `Wrote ${event.path}: ${event.because}`];
    case "fileRemoved":
      return ["debug", `Removed ${event.path}: ${event.because}`];
    case "driftRepaired":
      return ["warn", `Repaired ${event.path}: something else had changed it`];
    case "fightStopped":
      return ["error", describeFight(event.path)];
    case "takeoverDone":
      return ["info", describeTakeover(event)];
    case "restartOwed":
      return ["warn", describeOwed(event)];
    case "takeoverRefused":
      return ["warn", `containerd's configuration stays as it is: ${event.because}; ${event.mend}`];
    case "takeoverFailed":
      return ["error", describeFailure(event)];
    case "credentialProblem":
      return ["warn", `Credential: ${event.message}`];
    case "pullsFreed":
    case "stuckPullsFreed":
    case "freeingImpossible":
    case "hangRestartBegun":
    case "hangRestartEnded":
      return describeHanging(event);
    case "certificateExpiring":
      return ["warn", describeExpiry(event)];
    case "watchImpaired":
    case "metricsShown":
    case "metricsImpaired":
    case "passFailed":
      return describeItself(event);
    default:
      throw new Error(`Cannot describe an event: it is ${JSON.stringify(event satisfies never)}`);
  }
}

type OwnEvent = Extract<Event, { kind: "watchImpaired" | "metricsShown" | "metricsImpaired" | "passFailed" }>;

function describeItself(event: OwnEvent): readonly [Level, string] {
  switch (event.kind) {
    case "watchImpaired":
      return ["warn", event.message];
    case "metricsShown":
      return ["info", `Metrics are ${event.where}`];
    case "metricsImpaired":
      return ["warn", `${event.message}; this is tried again until it works`];
    case "passFailed":
      return ["error", `${event.message}; trying again in ${humaniseDuration(event.retryInMs)}`];
  }
}

function describeEndpoint({ endpoint, transition, decisions }: EndpointChanged): readonly [Level, string] {
  const name = endpoint.role === "mirror" ? `Mirror ${endpoint.url}` : `Upstream ${endpoint.url}`;
  const pulls = describePulls(decisions);
  const tail = pulls === "" ? "" : `; ${pulls}`;
  if (transition.to === "down") return ["warn", `${name} is down: ${describeFall(transition)}${tail}`];
  const after = transition.lastedMs === null ? "" : ` again after ${humaniseDuration(transition.lastedMs)} down`;
  return ["info", `${name} is up${after}${tail}`];
}

function describeFall({ reason, detail, relapses, holdDownMs }: Transition & { to: "down" }): string {
  const why = `${reason} (${detail})`;
  if (relapses === 0) return why;
  const times = relapses === 1 ? "once" : `${relapses} times in a row`;
  return `${why}; it has failed soon after recovering ${times} and must now answer for ${humaniseDuration(holdDownMs)} before it is used`;
}

function describeRoutes(decisions: readonly RouteDecision[]): readonly [Level, string] {
  const pulls = describePulls(decisions);
  const worse = decisions.some(({ failedOver, doubted }) => failedOver || doubted);
  return [worse ? "warn" : "info", `Routes changed: ${pulls}`];
}

function describeSize({ mirrors, registries }: { mirrors: number; registries: number }): string {
  if (mirrors === 0 && registries === 0)
    return "it names no mirrors, so nothing is done; once it does, it is applied as it is saved";
  return `${humaniseCount(mirrors, "mirror")} for ${humaniseCount(registries, "registry", "registries")}`;
}

const MOST_ISSUES = 3;

function describeRejection({ issues, lastGood }: { issues: readonly ConfigIssue[]; lastGood: boolean }): string {
  const errors = issues.filter(({ severity }) => severity === "error");
  const shown = errors.slice(0, MOST_ISSUES).map(describeIssue).join("; ");
  const more = errors.length > MOST_ISSUES ? `; and ${errors.length - MOST_ISSUES} more, see mirror-agent check` : "";
  const force = lastGood ? "the last good config stays in force" : "no config is in force and the node stays as it is";
  return `Config rejected, ${force}: ${shown}${more}`;
}

function describeIssue({ line, column, message }: ConfigIssue): string {
  return `line ${line}, column ${column}: ${message}`;
}

function describeFight(path: string): string {
  return `Gave up on ${path}: something else has changed it ten times in ten minutes; find out what writes it, then systemctl reload mirror-agent`;
}

function describeTakeover({ path, restarted, credentials }: TakeoverDone): string {
  const end = restarted ? "containerd was restarted" : "no restart was needed";
  if (credentials === undefined) {
    const edited = path === null ? [] : [`set config_path in ${path}`];
    return `containerd reads the routes: ${[...edited, end].join(", ")}`;
  }
  const done = [describeHosts("set that of", credentials.set), describeHosts("took out that of", credentials.takenOut)];
  const edits = done.filter((text) => text !== "").join(", ");
  if (edits === "") return `Only root can read ${path} again, which holds a credential: ${end}`;
  return `containerd has the credentials that it needs: ${edits} in ${path}, ${end}`;
}

function describeOwed({ because, isRead = false }: Event & { kind: "restartOwed" }): string {
  if (isRead) return `containerd does not use a credential until you restart it: ${because}`;
  return `containerd does not read the routes until you restart it: ${because}`;
}

function describeHosts(verb: string, hosts: readonly string[]): string {
  return hosts.length === 0 ? "" : `${verb} ${hosts.join(", ")}`;
}

function describeFailure({ because, recovered }: Event & { kind: "takeoverFailed" }): string {
  const now = recovered ? "it runs with the old configuration" : "it does not answer now: look at it at once";
  return `${because}; ${now}; this is not tried again until something changes`;
}

function describeExpiry({ of, leftMs }: { of: string; leftMs: number }): string {
  if (leftMs <= 0) return `The certificate of ${of} expired ${humaniseDuration(-leftMs)} ago`;
  return `The certificate of ${of} expires in ${humaniseDuration(leftMs)}`;
}
