import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { renderJsonSchema } from "../../src/core/config/json-schema.ts";
import { PROBE_REASONS } from "../../src/core/probe-result.ts";
import type { Event } from "../../src/report/events.ts";

const read = (path: string) => readFileSync(join(import.meta.dirname, "../..", path), "utf8");
const SHARE = "packaging/files/usr/share";

test("docs/operations.md explains every reason of a probe", () => {
  const text = read("docs/operations.md");
  assert.deepEqual(
    PROBE_REASONS.filter((reason) => !text.includes(`\`${reason}\``)),
    [],
  );
});

/** What of each sentence is always the same. A new kind of event does not compile until it has one. */
const SENTENCES: Readonly<Record<Event["kind"], string>> = {
  started: "started with",
  stopping: "pulls go on with the routes as they are",
  reloadAsked: "Asked to reload: ",
  configApplied: "is in force: ",
  configRejected: "Config rejected, ",
  configWarning: "Config: ",
  endpointChanged: "is down: ",
  routesChanged: "Routes changed: ",
  fileWritten: "Wrote ",
  fileRemoved: "Removed ",
  driftRepaired: ": something else had changed it",
  fightStopped: "Gave up on ",
  takeoverDone: "containerd reads the routes: ",
  restartOwed: "containerd does not read the routes until you restart it: ",
  takeoverRefused: "containerd's configuration stays as it is: ",
  takeoverFailed: "this is not tried again until something changes",
  credentialProblem: "Credential: ",
  pullsFreed: "that made no progress; the pulls go on elsewhere",
  stuckPullsFreed: "that hung although it answers; ",
  freeingImpossible: "Cannot free pulls that hang: ",
  hangRestartBegun: "Restarting containerd: ",
  hangRestartEnded: "containerd was not restarted for pulls that hang: ",
  certificateExpiring: "The certificate of ",
  watchImpaired: "", // the watch's own words
  metricsShown: "Metrics are ",
  metricsImpaired: "; this is tried again until it works",
  passFailed: "; trying again in ",
};

test("docs/operations.md has a line of every kind of event", () => {
  const told = ["src/report/events.ts", "src/report/describe-hanging.ts"].map(read).join("");
  for (const text of [read("docs/operations.md"), told])
    assert.deepEqual(
      Object.values(SENTENCES).filter((sentence) => !text.includes(sentence)),
      [],
    );
});

test("mirror-agent.yaml(5) names every key of the config", () => {
  const page = read(`${SHARE}/man/man5/mirror-agent.yaml.5`).replaceAll("\\-", "-");
  const missing = [...findKeys(JSON.parse(renderJsonSchema()))].filter((key) => !RegExp(`\\b${key}\\b`).test(page));
  assert.deepEqual(
    missing.filter((key) => !/^(ssh|gke|cloud)\w+Path$/.test(key) && key !== "apiVersion" && key !== "kind"),
    [],
  );
});

test("mirror-agent(8) and the completion know every command", () => {
  const commands = read("src/commands/program.ts").match(/(?<=\.\/)[a-z]+(-images)?(?=\.ts")/g) ?? [];
  const page = read(`${SHARE}/man/man8/mirror-agent.8`).replaceAll("\\-", "-");
  const completion = read(`${SHARE}/bash-completion/completions/mirror-agent`);
  for (const command of commands.filter((name) => !["context", "version"].includes(name))) {
    assert.ok(page.includes(`.B ${command.replace("-", " ")}`), `${command} in the page`);
    assert.ok(
      RegExp(`commands=".*\\b${command.replace("-images", "")}\\b`).test(completion),
      `${command} in completion`,
    );
  }
});

function* findKeys(schema: object): Generator<string> {
  for (const [name, value] of Object.entries(schema)) {
    if (name === "properties") yield* Object.keys(value);
    if (typeof value === "object" && value !== null) yield* findKeys(value);
  }
}
