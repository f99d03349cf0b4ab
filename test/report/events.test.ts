import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConfigIssue } from "../../src/core/config-issue.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { Transition } from "../../src/core/health-transition.ts";
import type { RouteDecision } from "../../src/core/routes.ts";
import { describeEvent, type Event, type Level } from "../../src/report/events.ts";

const TLS = { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false };
const REST = { tls: TLS, credentialPath: null, gcrKeyPath: null, resolveTags: true, dialTimeoutMs: null };
const first: Endpoint = { role: "mirror", url: "https://m1:5000/v2/team", ...REST };
const second: Endpoint = { role: "mirror", url: "https://m2:5000", ...REST };
const upstream: Endpoint = { role: "upstream", url: "https://gcr.io", ...REST };

function decide(registry: string, changes: Partial<RouteDecision>): RouteDecision {
  const route = { registry, mirrors: [first, second], upstream };
  return { route, mirrors: [first, second], out: [], failedOver: false, doubted: false, ...changes };
}

const failedOver = { mirrors: [], out: [first, second], failedOver: true };
const down = {
  to: "down",
  atMs: 0,
  lastedMs: 9000,
  reason: "response-timeout",
  detail: "no answer within 2 s",
  relapses: 0,
  holdDownMs: 0,
} as const;
const changed = (endpoint: Endpoint, transition: Transition, decisions: RouteDecision[]): Event => ({
  kind: "endpointChanged",
  endpoint,
  transition,
  decisions,
});
const issue = (line: number, message: string): ConfigIssue => ({ severity: "error", line, column: 5, at: "", message });
const four = [1, 2, 3, 4].map((line) => issue(line, `"x${line}" is no key`));

