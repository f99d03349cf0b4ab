import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  METRICS_FILE_MARK,
  openMetricsFile,
  removeMetricsFile,
  writeMetricsFile,
} from "../../src/node/metrics-file.ts";
import { createWorkspace } from "../lab/workspace.ts";

test("writeMetricsFile() writes for everybody to read, and removeMetricsFile() removes it", async () => {
  await using workspace = await createWorkspace();
  const path = join(workspace.dir, "a.prom");
  await openMetricsFile(path);
  await writeMetricsFile(path, "x 1\n");
  assert.equal(await readFile(path, "utf8"), `${METRICS_FILE_MARK}\nx 1\n`);
  assert.equal((await stat(path)).mode & 0o777, 0o644);
  await openMetricsFile(path); // our own, after a restart
  assert.equal(await removeMetricsFile(path), true);
  assert.equal(await removeMetricsFile(path), false);
  assert.deepEqual(await readdir(workspace.dir), []);
});

describe("openMetricsFile() refuses", () => {
  const cases: Readonly<Record<string, readonly [(path: string) => Promise<unknown>, RegExp]>> = {
    "another program's file": [(path) => writeFile(path, "apt_upgrades 3\n"), /not mirror-agent's$/],
    "an empty file": [(path) => writeFile(path, ""), /not mirror-agent's$/],
    "a link, wherever it leads": [
      async (path) => {
        await writeFile(`${path}.target`, `${METRICS_FILE_MARK}\n`);
        await symlink(`${path}.target`, path);
      },
      /not mirror-agent's$/,
    ],
    "a pipe, without waiting for it": [async (path) => execFileSync("mkfifo", [path]), /not mirror-agent's$/],
    "a folder": [(path) => mkdir(path), /not mirror-agent's$/],
  };
  for (const [name, [make, message]] of Object.entries(cases)) {
    test(name, async () => {
      await using workspace = await createWorkspace();
      const path = join(workspace.dir, "a.prom");
      await make(path);
      await assert.rejects(openMetricsFile(path), message);
      assert.equal(await removeMetricsFile(path), false);
    });
  }

  test("a folder that is missing, and does not make it", async () => {
    await using workspace = await createWorkspace();
    await assert.rejects(openMetricsFile(join(workspace.dir, "missing/a.prom")), /there is no folder ".*\/missing"$/);
    assert.deepEqual(await readdir(workspace.dir), []);
  });
});

test("writeMetricsFile() replaces a link that somebody put there meanwhile, and does not write where it leads", async () => {
  await using workspace = await createWorkspace();
  const path = join(workspace.dir, "a.prom");
  await writeFile(`${path}.target`, "precious\n");
  await symlink(`${path}.target`, path);
  await writeMetricsFile(path, "x 1\n");
  assert.equal(await readFile(`${path}.target`, "utf8"), "precious\n");
  assert.match(await readFile(path, "utf8"), /x 1/);
});

test("openMetricsFile() clears away what a write left that was cut off", async () => {
  await using workspace = await createWorkspace();
  await workspace.file(".mirror-agent-0123456789ab", "half");
  await workspace.file("other.prom", "y 1\n");
  await openMetricsFile(join(workspace.dir, "a.prom"));
  assert.deepEqual(await readdir(workspace.dir), ["other.prom"]);
});
