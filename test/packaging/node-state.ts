// What the tests of a booted node do to it and ask of it.

import { readdir, readFile, readlink } from "node:fs/promises";
import type { Machine } from "../lab/machine.ts";
import { CONFIG, type NodeScene } from "./node-scene.ts";

/** As a person does: dpkg -i, then the config; resolves when the mirror is in use. */
export async function installAgent({ node }: NodeScene, deb: string): Promise<void> {
  await node.put("/root/mirror-agent.deb", await readFile(deb));
  await node.run("dpkg -i /root/mirror-agent.deb");
  await node.write("/etc/mirror-agent/mirror-ca.crt", await node.run("cat /usr/local/share/ca-certificates/lab.crt"));
  await node.write("/etc/mirror-agent/config.yaml", CONFIG);
  await node.until("journalctl -u mirror-agent | grep 'containerd reads the routes'");
  await node.until("mirror-agent status");
}

/** A drop-in with these lines under [Service]; null takes it away. */
export async function setUp(node: Machine, unit: string, name: string, lines: string | null): Promise<void> {
  const path = `/etc/systemd/system/${unit}.service.d/${name}.conf`;
  if (lines === null) await node.run(`rm ${path}`);
  else await node.write(path, `[Service]\n${lines}\n`);
  await node.run("systemctl daemon-reload");
}

export async function mainPid(node: Machine, unit: string): Promise<string> {
  return (await node.run(`systemctl show ${unit} --property=MainPID --value`)).trim();
}

/** The number by which this machine knows a process of the node. */
export async function machinePid(node: Machine, inside: string): Promise<number> {
  const space = await readlink(node.path("/").replace("/root/", "/ns/pid"));
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if ((await readlink(`/proc/${pid}/ns/pid`).catch(() => "")) !== space) continue;
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    if (status.split("\n").some((line) => line.startsWith("NSpid:") && line.endsWith(`\t${inside}`)))
      return Number(pid);
  }
  throw new Error(`No process of this machine is ${inside} on the node`);
}

/** All that was said until now. */
export async function journalSince({ node }: NodeScene, ...options: readonly string[]): Promise<string> {
  const text = await node.run(`journalctl --sync && journalctl -q -u mirror-agent --no-pager ${options.join(" ")}`);
  return text.replaceAll(/^-- .*\n/gm, "");
}
