// check, plan, apply and status as processes: what they print, and how they end.

import assert from "node:assert/strict";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { makeAuthority } from "../lab/certificates.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { runCommand } from "./run-command.ts";

const CONFIG = "registryMirrors:\n  - endpoint: https://172.18.0.20:5000\n    hosts: [gcr.io, docker.io]\n";
const HOSTS = "etc/containerd/certs.d/gcr.io/hosts.toml";

async function rootWith(workspace: Workspace, config: string | null): Promise<string> {
  const root = await workspace.folder("root");
  if (config !== null) await workspace.file("root/etc/mirror-agent/config.yaml", config);
  return root;
}

test("check ends with 0 for a valid config, and says what it is for", async () => {
  await using workspace = await createWorkspace();
  const path = await workspace.file("config.yaml", CONFIG);
  const { code, stdout, stderr } = await runCommand(["check", path]);
  assert.deepEqual([code, stdout, stderr], [0, `${path} is valid: 1 mirror for gcr.io, docker.io\n`, ""]);
});

test("check ends with 2 and tells every problem at once, each with its place", async () => {
  await using workspace = await createWorkspace();
  const path = await workspace.file(
    "config.yaml",
    "registryMirrors:\n  - endpont: x\n    hosts: [a b]\nagent: { failover: sometimes }\n",
  );
  const { code, stdout } = await runCommand(["check", path]);
  assert.equal(code, 2);
  assert.match(stdout, /config\.yaml:2:5: error: .*endpont.*endpoint/);
  assert.match(stdout, /config\.yaml:3:13: error: /);
  assert.match(stdout, /config\.yaml:4:20: error: .*"sometimes"/);
});

test("check ends with 2 for a CA that is missing, at the place that names it", async () => {
  await using workspace = await createWorkspace();
  const path = await workspace.file("config.yaml", `${CONFIG}    caCertPath: ${workspace.dir}/none.pem\n`);
  const { code, stdout } = await runCommand(["check", path]);
  assert.deepEqual([code, stdout], [2, `${path}:4:17: error: Cannot read "${workspace.dir}/none.pem": no such file\n`]);
});

test("check warns of a CA that ends within 30 days, and refuses one that has ended", async () => {
  await using workspace = await createWorkspace();
  const authority = makeAuthority();
  for (const [cert, code, words] of [
    [authority.issue(["DNS:ca"]).cert, 0, /warning: .* expires on \d{4}-/],
    [authority.issue(["DNS:ca"], { expired: true }).cert, 2, /error: .* expired on \d{4}-/],
    [authority.cert, 0, /^(?!.*warning)/s],
  ] as const) {
    const ca = await workspace.file("ca.pem", cert);
    const path = await workspace.file("config.yaml", `${CONFIG}    caCertPath: ${ca}\n`);
    const ran = await runCommand(["check", path]);
    assert.equal(ran.code, code, ran.stdout);
    assert.match(ran.stdout, words);
  }
});

test("check --output json has the issues for machines", async () => {
  await using workspace = await createWorkspace();
  const path = await workspace.file("config.yaml", "registryMirrors: 1\n");
  const { code, stdout } = await runCommand(["--output", "json", "check", path]);
  const { schema, valid, issues } = JSON.parse(stdout);
  assert.deepEqual([code, schema, valid, issues[0].line, issues[0].at], [2, 1, false, 1, "registryMirrors"]);
});

test("a missing config, an unknown command and an unknown option end with 2 and say what to do", async () => {
  await using workspace = await createWorkspace();
  const root = await rootWith(workspace, null);
  for (const [args, words] of [
    [["--root", root, "plan"], /config\.yaml:1:1: error: Cannot read ".*config\.yaml": no such file/],
    [["aply"], /Did you mean apply\?/],
    [["plan", "--exitcode"], /Did you mean --exit-code\?/],
    [["--output", "xml", "plan"], /Allowed choices are text, json/],
  ] as const) {
    const { code, stderr } = await runCommand(args);
    assert.equal(code, 2, args.join(" "));
    assert.match(stderr, words);
  }
});

test("plan shows the change as a diff, changes nothing, and ends with 1 only if it is asked to", async () => {
  await using workspace = await createWorkspace();
  const root = await rootWith(workspace, CONFIG);
  const plan = await runCommand(["--root", root, "plan"]);
  assert.equal(plan.code, 0, plan.stderr);
  assert.match(plan.stdout, /^\+\[host\."https:\/\/172\.18\.0\.20:5000"\]$/m);
  assert.equal((await runCommand(["--root", root, "plan", "--exit-code"])).code, 1);
  assert.deepEqual(await readdir(root), ["etc"]);
});