const ROWS: Record<string, readonly [event: Event, level: Level, message: string]> = {
  "pullsFreed, one": [
    { kind: "pullsFreed", endpoint: first, count: 1 },
    "info",
    "Closed 1 connection of containerd to https://m1:5000/v2/team that made no progress; the pulls go on elsewhere",
  ],
  "pullsFreed, several": [
    { kind: "pullsFreed", endpoint: upstream, count: 3 },
    "info",
    "Closed 3 connections of containerd to https://gcr.io that made no progress; the pulls go on elsewhere",
  ],
  "stuckPullsFreed, to go on elsewhere": [
    { kind: "stuckPullsFreed", endpoint: first, count: 1, isSentOn: true },
    "warn",
    "Closed 1 connection of containerd to https://m1:5000/v2/team that hung although it answers; the pulls go on elsewhere",
  ],
  "stuckPullsFreed, to ask again": [
    { kind: "stuckPullsFreed", endpoint: first, count: 2, isSentOn: false },
    "warn",
    "Closed 2 connections of containerd to https://m1:5000/v2/team that hung although it answers; the pulls ask there again",
  ],
  freeingImpossible: [
    { kind: "freeingImpossible", because: "there is no ss on this host (package iproute2)" },
    "warn",
    "Cannot free pulls that hang: there is no ss on this host (package iproute2); they hang until containerd is restarted",
  ],
  hangRestartBegun: [
    { kind: "hangRestartBegun", endpoint: first },
    "warn",
    "Restarting containerd: pulls have hung at https://m1:5000/v2/team for a minute, and their connections cannot be closed here (agent.containerd.restart: on-hang)",
  ],
  "hangRestartEnded, done": [
    { kind: "hangRestartEnded", problem: null },
    "info",
    "containerd was restarted; pulls that hung begin anew, with the routes as they are now",
  ],
  "hangRestartEnded, not done": [
    { kind: "hangRestartEnded", problem: "the CRI does not answer as it is: no" },
    "error",
    "containerd was not restarted for pulls that hang: the CRI does not answer as it is: no; not before ten minutes again",
  ],
  started: [
    { kind: "started", version: "0.1.0", configPath: "/etc/mirror-agent/config.yaml" },
    "info",
    "mirror-agent 0.1.0 started with /etc/mirror-agent/config.yaml",
  ],
  stopping: [
    { kind: "stopping", because: "SIGTERM" },
    "info",
    "Stopping: SIGTERM; pulls go on with the routes as they are",
  ],
  reloadAsked: [{ kind: "reloadAsked" }, "info", "Asked to reload: reading the config and looking at the node again"],
  configApplied: [
    { kind: "configApplied", path: "/etc/c.yaml", mirrors: 2, registries: 1 },
    "info",
    "Config /etc/c.yaml is in force: 2 mirrors for 1 registry",
  ],
  "configRejected with a last good one": [
    {
      kind: "configRejected",
      issues: [issue(3, '"hots" is not a key, did you mean "hosts"'), { ...issue(1, ""), severity: "warning" }],
      lastGood: true,
    },
    "error",
    'Config rejected, the last good config stays in force: line 3, column 5: "hots" is not a key, did you mean "hosts"',
  ],
  "configRejected with many issues and nothing in force": [
    { kind: "configRejected", issues: four, lastGood: false },
    "error",
    'Config rejected, no config is in force and the node stays as it is: line 1, column 5: "x1" is no key; line 2, column 5: "x2" is no key; line 3, column 5: "x3" is no key; and 1 more, see mirror-agent check',
  ],
  configWarning: [
    { kind: "configWarning", issue: issue(7, "the CA ends in 12 days") },
    "warn",
    "Config: line 7, column 5: the CA ends in 12 days",
  ],
  "a mirror down, another serves": [
    changed(first, down, [decide("gcr.io", { mirrors: [second], out: [first] })]),
    "warn",
    "Mirror https://m1:5000/v2/team is down: response-timeout (no answer within 2 s); pulls of gcr.io go to https://m2:5000",
  ],
  "a mirror down, failed over": [
    changed(second, down, [
      decide("gcr.io", failedOver),
      decide("eu.gcr.io", failedOver),
      decide("_default", failedOver),
    ]),
    "warn",
    "Mirror https://m2:5000 is down: response-timeout (no answer within 2 s); pulls of gcr.io and eu.gcr.io go to the upstream https://gcr.io instead; pulls of all other registries go to the upstream instead",
  ],
  "a mirror down, nothing else answers": [
    changed(first, { ...down, reason: "refused", detail: "connect ECONNREFUSED" }, [
      decide("gcr.io", { doubted: true }),
    ]),
    "warn",
    "Mirror https://m1:5000/v2/team is down: refused (connect ECONNREFUSED); pulls of gcr.io stay with https://m1:5000/v2/team, then https://m2:5000, since nothing else is known to answer",
  ],
  "a mirror down again and again": [
    changed(first, { ...down, relapses: 3, holdDownMs: 60_000 }, []),
    "warn",
    "Mirror https://m1:5000/v2/team is down: response-timeout (no answer within 2 s); it has failed soon after recovering 3 times in a row and must now answer for 1 m before it is used",
  ],
  "a mirror up again": [
    changed(first, { to: "up", atMs: 0, lastedMs: 192_000 }, [decide("gcr.io", {})]),
    "info",
    "Mirror https://m1:5000/v2/team is up again after 3 m 12 s down; pulls of gcr.io go to https://m1:5000/v2/team, then https://m2:5000",
  ],
  "an upstream up for the first time": [
    changed(upstream, { to: "up", atMs: 0, lastedMs: null }, []),
    "info",
    "Upstream https://gcr.io is up",
  ],
  "an answer that would forge a line": [
    changed(first, { ...down, detail: "503 a\n<0>Mirror is up\x1b[2J" }, []),
    "warn",
    "Mirror https://m1:5000/v2/team is down: response-timeout (503 a\\n<0>Mirror is up\\x1b[2J)",
  ],
  "routesChanged for the worse": [
    { kind: "routesChanged", decisions: [decide("gcr.io", failedOver)] },
    "warn",
    "Routes changed: pulls of gcr.io go to the upstream https://gcr.io instead",
  ],
  "routesChanged for the better": [
    { kind: "routesChanged", decisions: [decide("gcr.io", { mirrors: [second], out: [first] })] },
    "info",
    "Routes changed: pulls of gcr.io go to https://m2:5000",
  ],
  fileWritten: [{ kind: "fileWritten", path: "/a", because: "it is missing" }, "debug", "Wrote /a: it is missing"],
  fileRemoved: [{ kind: "fileRemoved", path: "/a", because: "no mirror" }, "debug", "Removed /a: no mirror"],
  driftRepaired: [{ kind: "driftRepaired", path: "/a" }, "warn", "Repaired /a: something else had changed it"],
  fightStopped: [
    { kind: "fightStopped", path: "/a" },
    "error",
    "Gave up on /a: something else has changed it ten times in ten minutes; find out what writes it, then systemctl reload mirror-agent",
  ],
  "takeoverDone with an edit": [
    { kind: "takeoverDone", path: "/c.toml", restarted: true },
    "info",
    "containerd reads the routes: set config_path in /c.toml, containerd was restarted",
  ],
  "takeoverDone without one": [
    { kind: "takeoverDone", path: null, restarted: true },
    "info",
    "containerd reads the routes: containerd was restarted",
  ],
  "takeoverDone before containerd starts": [
    { kind: "takeoverDone", path: "/c.toml", restarted: false },
    "info",
    "containerd reads the routes: set config_path in /c.toml, no restart was needed",
  ],
  "takeoverDone for credentials alone": [
    { kind: "takeoverDone", path: "/c.toml", restarted: true, credentials: { set: ["a:1", "b:2"], takenOut: ["c:3"] } },
    "info",
    "containerd has the credentials that it needs: set that of a:1, b:2, took out that of c:3 in /c.toml, containerd was restarted",
  ],
  "takeoverDone for a mode alone": [
    { kind: "takeoverDone", path: "/c.toml", restarted: false, credentials: { set: [], takenOut: [] } },
    "info",
    "Only root can read /c.toml again, which holds a credential: no restart was needed",
  ],
  "restartOwed for a credential alone": [
    { kind: "restartOwed", because: "it has changed", isRead: true },
    "warn",
    "containerd does not use a credential until you restart it: it has changed",
  ],
  restartOwed: [
    { kind: "restartOwed", because: "it was changed" },
    "warn",
    "containerd does not read the routes until you restart it: it was changed",
  ],
  takeoverRefused: [
    { kind: "takeoverRefused", because: "k3s writes it", mend: "use registries.yaml" },
    "warn",
    "containerd's configuration stays as it is: k3s writes it; use registries.yaml",
  ],
  takeoverFailed: [
    { kind: "takeoverFailed", because: "containerd did not come back", recovered: true },
    "error",
    "containerd did not come back; it runs with the old configuration; this is not tried again until something changes",
  ],
  "takeoverFailed for good": [
    { kind: "takeoverFailed", because: "containerd did not come back", recovered: false },
    "error",
    "containerd did not come back; it does not answer now: look at it at once; this is not tried again until something changes",
  ],
  certificateExpiring: [
    { kind: "certificateExpiring", of: "https://m1:5000", leftMs: 12 * 86_400_000 },
    "warn",
    "The certificate of https://m1:5000 expires in 12 d",
  ],
  "certificateExpiring, expired": [
    { kind: "certificateExpiring", of: "https://m1:5000", leftMs: -3_600_000 },
    "warn",
    "The certificate of https://m1:5000 expired 1 h ago",
  ],
  watchImpaired: [{ kind: "watchImpaired", message: "Cannot watch" }, "warn", "Cannot watch"],
  passFailed: [
    { kind: "passFailed", message: 'Cannot write "/a": no space is left', retryInMs: 5000 },
    "error",
    'Cannot write "/a": no space is left; trying again in 5 s',
  ],
};

for (const [name, [event, level, message]] of Object.entries(ROWS)) {
  test(`describeEvent() tells ${name}`, () => assert.deepEqual(describeEvent(event), { level, message }));
}
