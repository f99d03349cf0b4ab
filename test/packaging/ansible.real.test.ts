// The role of packaging/ansible, on two booted nodes that it reaches by ssh.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { VERSION } from "../../src/version.ts";
import type { Machine } from "../lab/machine.ts";
import { createWorkspace } from "../lab/workspace.ts";
import {
  type Fleet,
  fleetMissing,
  type NodeName,
  openFleet,
  type Play,
  ROLE_FOLDER,
  rebuildAs,
} from "./ansible-scene.ts";
import { PASSWORDS } from "./node-scene.ts";
import { buildPackages } from "./package-file.ts";

const BOTH: readonly NodeName[] = ["node-a", "node-b"];
const skip = fleetMissing();

test("ansible-lint and yamllint find nothing in the role", { skip }, async () => {
  const options = { cwd: ROLE_FOLDER };
  await promisify(execFile)("yamllint", ["--strict", "."], options);
  await promisify(execFile)("ansible-lint", ["--offline", "--nocolor", "site.yml", "roles/mirror_agent"], options);
});

test("the role on two nodes", { skip, timeout: 3_600_000 }, async (t) => {
  await using workspace = await createWorkspace();
  const [{ deb }, fleet] = await Promise.all([buildPackages(workspace, ["deb"]), openFleet(workspace)]);
  const { lan, nodes } = fleet;
  const step = (name: string, body: () => Promise<void>) => t.test(name, { timeout: 600_000 }, body);
  const first = { ...fleet.variables, mirror_agent_package_folder: dirname(deb), mirror_agent_version: VERSION };

  await step("--check of a first roll says so, and installs nothing", async () => {
    const play = await fleet.play(first, "--check", "--diff", "--limit", "node-a");
    assert.equal(play.code, 0, play.output);
    assert.match(play.output, RegExp(`mirror-agent ${VERSION} would replace nothing`));
    assert.equal((await nodes["node-a"].tryRun("which mirror-agent")).code, 1);
  });

  await step("rolls onto one node after the other", async () => {
    const play = await fleet.play(first);
    assert.deepEqual([play.code, failuresOf(play)], [0, [0, 0]], play.output);
    const order = [...play.output.matchAll(/^(?:changed|ok): \[(node-[ab])\]/gm)].map(([, name]) => name).join(" ");
    assert.match(order, /^(node-[ab] ){4}(node-a )+(node-b ?)+$/);
    for (const name of BOTH) {
      assert.equal(await fleet.pullsFromMirror(name), true);
      const modes =
        "stat -c %a%U /etc/mirror-agent/config.yaml /etc/mirror-agent/mirror-ca.crt /root/.docker/config.json";
      assert.equal(await nodes[name].run(modes), "644root\n644root\n600root\n");
    }
    assertSecret(play);
  });

  const second = withHosts(first, ["gcr.io", "docker.io"]);

  await step("--check shows what would change, and changes nothing", async () => {
    const before = await contentOf(fleet);
    const play = await fleet.play({ ...second, mirror_agent_serial: 2 }, "--check", "--diff");
    assert.equal(play.code, 0, play.output);
    assert.ok(
      changesOf(play).every((count) => count > 0),
      play.output,
    );
    assert.match(play.output, /\+ +- docker\.io/, "of the config");
    assert.match(play.output, /\+\+\+ \/etc\/containerd\/certs\.d\/docker\.io\/hosts\.toml/, "of the routes");
    assert.match(play.output, /\+ *Authorization = \(secret\)/);
    assertSecret(play);
    await assertSame(fleet, before);
  });

  await step("leaves the nodes as they are when the config has a mistake", async () => {
    const before = await contentOf(fleet);
    const mistaken = JSON.parse(JSON.stringify(second).replace('"hosts"', '"hostz"'));
    const play = await fleet.play({ ...mistaken, mirror_agent_files: [] });
    assert.equal(play.code, 2, play.output);
    assert.match(play.output, /\[node-a\]: FAILED.*config\.yaml:\d+:\d+: error: .*hostz/);
    assert.deepEqual(
      [failuresOf(play), changesOf(play)],
      [
        [1, 0],
        [0, 0],
      ],
      play.output,
    );
    assert.doesNotMatch(play.output, /TASK \[Name the nodes/, "what is wrong on one would be on the next");
    await assertSame(fleet, before);
  });

  const upgrade = {
    ...second,
    mirror_agent_package_folder: await rebuildAs(workspace, deb, "99.0"),
    mirror_agent_version: "99.0",
  };

  await step("does the other node when one cannot be reached, and says so", async () => {
    await lan.unplug("nodeb");
    const before = await contentOf(fleet);
    const play = await fleet.play(upgrade, "--limit", "node-a,node-b");
    assert.equal(play.code, 2, play.output);
    assert.match(play.output, /\[node-b\]: FAILED.*Not rolled, since unreachable: node-b\. Run this again/);
    assert.deepEqual(failuresOf(play), [0, 1], play.output);
    assert.equal(await versionOf(fleet, "node-a"), "99.0");
    await nodes["node-a"].run("test -e /etc/containerd/certs.d/docker.io/hosts.toml");
    await assertSame(fleet, before, ["node-b"]);
  });

  await step("brings it up to date when it is back, and changes nothing where there is nothing to do", async () => {
    await lan.plugIn("nodeb");
    const before = await contentOf(fleet);
    const play = await fleet.play({ ...upgrade, mirror_agent_serial: 2 });
    assert.deepEqual([play.code, failuresOf(play)], [0, [0, 0]], play.output);
    assert.equal(changesOf(play)[0], 0);
    await assertSame(fleet, before, ["node-a"]);
    assert.equal(await versionOf(fleet, "node-b"), "99.0");
    for (const name of BOTH) assert.equal(await fleet.pullsFromMirror(name), true);
  });

  await step("calls a mirror that is down a failure or not, as you say", async () => {
    await lan.unplug("mirror");
    await nodes["node-a"].until(`mirror-agent --output json status | grep '"state": "down"'`);
    const limit = ["--limit", "node-a"];
    const warned = await fleet.play(upgrade, ...limit);
    assert.deepEqual([warned.code, failuresOf(warned)[0]], [0, 0], warned.output);
    const failed = await fleet.play({ ...upgrade, mirror_agent_when_down: "fail" }, ...limit);
    assert.deepEqual([failed.code, failuresOf(failed)[0]], [2, 1], failed.output);
    for (const { output } of [warned, failed])
      assert.match(output, /Mirror https:\/\/172\.18\.0\.20:5000 is down since/);
    await lan.plugIn("mirror");
  });

  await step("removes everything, once", async () => {
    const absent = { ...upgrade, mirror_agent_state: "absent", mirror_agent_serial: 2 };
    const [play, again] = [await fleet.play(absent), await fleet.play(absent, "--limit", "node-a")];
    assert.deepEqual([play.code, failuresOf(play)], [0, [0, 0]], play.output);
    assert.deepEqual([again.code, changesOf(again)[0]], [0, 0], again.output);
    const left = "find / -xdev -name '*mirror-agent*' -not -path '/proc/*'; ls /etc/containerd";
    for (const name of BOTH) assert.equal(await nodes[name].run(left), "config.toml\n");
  });
});

function withHosts(variables: Fleet["variables"], hosts: readonly string[]): Fleet["variables"] {
  const changed = structuredClone(variables) as {
    mirror_agent_config: { registryMirrors: { hosts: readonly string[] }[] };
  };
  for (const mirror of changed.mirror_agent_config.registryMirrors) mirror.hosts = hosts;
  return { ...changed };
}

type Contents = Readonly<Record<NodeName, ReadonlySet<string>>>;

/** All that a roll may change on a node: sums and paths. (Of a health.json that is on its way, neither.) */
async function contentOf({ nodes }: Fleet): Promise<Contents> {
  const list = `find /etc /root /usr/lib/mirror-agent /var/lib/mirror-agent /var/lib/dpkg/status -type f \\
    -not -name health.json -not -path '*/.mirror-agent-*' -not -path '*/.ansible/*' -exec sha256sum {} +`;
  // A file that goes while it is read makes it fail.
  const listOn = (node: Machine) => node.run(list).catch(() => node.run(list));
  const [a, b] = await Promise.all(BOTH.map(async (name) => new Set((await listOn(nodes[name])).split("\n"))));
  return { "node-a": a as Set<string>, "node-b": b as Set<string> };
}

async function assertSame(fleet: Fleet, before: Contents, names = BOTH): Promise<void> {
  const after = await contentOf(fleet);
  for (const name of names) assert.deepEqual([...before[name].symmetricDifference(after[name])], [], name);
}

async function versionOf({ nodes }: Fleet, name: NodeName): Promise<string> {
  return (await nodes[name].run("dpkg-query --show mirror-agent")).trim().split("\t")[1] ?? "";
}

function failuresOf({ recap }: Play): number[] {
  return BOTH.map((name) => (recap[name] ? (recap[name].failed ?? 0) + (recap[name].unreachable ?? 0) : -1));
}

function changesOf({ recap }: Play): number[] {
  return BOTH.map((name) => recap[name]?.changed ?? -1);
}

function assertSecret({ output }: Play): void {
  for (const secret of [PASSWORDS.mirror, Buffer.from(`node:${PASSWORDS.mirror}`).toString("base64")]) {
    assert.ok(!output.includes(secret), "a password in Ansible's output");
  }
}
