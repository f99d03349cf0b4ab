// What `containerd --version` and the CRI print, and which release does what.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as versions from "../../../src/core/containerd-config/versions.ts";
import { parseContainerdVersion } from "../../../src/core/containerd-config/versions.ts";

const PRINTED: readonly (readonly [string, string | null])[] = [
  ["containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", "1.6.20"],
  ["containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6+deb13u1", "1.7.24"],
  ["containerd github.com/containerd/containerd/v2 2.1.9+unknown ", "2.1.9"],
  ["containerd github.com/containerd/containerd/v2 v2.3.0-rc.1 c0ffee", "2.3.0"],
  ["containerd containerd.io 1.6.28 ae07eda36dd25f8a1b98dfbf587313b99c0190bb", "1.6.28"],
  ["v1.7.11-k3s2", "1.7.11"],
  ["2.1.9+unknown", "2.1.9"],
  ["containerd 172.18.0.20", null],
  ["", null],
];

for (const [text, want] of PRINTED) {
  test(`parseContainerdVersion() finds ${want} in "${text}"`, () => {
    const version = parseContainerdVersion(text);
    assert.equal(version && versions.renderContainerdVersion(version), want);
  });
}

const FACTS: readonly (readonly [keyof typeof versions, readonly (readonly [string, unknown])[]])[] = [
  [
    "isSupported",
    [
      ["1.5.18", false],
      ["1.6.0", true],
      ["2.4.0", true],
    ],
  ],
  [
    "knowsDialTimeout",
    [
      ["1.7.34", false],
      ["2.0.11", false],
      ["2.1.0", true],
      ["3.0.0", true],
    ],
  ],
  [
    "needsBareHostTable",
    [
      ["1.6.39", true],
      ["1.7.31", true],
      ["1.7.32", false],
      ["2.0.0", false],
    ],
  ],
  [
    "headersReachTokenEndpoint",
    [
      ["2.0.11", false],
      ["2.1.0", true],
    ],
  ],
  [
    "maxConfigVersion",
    [
      ["1.7.34", 2],
      ["2.0.0", 3],
      ["2.2.7", 3],
      ["2.3.0", 4],
    ],
  ],
  [
    "refusesHigherConfigVersion",
    [
      ["1.6.31", false],
      ["1.6.32", true],
      ["1.7.16", false],
      ["1.7.17", true],
      ["2.0.0", true],
    ],
  ],
  [
    "importsReplacePlugins",
    [
      ["1.7.34", true],
      ["2.0.0", false],
    ],
  ],
  [
    "migratesEachFile",
    [
      ["2.2.7", false],
      ["2.3.0", true],
    ],
  ],
  [
    "globsFromWorkingFolder",
    [
      ["1.6.39", true],
      ["1.7.0", false],
    ],
  ],
  [
    "newConfigVersion",
    [
      ["1.7.0", 2],
      ["2.3.0", 3],
    ],
  ],
];

const facts = versions as unknown as Record<string, (version: versions.ContainerdVersion) => unknown>;

for (const [name, rows] of FACTS) {
  for (const [text, want] of rows) {
    test(`${name}() says ${want} of ${text}`, () => {
      const version = parseContainerdVersion(text);
      assert.ok(version);
      assert.equal(facts[name]?.(version), want);
    });
  }
}
