// Runs the DaemonSet's container on a booted node as kubelet would: the node's own containerd starts it from the
// image's root file system with the manifest's mounts, capabilities, user, namespaces and seccomp profile, and its
// ConfigMap and Secret lie there as kubelet lays them. No cluster is needed for that, and none is there.

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import type { Volume, VolumeMount } from "kubernetes-types/core/v1.d.ts";
import type { Machine } from "../lab/machine.ts";
import { nodeRoot } from "../lab/parts.ts";
import type { Workspace } from "../lab/workspace.ts";
import type { AgentManifest } from "./kubernetes-manifests.ts";

export interface Pod {
  /** Runs one of the manifest's probes; whether it succeeds. */
  probe(name: "livenessProbe" | "readinessProbe"): Promise<boolean>;
  exec(script: string): Promise<{ code: number; output: string }>;
  /** Waits until its log has a line with these words: a shim brings it there, some time after the pod wrote it. */
  untilSaid(words: string): Promise<void>;
  stop(): Promise<void>;
}

export type Contents = Readonly<Record<"config" | "credentials", Readonly<Record<string, string>>>>;

const IMAGE = "/opt/image";
const PODS = "/var/lib/kubelet/pods";
const LOG = "/var/log/pod.log";

// What `ctr` gives where nothing is said.
const DEFAULT_CAPABILITIES = [
  ...["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"],
  ...["NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"],
];

/** What the Containerfile makes: the package on a Debian that holds little more than it depends on. */
export async function makeImage(node: Machine, deb: string): Promise<void> {
  const left = ["share/doc", "share/man", "share/locale", "share/zoneinfo", "share/perl5", "lib/python3*", "sbin/sshd"];
  const excluded = [
    ...left.map((path) => `--exclude=./usr/${path}`),
    "--exclude=./var/cache",
    "--exclude=./var/lib/apt",
  ];
  const script = `mkdir -p "$0" && tar -C ${nodeRoot} ${excluded.join(" ")} -c . | tar -C "$0" -x`;
  await promisify(execFile)("sh", ["-c", script, node.path(IMAGE)]);
  await node.put(`${IMAGE}/tmp/mirror-agent.deb`, await readFile(deb));
  const unused = ["mirror-agent.deb", "../etc/mirror-agent/config.yaml", "../etc/containerd", "../usr/bin/containerd"];
  await node.run(`chroot ${IMAGE} sh -c 'dpkg -i /tmp/mirror-agent.deb && cd /tmp && rm -r ${unused.join(" ")}'`);
}

/** Lays a ConfigMap or Secret out, or changes it: kubelet's files are links through `..data`, which it replaces at once. */
export async function layVolume(node: Machine, name: keyof Contents, contents: Contents): Promise<void> {
  const folder = `${PODS}/${name}`;
  const version = `..${crypto.randomUUID()}`;
  const mode = name === "credentials" ? "400" : "644";
  for (const [key, text] of Object.entries(contents[name])) {
    await node.write(`${folder}/${version}/${key}`, text, mode);
  }
  const keys = Object.keys(contents[name]).map((key) => `ln -sfn ..data/${key} ${key}`);
  const replace = `ln -s ${version} ..data_tmp && mv -T ..data_tmp ..data`;
  await node.run(
    `cd ${folder} && old=$(readlink ..data || true) && ${[replace, ...keys].join(" && ")} && rm -rf "$old"`,
  );
}

