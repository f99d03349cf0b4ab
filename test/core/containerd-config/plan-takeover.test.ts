// When containerd's configuration is touched, when containerd is restarted, and everything that stops us.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ObservedContainerd } from "../../../src/core/containerd-config/observed-containerd.ts";
import { planMigration } from "../../../src/core/containerd-config/plan-takeover.ts";
import { daemon, NOTHING, observed, plan, R2, ROOT, SET, UNSET, VERSION, WISH } from "./observed-node.ts";

describe("planTakeover()", () => {
  test("planTakeover() does nothing where containerd was started after config_path was set", () => {
    const because = "containerd was started after its last change";
    assert.deepEqual(plan(observed(SET)), { kind: "settled", because });
    const twice = SET.replace("certs.d", "/certs.d/");
    assert.equal(plan(observed(twice)).kind, "settled");
  });

  test("planTakeover() edits and restarts where it is not set", () => {
    const made = plan(observed(UNSET));
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.daemon, made.edit?.path], ["now", "b:1:1", ROOT]);
    assert.equal(made.because, "config_path is not set; containerd reads it only when it starts");
  });

  test("planTakeover() restarts without an edit where the file was changed after the start", () => {
    const made = plan(observed(SET, { configChangedAtMs: 2000 }));
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.edit], ["now", null]);
    assert.equal(made.because, `"${ROOT}" was changed after containerd was started`);
  });

  test("planTakeover() does not restart a containerd that is known to have loaded it, whatever was touched since", () => {
    const inEffect = { daemon: "b:1:1", configPath: WISH.certsDir, auths: {} };
    assert.equal(plan(observed(SET, { configChangedAtMs: 2000 }), {}, { inEffect }).kind, "settled");
    const edit = plan(observed(UNSET), {}, { inEffect });
    assert.ok(edit.kind === "change");
    assert.equal(edit.restart, "none");
  });

  test("planTakeover() restarts one that is known to have loaded something else, though its clock says otherwise", () => {
    const inEffect = { daemon: "b:1:1", configPath: "/other", auths: {} };
    assert.equal(plan(observed(SET), {}, { inEffect }).kind, "change");
  });

  test("planTakeover() forgets what an earlier daemon had loaded", () => {
    const inEffect = { daemon: "b:0:0", configPath: WISH.certsDir, auths: {} };
    assert.equal(plan(observed(SET, { configChangedAtMs: 2000 }), {}, { inEffect }).kind, "change");
  });

  test("planTakeover() only edits where no containerd runs", () => {
    const made = plan(observed(UNSET, { daemon: null }));
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.daemon], ["none", null]);
  });

  test("planTakeover() leaves the restart to the operator, whatever the unit says", () => {
    const unit = { name: "x.service", killMode: "control-group" };
    const made = plan(observed(UNSET, { daemon: daemon({ unit }) }), { restart: "never" });
    assert.ok(made.kind === "change");
    assert.equal(made.restart, "owed");
  });

  test("planTakeover() takes a colon path where containerd takes it apart, and replaces it where it is ignored", () => {
    const colon = SET.replace("certs.d", "certs.d:/etc/docker/certs.d");
    assert.equal(plan(observed(colon)).kind, "settled");
    const made = plan(observed(colon, { version: { major: 2, minor: 1, patch: 9 } }));
    assert.ok(made.kind === "change");
    assert.equal(made.edit?.newText, SET);
  });

  test("planTakeover() leaves a colon path on 2.1 where a setting makes it pull as before, and not where a login does", () => {
    const version = { major: 2, minor: 1, patch: 9 };
    const colon = SET.replace("certs.d", "certs.d:/etc/docker/certs.d");
    const local = '[plugins."io.containerd.cri.v1.images"]\nuse_local_image_pull = true\n';
    assert.equal(plan(observed(`${colon}${local}`, { version })).kind, "settled");
    assert.equal(plan(observed(`${colon}configs."m".auth.username = "a"\n`, { version })).kind, "change");
  });

  test("planTakeover() gives the same plan for the same node, and another key for another text", () => {
    assert.deepEqual(plan(observed(UNSET)), plan(observed(UNSET)));
    const [a, b] = [plan(observed(UNSET)), plan(observed(`${UNSET}# x\n`))];
    assert.ok(a.kind === "change" && b.kind === "change");
    assert.notEqual(a.key, b.key);
  });

  test("planTakeover() does not repeat what failed, until something changes", () => {
    const first = plan(observed(UNSET));
    assert.ok(first.kind === "change");
    const failed = { key: first.key, because: "it did not come back" };
    const again = plan(observed(UNSET), {}, { failed });
    assert.ok(again.kind === "refused");
    assert.equal(again.because, "it did not come back");
    assert.equal(plan(observed(`${UNSET}# x\n`), {}, { failed }).kind, "change");
    assert.equal(plan(observed(UNSET, { version: { ...VERSION, patch: 25 } }), {}, { failed }).kind, "change");
  });
});

