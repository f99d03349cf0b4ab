import assert from "node:assert/strict";
import { test } from "node:test";
import { PerformError, type Performers, perform } from "../../src/agent/perform.ts";
import type { Action } from "../../src/core/action.ts";

const write = (path: string): Action => ({ kind: "writeFile", path, text: "", mode: 0o644, because: "" });
const remove = (path: string): Action => ({ kind: "removeFile", path, because: "" });
const unused = async () => assert.fail("not planned");

function recorder(failOn: ReadonlySet<string> = new Set()): { done: string[]; performers: Performers } {
  const done: string[] = [];
  const record = async ({ kind, path }: Action) => {
    if (failOn.has(path)) throw new Error(`no space for ${path}`);
    done.push(`${kind} ${path}`);
  };
  return { done, performers: { writeFile: record, removeFile: record, backUpFile: unused, restoreFile: unused } };
}

test("perform() ends each stage before the next: TLS copies, then hosts.toml, then removals", async () => {
  const done: string[] = [];
  const slow = async ({ kind, path }: Action) => {
    done.push(`begin ${kind} ${path}`);
    await new Promise((resolve) => setImmediate(resolve));
    done.push(`end ${kind} ${path}`);
  };
  const performers = { writeFile: slow, removeFile: slow, backUpFile: unused, restoreFile: unused };
  await perform([write("ca.pem"), write("hosts.toml"), remove("old.pem")], performers, new AbortController().signal);
  assert.deepEqual(
    done.map((line) => line.replace(/writeFile |removeFile /, "")),
    ["begin ca.pem", "end ca.pem", "begin hosts.toml", "end hosts.toml", "begin old.pem", "end old.pem"],
  );
});

test("perform() does the rest of a stage when one of it fails, and no later stage", async () => {
  const { done, performers } = recorder(new Set(["b"]));
  await assert.rejects(
    perform([write("a"), write("b"), write("c"), remove("d")], performers, new AbortController().signal),
    (error) => error instanceof PerformError && error.message === "Cannot change the node: no space for b",
  );
  assert.deepEqual(done, ["writeFile a", "writeFile c"]);
});

test("perform() begins no stage once it is told to stop", async () => {
  const stop = new AbortController();
  const { done, performers } = recorder();
  const stopping = { ...performers, writeFile: async () => stop.abort() };
  await assert.rejects(perform([write("a"), remove("b")], stopping, stop.signal), { name: "AbortError" });
  assert.deepEqual(done, []);
});