/** Starts the pod's container; resolves when its process runs. */
export async function startPod(
  workspace: Workspace,
  node: Machine,
  manifest: AgentManifest & { contents: Contents },
): Promise<Pod> {
  const { pod, container, contents } = manifest;
  const group = await openControlGroup(node);
  await Promise.all([layVolume(node, "config", contents), layVolume(node, "credentials", contents)]);
  await node.run((pod.volumes ?? []).map(prepareVolume).join("\n"));
  const mounts = (container.volumeMounts ?? []).map((mount) => mountOption(mount, pod.volumes ?? []));
  const files = ["/etc/hosts", "/etc/resolv.conf"].map(
    (path) => `--mount type=bind,src=${path},dst=${path},options=rbind:ro`,
  );
  const path = "--env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const options = [path, ...securityOptions(manifest), ...mounts, ...files, `--memory-limit ${readMemory(manifest)}`];
  const command = ["/usr/bin/mirror-agent", ...(container.args ?? [])].join(" ");
  await node.run(`touch /etc/resolv.conf; rm -f ${LOG}
    ctr run --detach --cgroup /${group} --log-uri file://${LOG} --rootfs ${options.join(" ")} ${IMAGE} agent ${command}`);
  let count = 0;
  const exec = (script: string) => {
    const quoted = script.replaceAll("'", `'\\''`);
    return node.tryRun(`ctr task exec --exec-id e${count++} agent sh -c '${quoted}'`);
  };
  const stop = async () => {
    await node.run("ctr task kill --signal SIGTERM agent");
    await node.until("ctr task ls | grep 'agent .*STOPPED'");
    await node.run("ctr task rm agent; ctr container rm agent");
  };
  workspace.onEnd(() => stop().catch(() => {})); // its control group goes with it, while the node is there
  return {
    exec,
    async probe(name) {
      const [shell, flag, script] = container[name]?.exec?.command ?? [];
      if (shell !== "sh" || flag !== "-c" || script === undefined) throw new Error(`The ${name} is no script`);
      return (await exec(script)).code === 0;
    },
    untilSaid: (words) => node.until(`grep -F '${words}' ${LOG}`),
    stop,
  };
}

/** Capabilities, in effect, of the container's first process; and whether it may gain more, and is filtered. */
export async function readConfinement(pod: Pod): Promise<string> {
  const { output } = await pod.exec("grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status");
  return output;
}

function prepareVolume({ name, hostPath }: Volume): string {
  if (!hostPath) return "";
  const { path, type } = hostPath;
  if (type === "DirectoryOrCreate") return `mkdir -p -m 755 ${path}`;
  if (type === "Directory") return `test -d ${path} || { echo "${name} needs ${path}"; exit 1; }`;
  throw new Error(`"${type}" is not known here`);
}

function mountOption({ name, mountPath, readOnly }: VolumeMount, volumes: readonly Volume[]): string {
  const source = volumes.find((volume) => volume.name === name)?.hostPath?.path ?? `${PODS}/${name}`;
  return `--mount type=bind,src=${source},dst=${mountPath},options=rbind:rprivate:${readOnly ? "ro" : "rw"}`;
}

function securityOptions({ pod, container }: AgentManifest): string[] {
  const { privileged, readOnlyRootFilesystem, capabilities, allowPrivilegeEscalation, runAsUser } =
    container.securityContext ?? {};
  if (runAsUser !== 0) throw new Error("ctr starts it as root");
  const options = readOnlyRootFilesystem ? ["--read-only"] : [];
  if (pod.hostNetwork) options.push("--net-host");
  if (pod.hostPID) options.push("--with-ns pid:/proc/1/ns/pid");
  // Whoever is privileged is not filtered, and gets everything.
  if (privileged) return [...options, "--privileged", "--allow-new-privs"];
  if (pod.securityContext?.seccompProfile?.type === "RuntimeDefault") options.push("--seccomp");
  if (allowPrivilegeEscalation !== false) options.push("--allow-new-privs");
  const dropped = capabilities?.drop?.includes("ALL") ? DEFAULT_CAPABILITIES : (capabilities?.drop ?? []);
  options.push(...dropped.map((name) => `--cap-drop CAP_${name}`));
  return [...options, ...(capabilities?.add ?? []).map((name) => `--cap-add CAP_${name}`)];
}

function readMemory({ container }: AgentManifest): number {
  return Number.parseInt(String(container.resources?.limits?.memory), 10) * 2 ** 20;
}

const MARK = "ma-lab-pod";

// With the first version of control groups there is one tree for the machine and its nodes, which see it read-only, and
// what a node makes there stays when it is gone.
async function openControlGroup(node: Machine): Promise<string> {
  await promisify(execFile)("sh", ["-c", `rmdir /sys/fs/cgroup/*/${MARK}-* 2>/dev/null || true`]); // of killed tests
  await node.run("for tree in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $tree 2>/dev/null; done; true");
  return `${MARK}-${crypto.randomUUID()}`;
}
