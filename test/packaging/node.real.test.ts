// What people do with the package, on a booted node: install, edit a file, read the journal, lose the mirror, reboot,
// upgrade, remove, purge.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { VERSION } from "../../src/version.ts";
import { machineMissing } from "../lab/machine.ts";
import { CONTAINERD_VERSIONS } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { CONFIG, type NodeScene, openNodeScene } from "./node-scene.ts";
import { buildPackages } from "./package-file.ts";

const shared = await createWorkspace();
after(() => shared[Symbol.asyncDispose]());
const deb = machineMissing() ? "" : (await buildPackages(shared, ["deb"])).deb;

for (const version of CONTAINERD_VERSIONS) {
  test(`the package on a node with containerd ${version}`, {
    skip: machineMissing(),
    timeout: 3_600_000,
  }, async (t) => {
    await using workspace = await createWorkspace();
    const scene = await openNodeScene(workspace, version);
    const { node, lan } = scene;
    const original = await node.run("cat /etc/containerd/config.toml");
    const step = (name: string, body: () => Promise<void>) => t.test(name, { timeout: 600_000 }, body);
    const sample: string[] = [];

    await step("installs, is ready, and does nothing yet", async () => {
      const before = await pidOf(scene, "containerd");
      await node.put("/root/mirror-agent.deb", await readFile(deb));
      await node.run("dpkg -i /root/mirror-agent.deb");
      assert.equal(await stateOf(scene), "active");
      assert.match(await journal(scene), /it names no mirrors, so nothing is done/);
      assert.equal(await journal(scene, "-p warning"), "");
      assert.equal(await pidOf(scene, "containerd"), before);
      assert.equal(await node.run("cat /etc/containerd/config.toml"), original);
    });

    await step("applies the config as it is saved", async () => {
      await node.write(
        "/etc/mirror-agent/mirror-ca.crt",
        await node.run("cat /usr/local/share/ca-certificates/lab.crt"),
      );
      await node.write("/etc/mirror-agent/config.yaml", CONFIG);
      await node.until("journalctl -u mirror-agent | grep 'containerd reads the routes'");
      await node.until("mirror-agent status");
      assert.equal(await scene.pull(), "mirror");
      assert.match(await node.run("systemctl show mirror-agent --property=StatusText"), /1 mirror up/);
    });

    await step("fails over while the mirror's network is cut, and back", async () => {
      await lan.unplug("mirror");
      await scene.untilRoute({ failedOver: true });
      assert.equal(await scene.pull(), "gcr.io");
      assert.match(
        await node.run("systemctl status mirror-agent"),
        /Status: "0 mirrors up, 1 down; gcr\.io fails over/,
      );
      await lan.plugIn("mirror");
      await scene.untilRoute({ failedOver: false });
      assert.equal(await scene.pull(), "mirror");
      const warnings = (await journal(scene, "-p warning -o cat")).trim().split("\n");
      assert.equal(warnings.length, 1, warnings.join("\n"));
      assert.match(warnings[0] ?? "", /^Mirror https:\/\/172\.18\.0\.20:5000 is down: .*gcr\.io/);
    });

    await step("goes on with the last good config when the file is broken, also after a reboot", async () => {
      await node.write("/etc/mirror-agent/config.yaml", CONFIG.replace("hosts:", "hostz:"));
      await node.until("journalctl -u mirror-agent | grep 'Config rejected, the last good config stays in force'");
      await node.reboot();
      assert.equal(await scene.pull(), "mirror");
      await lan.unplug("mirror");
      await scene.untilRoute({ failedOver: true });
      await lan.plugIn("mirror");
      await scene.untilRoute({ failedOver: false });
      await node.write("/etc/mirror-agent/config.yaml", CONFIG);
      await node.until("mirror-agent status");
    });

    await step("boots while the mirror is down, and pulls from the upstream at once", async () => {
      await lan.unplug("mirror");
      await scene.untilRoute({ failedOver: true });
      await node.reboot();
      assert.equal(await stateOf(scene), "active");
      assert.equal(await scene.pull(), "gcr.io");
      await lan.plugIn("mirror");
      await scene.untilRoute({ failedOver: false });
    });

    await step("comes back after kill -9, a reload and a restart of containerd", async () => {
      const before = await pidOf(scene, "mirror-agent");
      await node.run("kill -9 $(systemctl show mirror-agent --property=MainPID --value)");
      await node.until(`! test -d /proc/${before} && systemctl is-active mirror-agent`);
      await node.run("systemctl reload mirror-agent && systemctl restart containerd");
      await node.until("mirror-agent status");
      assert.equal(await scene.pull(), "mirror");
      sample.push(await journal(scene, "-o short-iso"));
    });

    await step("is upgraded and downgraded without touching containerd or the config", async () => {
      const newer = await rebuildAs(deb, "99.0", workspace.dir);
      await node.put("/root/newer.deb", await readFile(newer));
      const [containerd, kept] = [await pidOf(scene, "containerd"), await node.run(KEPT)];
      for (const [file, version] of [
        ["newer.deb", "99.0"],
        ["mirror-agent.deb", VERSION],
      ] as const) {
        const agent = await pidOf(scene, "mirror-agent");
        await node.run(`dpkg -i /root/${file}`);
        assert.equal(await node.run("dpkg-query --show mirror-agent"), `mirror-agent\t${version}\n`);
        assert.equal(await stateOf(scene), "active");
        assert.notEqual(await pidOf(scene, "mirror-agent"), agent);
        await node.until("mirror-agent status");
        assert.equal(await pidOf(scene, "containerd"), containerd);
        assert.equal(await node.run(KEPT), kept);
        assert.equal(await scene.pull(), "mirror");
      }
    });

    await step("leaves pulls working when it is removed", async () => {
      await node.run("dpkg --remove mirror-agent");
      assert.equal((await node.tryRun("test -e /usr/lib/mirror-agent")).code, 1);
      assert.equal(await stateOf(scene), "inactive");
      assert.equal(await scene.pull(), "mirror");
    });

    await step("puts everything back when it is purged, and leaves nothing behind", async () => {
      await node.run("rm /etc/mirror-agent/mirror-ca.crt && dpkg --purge mirror-agent");
      assert.equal(await node.run("cat /etc/containerd/config.toml"), original);
      const left = await node.run(
        "find / /run -xdev -name '*mirror-agent*' -not -path '/root/*' -not -path '/proc/*' -not -path '/tmp/*'",
      );
      assert.equal(left, "");
      assert.equal(await node.run("ls /etc/containerd"), "config.toml\n");
      await assert.rejects(scene.pull(), /401|authorization/i, "gcr.io wants a password, which only the agent knew");
    });
    if (process.env.JOURNAL_SAMPLE) await writeFile(process.env.JOURNAL_SAMPLE, sample.join(""));
  });
}

