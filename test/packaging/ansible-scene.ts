// Two booted nodes, a mirror, and a machine that runs ansible-playbook: each is a host of one network, and Ansible
// reaches the nodes by ssh as anybody does.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { makeAuthority } from "../lab/certificates.ts";
import type { Daemon } from "../lab/daemon.ts";
import { createLan, type Lan } from "../lab/lan.ts";
import { bootMachine, type Machine, machineMissing } from "../lab/machine.ts";
import type { Workspace } from "../lab/workspace.ts";
import { pullOn } from "./node-pull.ts";
import { PASSWORDS, startHost } from "./node-scene.ts";

const run = promisify(execFile);
export const ROLE_FOLDER = join(import.meta.dirname, "../../packaging/ansible");
const NODES = { "node-a": "172.18.0.10", "node-b": "172.18.0.11" } as const;
export type NodeName = keyof typeof NODES;
export const MIRROR = "https://172.18.0.20:5000";

export interface Fleet {
  readonly lan: Lan;
  readonly nodes: Readonly<Record<NodeName, Machine>>;
  /** The role's variables that make both nodes pull through the mirror. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Runs site.yml with these variables, and what else ansible-playbook takes. */
  play(variables: object, ...options: readonly string[]): Promise<Play>;
  /** Pulls an image that the node does not have; whether the mirror served it. */
  pullsFromMirror(name: NodeName): Promise<boolean>;
}

export interface Play {
  readonly code: number;
  readonly output: string;
  /** The line of PLAY RECAP; null where there is none. */
  readonly recap: Readonly<Record<NodeName, Readonly<Record<string, number>> | null>>;
}

/** For `skip`: false, or why no fleet can be had here. */
export function fleetMissing(): string | false {
  if (machineMissing()) return machineMissing();
  for (const program of ["ansible-playbook", "ansible-lint", "yamllint", "ssh"]) {
    if (!existsSync(`/usr/bin/${program}`)) return `needs ${program}, run scripts/setup`;
  }
  return false;
}

export async function openFleet(workspace: Workspace): Promise<Fleet> {
  const authority = makeAuthority("lab authority");
  const lan = await createLan(workspace);
  const controller = await lan.addHost("controller", "172.18.0.5");
  const boot = async (name: NodeName) =>
    bootMachine(workspace, { name, network: await lan.addHost(name.replace("-", ""), NODES[name]) });
  const host = { name: "mirror", address: "172.18.0.20", port: 5000, authority, names: ["IP:172.18.0.20"] } as const;
  const [mirror, a, b] = await Promise.all([startHost(workspace, lan, host), boot("node-a"), boot("node-b")]);
  const nodes = { "node-a": a, "node-b": b };
  await prepareController(workspace, nodes);
  // One of them is as its provisioning left it, on the other containerd will have to be restarted.
  await b.run(`printf '[plugins."io.containerd.grpc.v1.cri".registry]\\nconfig_path = "/etc/containerd/certs.d"\\n' \\
    >>/etc/containerd/config.toml && systemctl restart containerd`);
  const auth = Buffer.from(`node:${PASSWORDS.mirror}`).toString("base64");
  const dockerConfig = JSON.stringify({ auths: { "172.18.0.20:5000": { auth } } });
  let pulls = 0;
  return {
    lan,
    nodes,
    variables: {
      mirror_agent_config: {
        registryMirrors: [
          {
            endpoint: MIRROR,
            hosts: ["gcr.io"],
            caCertPath: "/etc/mirror-agent/mirror-ca.crt",
            pullCredentialConfigPath: "/root/.docker/config.json",
          },
        ],
        agent: { probe: { interval: "2s", timeout: "2s" }, jitter: { failover: "0s", failback: "0s" } },
      },
      mirror_agent_files: [
        { dest: "/etc/mirror-agent/mirror-ca.crt", content: authority.cert, mode: "0644" },
        { dest: "/root/.docker/config.json", content: dockerConfig },
      ],
    },
    play: (variables, ...options) => play(workspace, { controller, variables, options }),
    async pullsFromMirror(name) {
      const tag = `t${pulls++}`;
      await pullOn(nodes[name], `gcr.io/lab/app:${tag}`);
      return mirror.lines.some((line) => line.includes(`/manifests/${tag}`) && isAnswerToContainerd(line));
    },
  };
}

