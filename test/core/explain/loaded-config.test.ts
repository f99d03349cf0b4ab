import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedContainerd } from "../../../src/core/containerd-config/observed-containerd.ts";
import { findLoaded, type LoadedConfig, type LoadedOptions } from "../../../src/core/explain/loaded-config.ts";
import { daemon, observed, R2, ROOT, SET, VERSION } from "../containerd-config/observed-node.ts";

const CERTS = "/etc/containerd/certs.d";
const BROKEN = `version = 2\n${R2}config_path = \n`;
const MIRRORS = `${SET}mirrors."gcr.io".endpoint = ["https://m"]\n`;
const LATE: Partial<ObservedContainerd> = { configChangedAtMs: 2000 };
const known = (configPath: string): LoadedOptions["inEffect"] => ({ daemon: "b:1:1", configPath, auths: {} });

interface Row {
  readonly name: string;
  readonly text: string;
  readonly change?: Partial<ObservedContainerd>;
  readonly inEffect?: LoadedOptions["inEffect"];
  readonly expected: Partial<LoadedConfig>;
  readonly isPending?: boolean;
  readonly blocked?: RegExp;
  readonly doubt?: RegExp;
}

const ROWS: readonly Row[] = [
  { name: "what it was started with", text: SET, expected: { configPath: CERTS, configPathFrom: ROOT } },
  { name: "what the next start loads where none runs", text: SET, change: { daemon: null, ...LATE }, expected: {} },
  { name: "a change after the start, which is pending", text: SET, change: LATE, expected: {}, isPending: true },
  {
    name: "the same where the agent knows that it was loaded",
    text: SET,
    change: LATE,
    inEffect: known(CERTS),
    expected: { configPath: CERTS },
  },
  {
    name: "what another daemon had loaded, as nothing",
    text: SET,
    change: LATE,
    inEffect: { daemon: "b:2:2", configPath: CERTS, auths: {} },
    expected: {},
    isPending: true,
  },
  {
    name: "what was loaded, and not what the file says since",
    text: SET.replace("certs.d", "other"),
    change: LATE,
    inEffect: known(CERTS),
    expected: { configPath: CERTS, configPathFrom: null },
    doubt: /"\/etc\/containerd\/other" in the files, which the running containerd has not loaded$/,
  },
  {
    name: "a CRI that is not loaded as the end of every pull",
    text: MIRRORS,
    change: { daemon: daemon({ criProblem: "its CRI plugin is not loaded" }) },
    expected: {},
    blocked: /^containerd serves no pulls: its CRI plugin is not loaded$/,
    doubt: /sets registry\.mirrors beside config_path/,
  },
  {
    name: "a broken file as the end of every pull, where none runs",
    text: BROKEN,
    change: { daemon: null },
    expected: {},
    blocked: /^containerd would not serve with "\/etc\/containerd\/config\.toml" line 3, column \d+: is not valid TOML/,
  },
  {
    name: "a broken file as pending while containerd serves",
    text: BROKEN,
    change: LATE,
    expected: {},
    isPending: true,
    blocked: /is not valid TOML/,
  },
  {
    name: "a broken file as a doubt where it is known what was loaded",
    text: MIRRORS,
    change: LATE,
    inEffect: known(CERTS),
    expected: { configPath: CERTS },
    doubt: /^At its next start containerd would not serve with .*beside config_path/,
  },
];

for (const { name, text, change, inEffect = null, expected, isPending = false, blocked = /^$/, doubt } of ROWS) {
  test(`findLoaded() takes ${name}`, () => {
    const node = observed(text, change);
    assert.ok(node.config);
    const loaded = findLoaded(node.config, node, { version: VERSION, inEffect });
    assert.deepEqual({ ...loaded, ...expected }, loaded);
    assert.equal(loaded.pending !== null, isPending);
    assert.match(loaded.blocked ?? "", blocked);
    assert.equal(loaded.doubts.length, doubt === undefined ? 0 : 1);
    assert.match(loaded.doubts.join(), doubt ?? /^$/);
  });
}
