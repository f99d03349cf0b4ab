// A real containerd that comes back when it ends, as under systemd with Restart=always: the restart command of a test
// only ends it. It runs with the config.toml that is there at each start, in namespaces and folders of its own.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findCriProblem } from "../../src/node/containerd.ts";
import { CriClient } from "../../src/node/cri.ts";
import { startDaemon } from "../lab/daemon.ts";
import { endContainers } from "../lab/end-containers.ts";
import { type ContainerdVersion, containerdFolder, runcFolder } from "../lab/parts.ts";
import type { Workspace } from "../lab/workspace.ts";

export interface SupervisedContainerd {
  readonly version: ContainerdVersion;
  readonly dir: string;
  readonly binary: string;
  readonly socket: string;
  readonly configPath: string;
  readonly certsDir: string;
  readonly cri: CriClient;
  readonly restartCommand: readonly string[];
  /** How often it was started. */
  starts(): Promise<number>;
}

export interface SupervisedOptions {
  readonly version: ContainerdVersion;
  /** Gets the path of its etc/containerd; null: no file. */
  readonly configToml: ((etc: string) => string) | null;
  /** Other files in etc/containerd. */
  readonly files?: Readonly<Record<string, string>>;
  /** A shell command; where it fails, containerd is not started. */
  readonly startsIf?: (dir: string) => string;
}

/** Resolves when the CRI answers. */
export async function startSupervised(workspace: Workspace, options: SupervisedOptions): Promise<SupervisedContainerd> {
  const dir = await workspace.folder(`node-${options.version}-${crypto.randomUUID().slice(0, 8)}`);
  const etc = join(dir, "etc/containerd");
  const paths = { configPath: join(etc, "config.toml"), certsDir: join(etc, "certs.d") };
  const socket = join(dir, "run/containerd/containerd.sock");
  await mkdir(join(dir, "run/containerd"), { recursive: true });
  await mkdir(etc, { recursive: true });
  if (options.configToml !== null) await writeFile(paths.configPath, options.configToml(etc), { mode: 0o640 });
  for (const [name, text] of Object.entries(options.files ?? {}))
    await workspace.file(join(etc, name).slice(workspace.dir.length + 1), text);
  const binary = join(containerdFolder(options.version), "containerd");
  const loop = await workspace.file(
    `${dir.slice(workspace.dir.length + 1)}/loop.sh`,
    script({ dir, binary, socket, ...paths }, options),
  );
  const path = [containerdFolder(options.version), runcFolder, process.env.PATH].join(":");
  const daemon = await startDaemon(["sh", loop], { env: { PATH: path }, ownMounts: true });
  const cri = new CriClient(socket);
  workspace.onEnd(async () => {
    cri.close();
    await endContainers(socket);
    await daemon.kill();
    const pid = Number(await readFile(join(dir, "pid"), "utf8"));
    while (pid > 0 && isAlive(pid)) await delay(10); // it may have been ended while it wrote the number
  });
  for (let problem: string | null = ""; problem !== null; await delay(20)) {
    problem = await findCriProblem(socket, AbortSignal.timeout(20_000));
    if (problem !== null && daemon.lines.some((line) => line.includes("containerd: ")))
      throw new Error(daemon.lines.join("\n"));
  }
  return {
    version: options.version,
    dir,
    binary,
    socket,
    ...paths,
    cri,
    restartCommand: ["sh", "-c", `kill -TERM $(cat ${dir}/pid)`],
    starts: async () => (await readFile(join(dir, "starts"), "utf8")).trim().split("\n").length,
  };
}

interface Paths {
  readonly dir: string;
  readonly binary: string;
  readonly socket: string;
  readonly configPath: string;
}

// The default configurations name folders that every containerd of a machine shares; in a mount namespace of its own
// this one has them to itself.
function script({ dir, binary, socket, configPath }: Paths, { startsIf, configToml }: SupervisedOptions): string {
  // Only the usual file may be absent: one that is named has to be there.
  const config = configToml === null ? "" : `--config ${configPath}`;
  const places = `${config} --address ${socket} --root ${dir}/var/lib/containerd --state ${dir}/run/containerd`;
  return `mount -t tmpfs tmpfs /opt
mount -t tmpfs tmpfs /run
${configToml === null ? `mount --bind ${dir}/etc /etc` : ""}
while :; do
  echo start >> ${dir}/starts
  if ${startsIf?.(dir) ?? "true"}; then
    setpriv --pdeathsig KILL ${binary} ${places} &
    echo $! > ${dir}/pid
    wait $!
  fi
  sleep 0.1
done
`;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