// What an upgrade keeps: the config, and what a later purge puts back. (A health.json may just be on its way.)
const KEPT = `find /etc/mirror-agent /var/lib/mirror-agent -type f -not -name '*.lock' -not -name health.json \\
  -not -path '*/.mirror-agent-*' \\
  -exec sha256sum {} + | sort -k 2`;

async function rebuildAs(deb: string, version: string, dir: string): Promise<string> {
  const script = `dpkg-deb -R ${deb} ${dir}/newer && sed -i 's/^Version:.*/Version: ${version}/' ${dir}/newer/DEBIAN/control &&
    dpkg-deb -Zxz -z0 -b ${dir}/newer ${dir}/newer.deb`;
  await promisify(execFile)("sh", ["-c", script]);
  return join(dir, "newer.deb");
}

async function pidOf({ node }: NodeScene, unit: string): Promise<string> {
  return (await node.run(`systemctl show ${unit} --property=MainPID --value`)).trim();
}

async function stateOf({ node }: NodeScene): Promise<string> {
  return (await node.tryRun("systemctl is-active mirror-agent")).output.trim();
}

async function journal({ node }: NodeScene, options = ""): Promise<string> {
  return (await node.run(`journalctl --sync && journalctl -q -u mirror-agent --no-pager ${options}`)).replaceAll(
    /^-- .*\n/gm,
    "",
  );
}
