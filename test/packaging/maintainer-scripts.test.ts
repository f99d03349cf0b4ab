// prerm and postrm of the .deb, with folders of ours in place of the node's: what a purge does where the program could
// not be kept, or cannot be run from where it was kept.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const SCRIPTS = join(import.meta.dirname, "../../packaging/debian");

interface Dpkg {
  readonly state: string;
  run(script: "prerm" | "postrm", action: string): { code: number | null; output: string };
  /** A program in the PATH of the scripts. */
  command(name: string, text: string): void;
}

async function installed(workspace: Workspace): Promise<Dpkg> {
  const { dir } = workspace;
  const [state, program] = [`${dir}/state`, `${dir}/program`];
  for (const folder of [state, program, `${dir}/bin`, `${dir}/etc`, `${dir}/run`]) mkdirSync(folder);
  const write = (path: string, text: string) => {
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
  };
  for (const name of ["deb-systemd-helper", "deb-systemd-invoke", "systemctl"]) write(`${dir}/bin/${name}`, "exit 0");
  write(`${program}/node`, `echo "$NODE_OPTIONS$*" >${dir}/asked`);
  writeFileSync(`${program}/main.mjs`, "");
  writeFileSync(`${state}/ledger.json`, "{}");
  return {
    state,
    run(script, action) {
      const text = readFileSync(join(SCRIPTS, script), "utf8")
        .replaceAll("/var/lib/mirror-agent", state)
        .replaceAll("/usr/lib/mirror-agent", program)
        .replaceAll(/\/run\/(mirror-agent|systemd\/system)/g, `${dir}/run/$1`)
        .replaceAll("/etc/containerd", `${dir}/etc`);
      const env = { PATH: `${dir}/bin:${process.env.PATH}`, NODE_OPTIONS: "--require x" };
      const { status, stdout, stderr } = spawnSync("sh", ["-c", text, script, action], { env, encoding: "utf8" });
      return { code: status, output: `${stdout}${stderr}` };
    },
    command: (name, text) => write(`${dir}/bin/${name}`, text),
  };
}

test("a purge lets the program put everything back, without Node's variables, and removes the state", async () => {
  await using workspace = await createWorkspace();
  const { run, state } = await installed(workspace);
  for (const script of ["prerm", "postrm"] as const) assert.equal(run(script, "remove").code, 0);
  assert.deepEqual(run("postrm", "purge"), { code: 0, output: "" });
  const asked = readFileSync(join(workspace.dir, "asked"), "utf8");
  assert.equal(asked, `--disable-warning=ExperimentalWarning ${state}/purge/main.mjs restore\n`);
  assert.equal(existsSync(state), false);
});

test("a purge keeps the backups where the program cannot be run", async () => {
  await using workspace = await createWorkspace();
  const { run, state } = await installed(workspace);
  run("prerm", "remove");
  chmodSync(`${state}/purge/node`, 0o644); // as on a file system without exec
  const purge = run("postrm", "purge");
  assert.notEqual(purge.code, 0);
  assert.match(purge.output, /the backups are still in .*install the package again/s);
  assert.ok(existsSync(`${state}/ledger.json`));
});

test("a removal goes on where the program cannot be kept, and a purge then keeps the backups", async () => {
  await using workspace = await createWorkspace();
  const { run, state, command } = await installed(workspace);
  command("cp", `mkdir -p ${state}/purge && echo "No space left on device" >&2 && exit 1`);
  const removal = run("prerm", "remove");
  assert.equal(removal.code, 0);
  assert.match(removal.output, /No space left.*a purge will need the package again/s);
  assert.equal(existsSync(`${state}/purge`), false);
  assert.notEqual(run("postrm", "purge").code, 0);
  assert.ok(existsSync(`${state}/ledger.json`));
});

test("a purge needs no program where nothing was ever done", async () => {
  await using workspace = await createWorkspace();
  const { run, state } = await installed(workspace);
  renameSync(`${state}/ledger.json`, `${state}/pass.lock`);
  assert.equal(run("prerm", "remove").code, 0);
  assert.equal(existsSync(`${state}/purge`), false);
  assert.deepEqual(run("postrm", "purge"), { code: 0, output: "" });
  assert.equal(existsSync(state), false);
});
