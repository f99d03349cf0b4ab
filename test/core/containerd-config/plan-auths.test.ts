// Credentials in containerd's own configuration: when one is written, taken out or left alone, and what it costs.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fingerprintAuth } from "../../../src/core/containerd-config/auth-fingerprint.ts";
import type { AuthWishes } from "../../../src/core/containerd-config/plan-auths.ts";
import {
  findAuthStates,
  type TakeoverMemory,
  type TakeoverWish,
} from "../../../src/core/containerd-config/plan-takeover.ts";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";
import { Secret } from "../../../src/core/credentials/secret.ts";
import { NOTHING, observed, plan, R2, ROOT, SET, UNSET, VERSION, WISH } from "./observed-node.ts";

describe("planTakeover() with credentials", () => {
  const HOST = "m:5000";
  const auth = { kind: "password", username: "joe", password: new Secret("hunter2") } as const;
  const other = { ...auth, password: new Secret("hunter3") };
  const wishes = (changes: Partial<AuthWishes> = {}): Partial<TakeoverWish> => ({
    auths: { wanted: [{ host: HOST, auth }], undecided: [], ...changes },
  });
  const entry = (password: string) =>
    `\n[${R2.slice(1, -2)}.configs."${HOST}".auth]\n  username = "joe"\n  password = "${password}"\n`;
  const written = `${SET}${entry("hunter2")}`;
  const fingerprint = (password: string) => fingerprintAuth("key", HOST, { username: "joe", password });
  const ours = (password = "hunter2"): Partial<TakeoverMemory> => ({
    edits: { "/etc/containerd/config.toml": { auths: { [HOST]: fingerprint(password) } } },
  });
  const loaded = (password: string): Partial<TakeoverMemory> => ({
    inEffect: { daemon: "b:1:1", configPath: WISH.certsDir, auths: { [HOST]: fingerprint(password) } },
  });

  test("planTakeover() sets config_path and a credential in one edit and one restart", () => {
    const made = plan(observed(UNSET), wishes());
    assert.ok(made.kind === "change" && made.edit !== null);
    assert.equal(made.restart, "now");
    assert.match(made.edit.newText ?? "", /config_path = [\s\S]*password = "hunter2"/);
    assert.deepEqual([made.edit.undo !== null, made.edit.auths.length, made.isRead], [true, 1, false]);
    assert.deepEqual(made.auths, { [HOST]: fingerprint("hunter2") });
  });

  test("planTakeover() adds a credential where config_path is right, which containerd goes on reading", () => {
    const made = plan(observed(SET), wishes());
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.edit?.newText, made.edit?.undo, made.isRead], ["now", written, null, true]);
    const because = `the credential for "${HOST}" is not in config.toml; containerd reads it only when it starts, so that each change of a credential there costs a restart`;
    assert.equal(made.because, because);
    assert.doesNotMatch(made.key + JSON.stringify(made.auths), /hunter2/);
  });

  test("planTakeover() is settled once containerd was started with the credential, also with another's entries", () => {
    assert.equal(plan(observed(written), wishes(), ours()).kind, "settled");
    const more = `${written}${entry("x").replace(HOST, "theirs:5000")}`;
    assert.equal(plan(observed(more), wishes(), { ...ours(), ...loaded("hunter2") }).kind, "settled");
  });

  test("planTakeover() restarts for a credential that was written after containerd was started", () => {
    const late = observed(written, { configChangedAtMs: 2000 });
    const made = plan(late, wishes(), {
      ...ours(),
      inEffect: { daemon: "b:1:1", configPath: WISH.certsDir, auths: {} },
    });
    assert.ok(made.kind === "change");
    assert.deepEqual([made.edit, made.restart, made.isRead], [null, "now", true]);
    const [state] = findAuthStates(late, { ...WISH, ...wishes() }, { ...NOTHING, ...ours() });
    assert.deepEqual([state?.entry, state?.isLoaded], ["right", false]);
  });

  test("planTakeover() restarts once for a changed credential, and leaves an owed one to the operator", () => {
    const memory = { ...ours(), ...loaded("hunter2") };
    const made = plan(observed(written), wishes({ wanted: [{ host: HOST, auth: other }] }), memory);
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.edit?.newText], ["now", `${SET}${entry("hunter3")}`]);
    assert.match(made.because, /^the credential for "m:5000" has changed; /);
    const after = plan(
      observed(`${SET}${entry("hunter3")}`),
      { ...wishes({ wanted: [{ host: HOST, auth: other }] }), restart: "never" },
      { ...ours("hunter3"), ...loaded("hunter2") },
    );
    assert.ok(after.kind === "change");
    assert.deepEqual([after.edit, after.restart], [null, "owed"]);
  });

  test("planTakeover() takes out at once what nobody needs, without a restart, and knows it again when it is needed again", () => {
    const memory = { ...ours(), ...loaded("hunter2") };
    const made = plan(observed(written), wishes({ wanted: [] }), memory);
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.edit?.newText, made.isRead], ["none", SET, true]);
    assert.match(made.because, /^our credential for "m:5000" is not needed any more; /);
    const again = plan(observed(SET), wishes(), loaded("hunter2"));
    assert.ok(again.kind === "change");
    assert.deepEqual([again.restart, again.edit?.newText], ["none", written]);
  });

  test("planTakeover() leaves alone what is undecided, what others wrote, and all where credentials are not known", () => {
    assert.equal(plan(observed(written), wishes({ wanted: [], undecided: [HOST] }), ours()).kind, "settled");
    assert.equal(plan(observed(written), {}, ours()).kind, "settled");
    const theirs = `${SET}${entry("theirs")}`;
    for (const wanted of [[], [{ host: HOST, auth }]])
      assert.equal(plan(observed(theirs), wishes({ wanted }), ours()).kind, "settled");
    const [state] = findAuthStates(observed(theirs), { ...WISH, ...wishes() }, { ...NOTHING, ...ours() });
    assert.deepEqual([state?.entry, state?.isLoaded], ["theirs", true]);
  });

  test("planTakeover() does not repeat a credential that failed, and tries another", () => {
    const first = plan(observed(SET), wishes());
    assert.ok(first.kind === "change");
    const failed = { key: first.key, because: "it did not come back" };
    const again = plan(observed(SET), wishes(), { failed });
    assert.ok(again.kind === "refused");
    assert.deepEqual([again.because, again.isRead], ["it did not come back", true]);
    assert.equal(plan(observed(SET), wishes({ wanted: [{ host: HOST, auth: other }] }), { failed }).kind, "change");
  });

  test("planTakeover() says which credential an entry that it cannot edit keeps out, and restarts nothing for it", () => {
    const text = `${SET}\n[${R2.slice(1, -2)}.configs."${HOST}".auth]\n  auth = ""\n`;
    assert.equal(plan(observed(text), wishes()).kind, "settled");
    const [state] = findAuthStates(observed(text), { ...WISH, ...wishes() }, NOTHING);
    assert.match(state?.blocked ?? "", /auth holds "auth", which is not ours/);
    assert.equal(state?.isLoaded, false);
  });

  test("planTakeover() closes a file again that somebody has opened while it holds a credential of ours", () => {
    const opened = (text: string) => ({ config: resolveConfig([{ path: ROOT, text, mode: 0o644 }], VERSION) });
    const made = plan(observed(written, opened(written)), wishes(), { ...ours(), ...loaded("hunter2") });
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.edit?.newText, made.isRead], ["none", written, true]);
    assert.match(made.because, /^others than root can read "\/etc\/containerd\/config\.toml"; /);
    const theirs = `${SET}${entry("theirs")}`;
    assert.equal(plan(observed(theirs, opened(theirs)), wishes(), ours()).kind, "settled");
  });

  test("planTakeover() only edits where no containerd runs, and the next one has the credential", () => {
    const made = plan(observed(SET, { daemon: null }), wishes());
    assert.ok(made.kind === "change");
    assert.deepEqual([made.restart, made.edit?.newText], ["none", written]);
    const [state] = findAuthStates(
      observed(written, { daemon: null }),
      { ...WISH, ...wishes() },
      { ...NOTHING, ...ours() },
    );
    assert.equal(state?.isLoaded, true);
  });
});
