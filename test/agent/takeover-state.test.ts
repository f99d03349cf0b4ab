// What a pass makes of the takeover: whether it is due, in effect, owed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileTakeoverState, unknownTakeover } from "../../src/agent/takeover-state.ts";
import type { ObservedContainerd } from "../../src/core/containerd-config/observed-containerd.ts";
import { resolveConfig } from "../../src/core/containerd-config/resolve-config.ts";
import type { MirrorConfig } from "../../src/core/mirror-config.ts";
import { type Journal, NOTHING_REMEMBERED, type Remembered } from "../../src/node/restart-memory.ts";
import { AGENT_DEFAULTS, config, mirror } from "../core/samples.ts";

const VERSION = { major: 1, minor: 7, patch: 24 };
const CERTS_DIR = "/etc/containerd/certs.d";
const UNSET = "version = 2\n";
const SET = `${UNSET}[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "${CERTS_DIR}"\n`;
const WITH_MIRROR = config({ mirrors: [mirror("https://m")] });
const never = { ...AGENT_DEFAULTS, containerd: { ...AGENT_DEFAULTS.containerd, restart: "never" as const } };
const IN_EFFECT = { inEffect: { daemon: "b:1:1", configPath: CERTS_DIR, auths: {} } };
const OWED: Journal = {
  step: "owed",
  edit: null,
  daemon: "b:1:1",
  key: "k",
  wanted: CERTS_DIR,
  auths: {},
  failure: null,
};

function observed(text: string, changes: Partial<ObservedContainerd> = {}): ObservedContainerd {
  const daemon = {
    identity: "b:1:1",
    pid: 1,
    startedAtMs: 1000,
    version: VERSION,
    unit: null,
    workingFolder: "/",
    criProblem: null,
  };
  return {
    socket: "/s",
    daemon,
    binary: "/usr/bin/containerd",
    version: VERSION,
    managedBy: null,
    config: resolveConfig([{ path: "/c.toml", text }], VERSION),
    configChangedAtMs: 500,
    ...changes,
  };
}

interface Case {
  readonly text: string;
  readonly config?: MirrorConfig;
  readonly remembered?: Partial<Remembered>;
  readonly changes?: Partial<ObservedContainerd>;
}

function compile({ text, config: chosen = WITH_MIRROR, remembered = {}, changes = {} }: Case) {
  const all = { ...NOTHING_REMEMBERED, ...remembered };
  return compileTakeoverState(observed(text, changes), { config: chosen, certsDir: CERTS_DIR }, all);
}

function flagsOf(row: Case) {
  const { plan, inEffect, isDue, restartOwed } = compile(row);
  return [plan.kind, inEffect && "in effect", isDue && "due", restartOwed && "owed"].filter(Boolean).join(", ");
}

const noDaemon = { daemon: null };
const journal = OWED;
const neverRestart = config({ mirrors: [mirror("https://m")], agent: never });
const ROWS: readonly (readonly [name: string, row: Case, flags: string])[] = [
  ["config_path is not set", { text: UNSET }, "change, due"],
  ["the config names no registry", { text: UNSET, config: config() }, "settled, in effect"],
  ["set and not yet remembered", { text: SET }, "settled, in effect, due"],
  ["set and remembered", { text: SET, remembered: IN_EFFECT }, "settled, in effect"],
  ["set, and containerd does not run", { text: SET, changes: noDaemon }, "settled, in effect"],
  ["taken out after it was loaded", { text: UNSET, remembered: IN_EFFECT }, "change, in effect, due"],
  ["never: before the edit", { text: UNSET, config: neverRestart }, "change, due"],
  [
    "never: after the edit",
    { text: SET, config: neverRestart, remembered: { journal }, changes: { configChangedAtMs: 2000 } },
    "change, due, owed",
  ],
  [
    "never: the operator changed it alone",
    { text: SET, config: neverRestart, changes: { configChangedAtMs: 2000 } },
    "change, due, owed",
  ],
  ["owed and done by somebody else", { text: SET, remembered: { journal } }, "settled, in effect, due"],
  ["k3s", { text: UNSET, changes: { managedBy: "k3s" } }, "refused"],
  [
    "begun before containerd became k3s's",
    { text: SET, remembered: { journal }, changes: { managedBy: "k3s" } },
    "refused, due, owed",
  ],
];

for (const [name, row, flags] of ROWS) {
  test(`compileTakeoverState() where ${name}: ${flags}`, () => assert.equal(flagsOf(row), flags));
}

test("compileTakeoverState() has a stamp that changes with what matters, and shows no text of config.toml", () => {
  const secret = `${UNSET}# hunter2\n`;
  const stamp = compile({ text: secret }).stamp;
  assert.equal(compile({ text: secret }).stamp, stamp);
  assert.doesNotMatch(stamp, /hunter2/);
  const others = [
    compile({ text: `${secret}# more\n` }),
    compile({ text: secret, remembered: { journal } }),
    compile({ text: secret, remembered: { failed: { key: "k", because: "b" } } }),
    compile({ text: secret, changes: { managedBy: "k3s" } }),
  ];
  assert.equal(new Set([stamp, ...others.map((other) => other.stamp)]).size, 5);
  const edit = {
    path: "/c.toml",
    oldText: secret,
    newText: secret,
    isRestore: false,
    kept: null,
    mode: 0,
    newMode: 0,
    owner: null,
  };
  assert.doesNotMatch(compile({ text: SET, remembered: { journal: { ...OWED, edit } } }).stamp, /hunter2/);
});

test("unknownTakeover() changes nothing and says why", () => {
  const { plan, isDue, inEffect } = unknownTakeover("it cannot be read");
  assert.deepEqual([plan.kind, plan.because, isDue, inEffect], ["refused", "it cannot be read", false, false]);
});
