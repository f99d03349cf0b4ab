// What befalls a node: containerd does not start, a disk is full, the clock is in 1970, the agent is killed in every
// way there is, files are deleted, containerd is replaced by the next version. Pulls go on, the journal says what is
// the case, and all is well again once it is over. One machine lives through it all.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { machineMissing } from "../lab/machine.ts";
import { memoryLimitMissing, openMemoryLimit } from "../lab/memory-limit.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { CONFIG, type NodeScene, openNodeScene, replaceContainerd } from "./node-scene.ts";
import { installAgent, journalSince, machinePid, mainPid, setUp } from "./node-state.ts";
import { buildPackages } from "./package-file.ts";

const CONFIG_PATH = "/etc/mirror-agent/config.yaml";
const GCR = "/etc/containerd/certs.d/gcr.io/hosts.toml";
const FAKETIME = `/usr/lib/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu/faketime/libfaketime.so.1`;
const fakeTimeMissing = existsSync(FAKETIME) ? false : "needs libfaketime, run scripts/setup";

const shared = await createWorkspace();
after(() => shared[Symbol.asyncDispose]());

test("a node in trouble keeps pulling", { skip: machineMissing(), timeout: 3_600_000 }, async (t) => {
  await using workspace = await createWorkspace();
  const { deb } = await buildPackages(shared, ["deb"]);
  const scene = await openNodeScene(workspace, "1.6");
  const { node, lan } = scene;
  await installAgent(scene, deb);
  const step = (name: string, body: () => Promise<void>, skip: string | false = false) =>
    t.test(name, { timeout: 600_000, skip }, async () => {
      try {
        await body();
      } catch (error) {
        t.diagnostic(await journalSince(scene, "-b", "-n 40"));
        throw error;
      } finally {
        await lan.plugIn("mirror");
      }
    });

  await step("whose containerd fails at boot and comes later", async () => {
    await setUp(node, "containerd", "broken", "ExecStart=\nExecStart=/bin/false");
    await node.reboot();
    assert.equal((await node.tryRun("systemctl is-active containerd")).code, 3);
    await node.until("systemctl is-active mirror-agent");
    assert.equal(await journalSince(scene, "-b", "-p warning"), "", "it is no fault of the agent's");
    await setUp(node, "containerd", "broken", null);
    await node.run("systemctl restart containerd");
    assert.equal(await scene.pull(), "mirror");
    await node.until("mirror-agent status");
  });

  await step("whose /var/lib/mirror-agent is full at boot", async () => {
    await mountSmallDisk(scene, "/var/lib/mirror-agent");
    await node.reboot();
    await node.until("systemctl is-active mirror-agent");
    assert.equal(await scene.pull(), "mirror");
    await lan.unplug("mirror");
    await scene.untilRoute({ failedOver: true });
    assert.equal(await scene.pull(), "gcr.io");
    // A pass says so at its end, when all that it could do is done.
    await node.until("journalctl -b -u mirror-agent -p err | grep 'ENOSPC.*trying again in'");
    await assertNothingHalfWritten(scene, "/var/lib/mirror-agent");

    await node.run("rm /var/lib/mirror-agent/filler");
    await node.until('grep \'"out":{"gcr.io"\' /var/lib/mirror-agent/health.json');
    await lan.plugIn("mirror");
    await scene.untilRoute({ failedOver: false });
    await unmountSmallDisk(scene, "/var/lib/mirror-agent");
  });

  await step("whose /etc/containerd is full when the mirror fails", async () => {
    await mountSmallDisk(scene, "/etc/containerd");
    await node.reboot();
    await node.until("mirror-agent status");
    const before = await node.run(`cat ${GCR}`);
    await lan.unplug("mirror");
    const told = `journalctl -b -u mirror-agent -p err | grep 'ENOSPC.*${GCR}.*trying again in`;
    await node.until(`${told} 4 s'`);
    assert.ok(Number(await node.run(`${told}' | wc -l`)) < 10, "and does not try without a pause");
    assert.equal(await node.run(`cat ${GCR}`), before, "whole, and as it was");
    await assertNothingHalfWritten(scene, "/etc/containerd");
    await node.run("rm /etc/containerd/filler");
    await scene.untilRoute({ failedOver: true });
    assert.equal(await scene.pull(), "gcr.io");
    await lan.plugIn("mirror");
    await scene.untilRoute({ failedOver: false });
    await unmountSmallDisk(scene, "/etc/containerd");
  });

  await step(
    "that boots in 1970 and is told the time later",
    async () => {
      await node.put("/usr/local/lib/libfaketime.so.1", await readFile(FAKETIME));
      await node.write("/etc/faketimerc", "@1970-01-01 00:10:00\n");
      const environment = { LD_PRELOAD: "/usr/local/lib/libfaketime.so.1", FAKETIME_TIMESTAMP_FILE: "/etc/faketimerc" };
      const settings = { ...environment, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
      const lines = Object.entries(settings).map(([name, value]) => `Environment=${name}=${value}`);
      await setUp(node, "mirror-agent", "clock", lines.join("\n"));
      await node.reboot();
      const containerd = await mainPid(node, "containerd");
      const down = "is down: certificate-untrusted .*clock says 1970.*nothing else is known to answer";
      await node.until(`journalctl -b -u mirror-agent | grep -E '${down}'`);
      assert.equal(await scene.pull(), "mirror", "our clock is no reason to leave it");
      await node.write("/etc/faketimerc", "+0\n");
      await node.until("mirror-agent status");
      assert.equal(await scene.pull(), "mirror");
      const told = await journalSince(scene, "-b", "-o cat");
      assert.match(told, /is up again after (?!\d+ d)\d+ (s|m)/);
      assert.doesNotMatch(told, /-\d+ (ms|s|m|h|d)\b|\d{4} d|NaN/);
      assert.equal(await mainPid(node, "containerd"), containerd, "no restart for a config.toml of the future");
      await setUp(node, "mirror-agent", "clock", null);
      await node.run("systemctl restart mirror-agent");
    },
    fakeTimeMissing,
  );

  await step("whose pull hangs half way goes on with it at gcr.io", async () => {
    await node.until("mirror-agent status");
    await scene.untilRoute({ failedOver: false });
    await node.run("systemctl restart containerd"); // it keeps connections of earlier pulls, which have received enough
    await lan.slowDown("mirror", "400kbit");
    try {
      const pull = scene.pull();
      pull.catch(() => {}); // it is waited for below
      const received =
        "ss -HOtnpi dst 172.18.0.20 | grep '\"containerd\"' | grep -oE 'bytes_received:[0-9]+' | cut -d: -f2 | sort -n | tail -n 1";
      await node.until(`test "$(${received})" -gt 40000`);
      await lan.unplug("mirror");
      assert.equal(await pull, "mirror", "who served its manifest");
    } finally {
      await lan.slowDown("mirror", null);
    }
    // The pull may be done before the agent has said what it did.
    await node.until("journalctl -b -u mirror-agent | grep -E 'Closed [0-9] connections? of containerd'");
    await lan.plugIn("mirror");
    await scene.untilRoute({ failedOver: false });
  });

  const limitMissing = await memoryLimitMissing();
  await step(
    "whose kernel kills the agent for want of memory",
    async () => {
      const before = await mainPid(node, "mirror-agent");
      const limit = await openMemoryLimit(workspace, 2 ** 16);
      await limit.add(await machinePid(node, before));
      for (const deadline = Date.now() + 120_000; (await limit.countKills()) === 0; ) {
        await node.tryRun(`kill -HUP ${before}`); // a reload takes memory
        assert.ok(Date.now() < deadline, "the kernel has killed nobody");
      }
      await assertComesBack(scene, before, "code=killed, status=9/KILL");
    },
    limitMissing,
  );

  await step("whose agent hangs", async () => {
    await setUp(node, "mirror-agent", "watchdog", "WatchdogSec=10");
    await node.run("systemctl restart mirror-agent");
    const before = await mainPid(node, "mirror-agent");
    await node.run(`kill -STOP ${before}`);
    assert.equal(await scene.pull(), "mirror", "meanwhile");
    await assertComesBack(scene, before, "Watchdog timeout");
    await setUp(node, "mirror-agent", "watchdog", null);
    await node.run("systemctl restart mirror-agent");
  });

  await step("whose configs are deleted, its own and containerd's", async () => {
    await node.run(`systemctl stop mirror-agent && rm ${CONFIG_PATH} /etc/containerd/config.toml`);
    await node.reboot();
    const rejected = "Config rejected, the last good config stays in force";
    await node.until(`journalctl -b -u mirror-agent -p err | grep '${rejected}'`);
    // containerd, which starts after the agent, has usually found its configuration again.
    await node.until(`mirror-agent --output json status | grep '"inEffect": true'`);
    assert.equal(await scene.pull(), "mirror");
    assert.match((await node.tryRun("mirror-agent status")).output, /rejected/);
    await node.write(CONFIG_PATH, CONFIG);
    await node.until("mirror-agent status");
  });

  for (const version of ["1.7", "2.1"] as const) {
    await step(`whose containerd becomes ${version}`, async () => {
      const agent = await mainPid(node, "mirror-agent");
      await replaceContainerd(node, version);
      await node.until(`mirror-agent --output json status | grep '"version": "${version}'`);
      await node.until(`mirror-agent --output json status | grep '"inEffect": true'`);
      assert.equal(await scene.pull(), "mirror");
      assert.equal(await mainPid(node, "mirror-agent"), agent);
    });
  }
});

/** A small ext4 file system, filled with what is there and then to its last byte, is mounted there from the next boot on. */
async function mountSmallDisk({ node }: NodeScene, path: string): Promise<void> {
  await node.run(`dd if=/dev/zero of=/root/disk bs=1M count=2 && mkfs.ext4 -q -F -m 0 -O ^has_journal /root/disk`);
  const script = `#!/bin/sh -e
test -e /dev/loop-control || mknod /dev/loop-control c 10 237
for i in 0 1 2 3 4 5 6 7; do test -e /dev/loop$i || mknod /dev/loop$i b 7 $i; done
mount -o loop /root/disk $1
`;
  await node.write("/usr/local/sbin/mount-disk", script, "755");
  await node.run(`systemctl stop mirror-agent && /usr/local/sbin/mount-disk /mnt && cp -a ${path}/. /mnt/ &&
    { dd if=/dev/zero of=/mnt/filler bs=1k || :; } && umount /mnt`);
  const unit = `[Unit]\nDefaultDependencies=no\nBefore=local-fs.target mirror-agent.service containerd.service
[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/sbin/mount-disk ${path}
[Install]\nWantedBy=local-fs.target\n`;
  await node.write("/etc/systemd/system/small-disk.service", unit);
  await node.run("systemctl daemon-reload && systemctl enable small-disk");
}

async function unmountSmallDisk({ node }: NodeScene, path: string): Promise<void> {
  await node.run(`systemctl disable small-disk && systemctl stop mirror-agent containerd && umount ${path} &&
    systemctl start containerd mirror-agent`);
}

async function assertNothingHalfWritten({ node }: NodeScene, folder: string): Promise<void> {
  // An attempt may be under way.
  await node.until(`test -z "$(find ${folder} -name '.mirror-agent-*')"`);
  assert.equal(await node.run(`find ${folder} -type f -size 0 -not -name '*.lock' -not -path '*/.mirror-agent-*'`), "");
  await node.run(`cd ${folder} && for file in *.json; do
    test ! -e "$file" || /usr/lib/mirror-agent/node -e 'JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))' "$file"; done`);
}

async function assertComesBack(scene: NodeScene, before: string, said: string): Promise<void> {
  const { node } = scene;
  await node.until(`! test -d /proc/${before} && systemctl is-active mirror-agent`);
  assert.ok((await journalSince(scene, "-b")).includes(said));
  await node.until("mirror-agent status");
  assert.equal(await scene.pull(), "mirror");
}
