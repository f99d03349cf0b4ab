// The scene of the package's tests: a booted Debian node at 172.18.0.10, a mirror at 172.18.0.20:5000 with a private
// CA and a password, and a gcr.io of our own at 172.18.0.30:443 that asks for another one.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Authority, makeAuthority } from "../lab/certificates.ts";
import { type Daemon, startDaemon } from "../lab/daemon.ts";
import { buildImage } from "../lab/image.ts";
import { createLan, type Lan } from "../lab/lan.ts";
import { bootMachine, type Machine } from "../lab/machine.ts";
import { type ContainerdVersion, containerdFolder, dockerRegistryBinary } from "../lab/parts.ts";
import { pushImage } from "../lab/push-image.ts";
import { startRegistry } from "../lab/registry.ts";
import type { Workspace } from "../lab/workspace.ts";
import { pullOn } from "./node-pull.ts";

export interface NodeScene {
  readonly lan: Lan;
  readonly node: Machine;
  /** Pulls an image that the node does not have; says who served its manifest. */
  pull(): Promise<"mirror" | "gcr.io">;
  /** Waits until the agent's status says so. */
  untilRoute(wanted: { failedOver: boolean }): Promise<void>;
}

export const CONFIG = `registryMirrors:
  - endpoint: https://172.18.0.20:5000
    hosts: [gcr.io]
    caCertPath: /etc/mirror-agent/mirror-ca.crt
    pullCredentialConfigPath: /root/.docker/config.json
privateRegistryConfigPath: /root/.docker/config.json
agent:
  probe: { interval: 2s, timeout: 2s } # shorter, and a busy machine looks like a mirror that is down
  jitter: { failover: 0s, failback: 0s } # one node need not avoid the crowd
`;

const PULLS = 20;
export const PASSWORDS = { mirror: "for-the-mirror", "gcr.io": "for-gcr-io" } as const;

export async function openNodeScene(workspace: Workspace, version: ContainerdVersion): Promise<NodeScene> {
  const authority = makeAuthority("lab authority");
  const lan = await createLan(workspace);
  const network = await lan.addHost("node", "172.18.0.10");
  const [mirror, upstream, node] = await Promise.all([
    startHost(workspace, lan, {
      name: "mirror",
      address: "172.18.0.20",
      port: 5000,
      authority,
      names: ["IP:172.18.0.20"],
    }),
    startHost(workspace, lan, { name: "gcr.io", address: "172.18.0.30", port: 443, authority, names: ["DNS:gcr.io"] }),
    bootMachine(workspace, { name: "node", network }),
  ]);
  await equip(node, authority);
  if (version !== "1.6") await replaceContainerd(node, version);
  let pulls = 0;
  return {
    lan,
    node,
    async pull() {
      const tag = `t${pulls++}`;
      await pullOn(node, `gcr.io/lab/app:${tag}`);
      const servedBy = (daemon: Daemon) =>
        daemon.lines.some((line) => line.includes(`/manifests/${tag}`) && isAnswerToContainerd(line));
      if (servedBy(mirror)) return "mirror";
      if (servedBy(upstream)) return "gcr.io";
      throw new Error(`Nobody has served the tag "${tag}"`);
    },
    async untilRoute({ failedOver }) {
      await node.until(`mirror-agent --output json status | grep '"failedOver": ${failedOver}'`);
    },
  };
}

// Both wanted a password, so an answer is one to somebody who had it.
function isAnswerToContainerd(line: string): boolean {
  return line.includes('"http.request.useragent":"containerd/') && line.includes('"http.response.status":200');
}

export interface HostDescription {
  readonly name: keyof typeof PASSWORDS;
  readonly address: string;
  readonly port: number;
  readonly authority: Authority;
  readonly names: readonly string[];
}

/** A registry that is a host of its own, filled with the images that `pull()` asks for. */
export async function startHost(workspace: Workspace, lan: Lan, host: HostDescription): Promise<Daemon> {
  const { name, address, port, authority, names } = host;
  const auth = { kind: "basic", username: "node", password: PASSWORDS[name] } as const;
  const tls = authority.issue([...names, "IP:127.0.0.1"]);
  // It is filled on loopback and then moves into its namespace, with its content and settings.
  const filled = await startRegistry(workspace, name, { tls, auth });
  const authorization = `Basic ${Buffer.from(`node:${auth.password}`).toString("base64")}`;
  for (let index = 0; index < PULLS; index++) {
    const target = { url: filled.url, repository: "lab/app", tag: `t${index}`, ca: authority.cert, authorization };
    await pushImage(buildImage({ seed: `${index}`, layerSizes: [300_000] }), target);
  }
  await filled.stop();
  const settings = JSON.parse(await readFile(join(workspace.dir, `registry-${name}/config.yml`), "utf8"));
  settings.http.addr = `${address}:${port}`;
  const config = await workspace.file(`registry-${name}/config.yml`, JSON.stringify(settings));
  const namespace = await lan.addHost(name.slice(0, 6).replace(".", ""), address);
  const daemon = await startDaemon(["ip", "netns", "exec", namespace, dockerRegistryBinary, "serve", config]);
  workspace.onEnd(() => daemon.kill());
  await daemon.waitForLine((line) => line.includes("listening on"));
  return daemon;
}

async function equip(node: Machine, { cert }: Authority): Promise<void> {
  const auths = Object.entries({ "172.18.0.20:5000": PASSWORDS.mirror, "gcr.io": PASSWORDS["gcr.io"] }).map(
    ([address, password]) => [address, { auth: Buffer.from(`node:${password}`).toString("base64") }],
  );
  await node.write("/root/.docker/config.json", JSON.stringify({ auths: Object.fromEntries(auths) }), "600");
  await node.write("/usr/local/share/ca-certificates/lab.crt", cert);
  await node.run("update-ca-certificates && echo 172.18.0.30 gcr.io >>/etc/hosts && systemctl restart containerd");
}

/** From its next start the node has this one, as after an upgrade. */
export async function replaceContainerd(node: Machine, version: ContainerdVersion): Promise<void> {
  for (const program of ["containerd", "containerd-shim-runc-v2", "ctr"]) {
    const bytes = await readFile(join(containerdFolder(version), program));
    await node.put(`/usr/local/bin/${program}.new`, bytes, "755");
    await node.run(`mv /usr/local/bin/${program}.new /usr/local/bin/${program}`); // the old one may be running
  }
  const unit = "[Service]\nExecStart=\nExecStart=/usr/local/bin/containerd\n";
  await node.write("/etc/systemd/system/containerd.service.d/version.conf", unit);
  await node.run("systemctl daemon-reload && systemctl restart containerd");
}