test("apply writes the files, a second apply and plan --exit-code find nothing to do", async () => {
  await using workspace = await createWorkspace();
  const root = await rootWith(workspace, CONFIG);
  const first = await runCommand(["--root", root, "apply"]);
  assert.match(first.stdout, /^Wrote .*gcr\.io\/hosts\.toml: gcr\.io: https:\/\/172\.18\.0\.20:5000$/m);
  const before = await stat(join(root, HOSTS));
  const second = await runCommand(["--root", root, "apply"]);
  assert.match(second.stdout, /Nothing to change/);
  assert.equal((await stat(join(root, HOSTS))).mtimeMs, before.mtimeMs);
});

test("apply changes nothing for a config with an error", async () => {
  await using workspace = await createWorkspace();
  const root = await rootWith(workspace, CONFIG);
  await runCommand(["--root", root, "apply"]);
  const before = await readFile(join(root, HOSTS), "utf8");
  await writeFile(
    join(root, "etc/mirror-agent/config.yaml"),
    "registryMirrors: [{ endpoint: https://other }, { endpoint: 5 }]\n",
  );
  const { code, stderr } = await runCommand(["--root", root, "apply"]);
  assert.equal(code, 2);
  assert.match(stderr, /The config is not valid; nothing was changed/);
  assert.equal(await readFile(join(root, HOSTS), "utf8"), before);
});

test("apply keeps an admin's hosts.toml and puts it back when the registry is no longer mirrored", async () => {
  await using workspace = await createWorkspace();
  const root = await rootWith(workspace, CONFIG);
  const theirs = 'server = "https://theirs"\n';
  await workspace.file(`root/${HOSTS}`, theirs);
  await runCommand(["--root", root, "apply"]);
  assert.notEqual(await readFile(join(root, HOSTS), "utf8"), theirs);
  await writeFile(join(root, "etc/mirror-agent/config.yaml"), "registryMirrors: []\n");
  await runCommand(["--root", root, "apply"]);
  assert.equal(await readFile(join(root, HOSTS), "utf8"), theirs);
  assert.deepEqual(await readdir(join(root, "etc/containerd/certs.d")), ["gcr.io"]);
});

test("apply names copies of the CA, and the copy is there", async () => {
  await using workspace = await createWorkspace();
  const ca = await workspace.file("ca.pem", makeAuthority().cert);
  const root = await rootWith(workspace, `${CONFIG}    caCertPath: ${ca}\n`);
  await runCommand(["--root", root, "apply"]);
  const copy = /ca = "(.*)"/.exec(await readFile(join(root, HOSTS), "utf8"))?.[1] ?? "";
  assert.ok(copy.startsWith(`${root}/var/lib/mirror-agent/tls/`), copy);
  assert.equal(await readFile(copy, "utf8"), await readFile(ca, "utf8"));
  assert.equal((await stat(`${root}/var/lib/mirror-agent`)).mode & 0o777, 0o700);
});

test("apply takes an emptied config for one that is being written, and changes nothing", async () => {
  await using workspace = await createWorkspace();
  const root = await rootWith(workspace, CONFIG);
  await runCommand(["--root", root, "apply"]);
  const before = await readFile(join(root, HOSTS), "utf8");
  await writeFile(join(root, "etc/mirror-agent/config.yaml"), "");
  const { code, stderr } = await runCommand(["--root", root, "apply"]);
  assert.equal(code, 2);
  assert.match(stderr, /it is empty; to mirror nothing write "registryMirrors: \[\]"/);
  assert.equal(await readFile(join(root, HOSTS), "utf8"), before);
});

test("status says that the agent does not run here, and ends with 1", async () => {
  await using workspace = await createWorkspace();
  const { code, stderr } = await runCommand(["--root", workspace.dir, "status"]);
  assert.equal(code, 1);
  assert.match(stderr, /mirror-agent is not running here; start it with systemctl start mirror-agent/);
});

test("each command has help with an example", async () => {
  for (const command of ["run", "check", "plan", "apply", "status"]) {
    const { code, stdout } = await runCommand([command, "--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /Example:\n {2}mirror-agent/);
  }
});