const isAnswerToContainerd = (line: Daemon["lines"][number]) =>
  line.includes('"http.request.useragent":"containerd/') && line.includes('"http.response.status":200');

// A key that the nodes know, the nodes' keys that we know, and a folder to run in that is Ansible's home, too.
async function prepareController(workspace: Workspace, nodes: Readonly<Record<string, Machine>>): Promise<void> {
  const { dir } = workspace;
  await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", `${dir}/key`]);
  const publicKey = await readFile(`${dir}/key.pub`, "utf8");
  const hostKeys = Object.entries(nodes).map(async ([name, node]) => {
    await node.write("/root/.ssh/authorized_keys", publicKey, "600");
    await node.run("systemctl start ssh");
    return `${NODES[name as NodeName]} ${await node.run("cat /etc/ssh/ssh_host_ed25519_key.pub")}`;
  });
  await workspace.file("known_hosts", (await Promise.all(hostKeys)).join(""));
  const options = `-F /dev/null -i ${dir}/key -o UserKnownHostsFile=${dir}/known_hosts -o ControlPath=${dir}/%h`;
  const common = { ansible_user: "root", ansible_ssh_common_args: options };
  const hosts = Object.entries(NODES).map(([name, address]) => [name, { ansible_host: address, ...common }]);
  await workspace.file("inventory.yml", JSON.stringify({ nodes: { hosts: Object.fromEntries(hosts) } }));
}

interface PlayOptions {
  readonly controller: string;
  readonly variables: object;
  readonly options: readonly string[];
}

async function play(workspace: Workspace, { controller, variables, options }: PlayOptions): Promise<Play> {
  const { dir } = workspace;
  const file = await workspace.file("variables.json", JSON.stringify(variables));
  const playbook = [
    "ansible-playbook",
    "-i",
    join(dir, "inventory.yml"),
    join(ROLE_FOLDER, "site.yml"),
    "-e",
    `@${file}`,
  ];
  const command = ["ip", "netns", "exec", controller, ...playbook, ...options];
  const env = { ...process.env, HOME: dir, ANSIBLE_CONFIG: join(ROLE_FOLDER, "ansible.cfg"), ANSIBLE_NOCOLOR: "1" };
  const { stdout, stderr, code } = await run("setpriv", ["--pdeathsig", "KILL", ...command], {
    env,
    maxBuffer: 2 ** 24,
    timeout: 500_000,
  }).then(
    (result) => ({ ...result, code: 0 }),
    (error: { stdout: string; stderr: string; code: number | null }) => ({ ...error, code: error.code ?? -1 }),
  );
  const output = `${stdout}${stderr}`;
  return { code, output, recap: { "node-a": readRecap(output, "node-a"), "node-b": readRecap(output, "node-b") } };
}

function readRecap(output: string, name: NodeName): Record<string, number> | null {
  const line = RegExp(`^${name} +: (.*)$`, "m").exec(output)?.[1];
  if (line === undefined) return null;
  return Object.fromEntries([...line.matchAll(/(\w+)=(\d+)/g)].map(([, key, count]) => [key, Number(count)]));
}

/** The same package with another version, beside the first; returns its folder. */
export async function rebuildAs(workspace: Workspace, deb: string, version: string): Promise<string> {
  const folder = await workspace.folder("newer");
  const name = basename(deb).replace(/_[^_]+_/, `_${version}_`);
  const script = `dpkg-deb -R ${deb} ${folder}/tree && sed -i 's/^Version:.*/Version: ${version}/' ${folder}/tree/DEBIAN/control &&
    dpkg-deb -Zxz -z0 -b ${folder}/tree ${folder}/${name}`;
  await run("sh", ["-c", script]);
  return folder;
}