const REFUSALS: readonly { name: string; node: ObservedContainerd; because: RegExp; mend: RegExp }[] = [
  {
    name: "k3s",
    node: observed(UNSET, { managedBy: "k3s" }),
    because: /^k3s writes this containerd's configuration anew/,
    mend: /\/etc\/rancher\/k3s\/registries\.yaml/,
  },
  {
    name: "RKE2",
    node: observed(UNSET, { managedBy: "rke2" }),
    because: /^RKE2 writes/,
    mend: /\/etc\/rancher\/rke2\/registries\.yaml/,
  },
  {
    name: "no containerd",
    node: observed(UNSET, { version: null, binary: null }),
    because: /^no containerd was found/,
    mend: /agent\.containerd\.binary/,
  },
  {
    name: "a broken config.toml",
    node: observed("version = 2\n[x\n"),
    because: /^"\/etc\/containerd\/config\.toml" line 2, column 2: is not valid TOML/,
    mend: /^mend "\/etc\/containerd\/config\.toml"/,
  },
  {
    name: "legacy mirrors",
    node: observed(`version = 2\n${R2}mirrors."gcr.io".endpoint = ["https://m"]\n`),
    because: /^containerd has registry\.mirrors for "gcr\.io"$/,
    mend: /mirror-agent migrate/,
  },
  {
    name: "legacy TLS on 1.x",
    node: observed(`version = 2\n${R2}configs."m:5".tls.ca_file = "/x"\n`),
    because: /^containerd has registry\.configs\.\*\.tls for "m:5"$/,
    mend: /mirror-agent migrate/,
  },
  {
    name: "a KillMode that ends containers",
    node: observed(UNSET, { daemon: daemon({ unit: { name: "containerd.service", killMode: "mixed" } }) }),
    because: /^a restart would end containers: containerd\.service has KillMode=mixed, not "process"$/,
    mend: /KillMode=process/,
  },
  {
    name: "a CRI that does not answer as it is",
    node: observed(UNSET, { daemon: daemon({ criProblem: "not loaded" }) }),
    because: /^the CRI does not answer as it is: not loaded$/,
    mend: /^mend containerd first/,
  },
];

describe("planTakeover() refuses", () => {
  for (const { name, node, because, mend } of REFUSALS) {
    test(`planTakeover() refuses ${name}, and says what to do`, () => {
      const refusal = plan(node);
      assert.ok(refusal.kind === "refused");
      assert.match(refusal.because, because);
      assert.match(refusal.mend, mend);
    });
  }

  test("planTakeover() lets auth alone stay: containerd reads it beside config_path", () => {
    const text = `version = 2\n${R2}configs."m:5".auth.username = "u"\n`;
    assert.equal(plan(observed(text)).kind, "change");
  });
});

describe("planMigration()", () => {
  const legacy = `version = 2\n${R2}mirrors."gcr.io".endpoint = ["https://m"]\n`;

  test("planMigration() converts what planTakeover() refuses, with a restart even of a daemon that has our config_path", () => {
    const inEffect = { daemon: "b:1:1", configPath: WISH.certsDir, auths: {} };
    const { plan: made, hostsFiles } = planMigration(observed(legacy), WISH, { ...NOTHING, inEffect });
    assert.ok(made.kind === "change");
    assert.deepEqual(
      [made.restart, made.edit?.newText],
      ["now", `version = 2\n${R2}  config_path = "${WISH.certsDir}"\n`],
    );
    assert.deepEqual(
      hostsFiles.map(({ registry }) => registry),
      ["gcr.io"],
    );
  });

  test("planMigration() refuses where there is nothing to convert, and what planTakeover() refuses beside that", () => {
    const nothing = planMigration(observed(SET), WISH, NOTHING);
    assert.ok(nothing.plan.kind === "refused" && nothing.hostsFiles.length === 0);
    const managed = planMigration(observed(legacy, { managedBy: "k3s" }), WISH, NOTHING);
    assert.equal(managed.plan.kind, "refused");
    const unit = { name: "containerd.service", killMode: "mixed" };
    assert.equal(planMigration(observed(legacy, { daemon: daemon({ unit }) }), WISH, NOTHING).plan.kind, "refused");
  });
});
