// A network of its own for a few machines: one namespace holds a bridge, each machine is a namespace with an address
// on it. A cable can be pulled. Names carry our process id, so that what a killed test left is found and removed.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Workspace } from "./workspace.ts";

export interface Lan {
  /** Adds a host; returns the name of its network namespace. */
  addHost(name: string, address: string): Promise<string>;
  /** Packets from and to this host vanish. */
  unplug(name: string): Promise<void>;
  plugIn(name: string): Promise<void>;
  /** What a host sends: "200kbit" a second; null as fast as it can. */
  slowDown(name: string, rate: string | null): Promise<void>;
}

const MARK = "ma-lab";

/** Resolves when it is there; hosts are "172.18.0.20" without a mask, all on one /24. */
export async function createLan(workspace: Workspace): Promise<Lan> {
  await removeAbandoned();
  const own = `${MARK}-${process.pid}`;
  const add = async (name: string): Promise<string> => {
    const namespace = `${own}-${name}`;
    await ip("netns", "add", namespace);
    workspace.onEnd(() => ip("netns", "delete", namespace));
    await ip("-n", namespace, "link", "set", "lo", "up");
    return namespace;
  };
  const lan = await add("lan");
  await ip("-n", lan, "link", "add", "bridge", "type", "bridge");
  await ip("-n", lan, "link", "set", "bridge", "up");
  return {
    async addHost(name, address) {
      const namespace = await add(name);
      const port = ["link", "add", name, "netns", lan, "type", "veth", "peer", "name", "host0", "netns", namespace];
      await ip(...port);
      await ip("-n", lan, "link", "set", name, "master", "bridge", "up");
      await ip("-n", namespace, "address", "add", `${address}/24`, "dev", "host0");
      await ip("-n", namespace, "link", "set", "host0", "up");
      return namespace;
    },
    unplug: (name) => ip("-n", lan, "link", "set", name, "nomaster"),
    async slowDown(name, rate) {
      const queue = ["-n", `${own}-${name}`, "qdisc", rate === null ? "delete" : "replace", "dev", "host0", "root"];
      await run("tc", rate === null ? queue : [...queue, "tbf", "rate", rate, "burst", "3000", "latency", "2s"]);
    },
    plugIn: (name) => ip("-n", lan, "link", "set", name, "master", "bridge"),
  };
}

async function removeAbandoned(): Promise<void> {
  const { stdout } = await promisify(execFile)("ip", ["netns", "list"]);
  for (const line of stdout.split("\n")) {
    const pid = RegExp(`^(${MARK}-(\\d+)-\\w+)`).exec(line);
    if (pid?.[1] !== undefined && !isAlive(Number(pid[2]))) await ip("netns", "delete", pid[1]).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function ip(...args: readonly string[]): Promise<void> {
  return run("ip", args);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(program, args);
}
