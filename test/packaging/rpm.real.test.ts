// No RPM distribution boots here: the .rpm is installed with its scripts into a root of its own, with --nodeps since
// nothing in there is known to rpm.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { VERSION } from "../../src/version.ts";
import { startDaemon } from "../lab/daemon.ts";
import { machineMissing } from "../lab/machine.ts";
import { nodeRoot } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { buildPackages, DEB_ARCHITECTURE } from "./package-file.ts";

const LIST = `find . \\( -type f -o -type l \\) | grep -vE 'usr/share/lintian|doc/mirror-agent/changelog.gz' | LC_ALL=C sort |
  xargs -d '\\n' stat -c '%n %a %U %G %s' && find . -type f | grep mirror-agent | LC_ALL=C sort | grep -v changelog.gz |
  grep -v lintian | xargs -d '\\n' sha256sum`;

const shared = await createWorkspace();
after(() => shared[Symbol.asyncDispose]());
let packages: ReturnType<typeof buildPackages> | null = null;
const built = () => {
  packages ??= buildPackages(shared);
  return packages;
};

test("the .rpm installs with its scripts, holds what the .deb holds, and leaves pulls alone when it is erased", {
  skip: machineMissing(),
  timeout: 900_000,
}, async () => {
  await using workspace = await createWorkspace();
  const { deb, rpm } = await built();
  const { dir } = workspace;
  const inDeb = await sh(`mkdir ${dir}/deb && dpkg-deb -x ${deb} ${dir}/deb && cd ${dir}/deb && ${LIST}`);
  const inRpm = await sh(`mkdir ${dir}/rpm && cd ${dir}/rpm && rpm2cpio ${rpm} | cpio -id --quiet && ${LIST}`);
  assert.equal(inRpm, inDeb);
  const documents = `${dir}/deb/usr/share/doc/mirror-agent`;
  const links = await sh(`cd ${documents} && grep -ohE '\\]\\([^)#]+' *.md | cut -c 3- | grep -v '://' | sort -u`);
  for (const link of links.trim().split("\n")) await access(join(documents, link));

  const said = await sh(`mkdir ${dir}/upper ${dir}/work ${dir}/root &&
    exec unshare --mount sh -euc '
      mount -t overlay overlay -o lowerdir=${nodeRoot},upperdir=${dir}/upper,workdir=${dir}/work ${dir}/root
      rpm --root ${dir}/root --nodeps -i ${rpm}
      chroot ${dir}/root mirror-agent --version
      chroot ${dir}/root systemctl is-enabled mirror-agent
      echo "# mine" >>${dir}/root/etc/mirror-agent/config.yaml
      rpm --root ${dir}/root --nodeps -U --force ${rpm}
      tail -n 1 ${dir}/root/etc/mirror-agent/config.yaml
      mkdir -p ${dir}/root/etc/containerd/certs.d/gcr.io && touch ${dir}/root/etc/containerd/certs.d/gcr.io/hosts.toml
      rpm --root ${dir}/root --nodeps -e mirror-agent
      ls ${dir}/root/etc/mirror-agent ${dir}/root/etc/containerd/certs.d/gcr.io
      test ! -e ${dir}/root/usr/lib/mirror-agent' 2>&1`);
  const lines = said.split("\n").filter((line) => !line.startsWith("rpm: ")); // Debian's rpm warns of itself
  assert.deepEqual(lines.slice(0, 3), [VERSION, "enabled", "# mine"]);
  assert.ok(lines.includes("config.yaml.rpmsave") && lines.includes("hosts.toml"), said);
});

test("scripts/package gives the same bytes twice", { skip: machineMissing(), timeout: 900_000 }, async () => {
  const sums = [];
  // The second time on another file system: one that counts folders and blocks in its own way.
  for (const folder of [tmpdir(), "/dev/shm"]) {
    await using workspace = await createWorkspace();
    await buildPackages(workspace, [], { TMPDIR: folder });
    sums.push(await sh(`cat ${workspace.dir}/packages/SHA256SUMS`));
  }
  assert.equal(sums[1], sums[0]);
  assert.match(sums[0] ?? "", /\.rpm\n.*\.cdx\.json\n.*\.deb\n/);
});

test("scripts/package fetches nothing while another one does, mends a cached libatomic1, and goes on with its own", {
  skip: machineMissing(),
  timeout: 900_000,
}, async () => {
  await built(); // so that there is a cache
  await using workspace = await createWorkspace();
  const cache = join(import.meta.dirname, "../../.cache/packaging");
  const other = await startDaemon([
    "flock",
    "--no-fork",
    `${cache}/lock`,
    "sh",
    "-c",
    "echo locked; exec sleep infinity",
  ]);
  workspace.onEnd(() => other.kill());
  await other.waitForLine((line) => line === "locked");
  const deb = (await sh(`ls ${cache}/libatomic1_*_${DEB_ARCHITECTURE}.deb`)).trim();
  const sum = await sh(`sha256sum ${deb}`);
  await sh(`echo damaged >${deb}`);
  const building = buildPackages(workspace, ["deb"]).then(() => "built");
  assert.equal(await Promise.race([building, untilSomebodyWaits(`${cache}/lock`)]), "waits");
  await other.kill();
  await untilNobodyWaits(`${cache}/lock`);
  // Between its lock and its end, as another build replaces a damaged one.
  await sh(`flock ${cache}/lock sh -ec 'cp ${deb} ${workspace.dir}/whole && echo damaged >${deb}'`);
  try {
    assert.equal(await building, "built");
  } finally {
    await sh(`flock ${cache}/lock cp ${workspace.dir}/whole ${deb}`);
  }
  assert.equal(await sh(`sha256sum ${deb}`), sum);
});

test("lintian and rpmlint find nothing but what is explained", { skip: lintMissing(), timeout: 900_000 }, async () => {
  const { deb, rpm } = await built();
  const said = await sh(`lintian --allow-root --fail-on none --show-overrides ${deb}`);
  const tags = [...said.matchAll(/^(\w: mirror-agent: \S+)/gm)].map(([, tag]) => tag);
  assert.deepEqual(
    [...new Set(tags)].sort(),
    ["O: mirror-agent: embedded-library", "O: mirror-agent: hardening-no-pie"],
    said,
  );
  const config = join(import.meta.dirname, "../../packaging/rpm/rpmlint.toml");
  assert.match(await sh(`rpmlint -c ${config} ${rpm}`), /0 errors, 0 warnings/);
});

async function untilSomebodyWaits(file: string): Promise<"waits"> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(50)) {
    if (await isWaitedFor(file)) return "waits";
  }
  throw new Error(`Nobody waits for "${file}"`);
}

async function untilNobodyWaits(file: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; await isWaitedFor(file); await delay(10)) {
    if (Date.now() > deadline) throw new Error(`Somebody still waits for "${file}"`);
  }
}

// As the kernel lists it: "1: -> FLOCK  ADVISORY  WRITE PID MAJOR:MINOR:INODE 0 EOF".
async function isWaitedFor(file: string): Promise<boolean> {
  const { ino } = await stat(file);
  return RegExp(`-> FLOCK .*:${ino} `).test(await readFile("/proc/locks", "utf8"));
}

function lintMissing(): string | false {
  const missing = ["lintian", "rpmlint"].filter((name) => !existsSync(`/usr/bin/${name}`));
  return machineMissing() || (missing.length > 0 && `needs ${missing.join(" and ")} (apt install)`);
}

async function sh(script: string): Promise<string> {
  return (await promisify(execFile)("sh", ["-c", script], { maxBuffer: 2 ** 24 })).stdout;
}
