// A whole Debian node: systemd, journald and containerd boot in a container of systemd-nspawn, on an overlay of the
// root file system that scripts/setup made. Everything is mounted in a mount namespace of its own and the kernel ends
// it with the test, so nothing is left of a test that is killed.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { openControlGroup } from "./control-group.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { labMissing, nodeRoot } from "./parts.ts";
import type { Workspace } from "./workspace.ts";

export interface Machine {
  /** Runs a shell script inside; returns its standard output, rejects if it fails. */
  run(script: string): Promise<string>;
  /** The same, whatever it ends with. */
  tryRun(script: string): Promise<{ code: number; output: string }>;
  write(path: string, text: string, mode?: string): Promise<void>;
  /** The same for a file that is too long for a script. */
  put(path: string, bytes: Buffer, mode?: string): Promise<void>;
  /** A path inside, as this machine sees it; good until the next reboot. */
  path(inside: string): string;
  /** Waits until a script ends with 0. */
  until(script: string, timeoutMs?: number): Promise<void>;
  reboot(): Promise<void>;
}

export interface MachineOptions {
  readonly name: string;
  /** The network namespace that it boots in. */
  readonly network: string;
}

/** For `skip`: false, or why no machine can boot here. */
export function machineMissing(): string | false {
  if (labMissing()) return labMissing();
  if (!existsSync(join(nodeRoot, "usr/bin/containerd"))) return `needs a node in "${nodeRoot}", run scripts/setup`;
  return existsSync("/usr/bin/systemd-nspawn") ? false : "needs systemd-nspawn, run scripts/setup";
}

/** Resolves when it has booted. */
export async function bootMachine(workspace: Workspace, { name, network }: MachineOptions): Promise<Machine> {
  const folders = await Promise.all(["upper", "work", "root"].map((part) => workspace.folder(`${name}/${part}`)));
  const [upper, work, root] = folders as [string, string, string];
  // What systemd-nspawn keeps under a machine's name, it removes with the first of two that have the same.
  const machine = `${name}-${process.pid}`;
  const overlay = `lowerdir=${nodeRoot},upperdir=${upper},workdir=${work}`;
  const nspawn = [
    ...["systemd-nspawn", "--quiet", "--boot", "--directory", root, "--machine", machine, `--hostname=${name}`],
    ...["--register=no", "--keep-unit", "--capability=all", `--network-namespace-path=/run/netns/${network}`],
    // What a unit may do is its own filter's to say, as on a machine that is no container.
    ...["--resolv-conf=off", "--console=pipe", "--system-call-filter=@known"],
  ];
  const env = { GROUPS_OF_MACHINE: (await openControlGroup(workspace, name)).join(" ") };
  const script = `for group in $GROUPS_OF_MACHINE; do echo $$ >"$group" || :; done
    unset GROUPS_OF_MACHINE; mount -t overlay overlay -o "$0" "$1" && shift && exec "$@"`;
  const boot = async (): Promise<{ daemon: Daemon; leader: number }> => {
    const daemon = await startDaemon(["sh", "-c", script, overlay, root, ...nspawn], { env, ownMounts: true });
    const leader = await findLeader(daemon.pid);
    await until(() => tryRun(leader, BOOTED), "the boot");
    return { daemon, leader };
  };
  let { daemon, leader } = await boot();
  const down = async (command: string): Promise<void> => {
    // The last that a node does is to stop all processes, and nsenter stops with its child, for good.
    const stop = new AbortController();
    const asked = tryRun(leader, command, stop.signal);
    const ended = await Promise.race([daemon.ended, delay(30_000, null, { ref: false })]);
    stop.abort();
    await asked;
    if (ended !== null) return;
    // systemd-nspawn does not take its machine with it: the next boot would be a second one on the same files.
    process.kill(leader, "SIGKILL");
    await daemon.kill();
  };
  workspace.onEnd(() => down("systemctl poweroff --force"));
  return {
    run: (text) => run(leader, text),
    tryRun: (text) => tryRun(leader, text),
    write: (path, text, mode = "644") => write(leader, { path, text, mode }),
    async put(path, bytes, mode = "644") {
      await writeFile(`/proc/${leader}/root${path}`, bytes, { mode: Number.parseInt(mode, 8) });
    },
    path: (inside) => `/proc/${leader}/root${inside}`,
    until: (text, timeoutMs) => until(() => tryRun(leader, text), text, timeoutMs),
    async reboot() {
      // systemd-nspawn ends with 133 then, for whoever started it to start it again.
      await down("systemctl reboot");
      ({ daemon, leader } = await boot());
    },
  };
}

// A failed unit is "degraded", which a test may want.
const BOOTED = "systemctl is-system-running | grep -E 'running|degraded'";

// systemd-nspawn's child is the machine's first process.
async function findLeader(nspawn: number): Promise<number> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(50)) {
    const children = await readFile(`/proc/${nspawn}/task/${nspawn}/children`, "utf8").catch(() => "");
    for (const pid of children.trim().split(" ").map(Number)) {
      if ((await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")) === "systemd\n") return pid;
    }
  }
  throw new Error("The machine has not begun to boot within a minute");
}

// Nobody waits that long but on a machine that is busy with others: a mirror that has failed often must answer for a
// minute before it is used.
const PATIENCE_MS = 180_000;

async function until(attempt: () => Promise<{ code: number; output: string }>, what: string, timeoutMs = PATIENCE_MS) {
  let output = "";
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await delay(100)) {
    const attempted = await attempt();
    if (attempted.code === 0) return;
    output = attempted.output;
  }
  throw new Error(`Not within ${timeoutMs / 1000} s: ${what}; it said:\n${output}`);
}

async function run(leader: number, script: string): Promise<string> {
  const { code, output } = await tryRun(leader, script);
  if (code !== 0) throw new Error(`"${script}" ended with ${code} and said:\n${output}`);
  return output;
}

async function tryRun(leader: number, script: string, signal?: AbortSignal): Promise<{ code: number; output: string }> {
  const command = [
    "nsenter",
    "--target",
    String(leader),
    "--all",
    "--root",
    "--wd",
    "env",
    "-i",
    PATH,
    "sh",
    "-c",
    script,
  ];
  const { stdout, stderr, code } = await promisify(execFile)("setpriv", ["--pdeathsig", "KILL", ...command], {
    maxBuffer: 2 ** 26,
    timeout: 120_000,
    killSignal: "SIGKILL", // what is stopped hears no other
    ...(signal && { signal }),
  }).then(
    (result) => ({ ...result, code: 0 }),
    (error: { stdout: string; stderr: string; code: number | null }) => ({ ...error, code: error.code ?? -1 }),
  );
  return { code, output: code === 0 ? stdout : `${stdout}${stderr}` };
}

const PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

async function write(leader: number, { path, text, mode }: { path: string; text: string; mode: string }) {
  const encoded = Buffer.from(text).toString("base64");
  // In one step, as an editor saves.
  const script = `mkdir -p "$(dirname ${path})" && echo ${encoded} | base64 -d >${path}.new && chmod ${mode} ${path}.new && mv ${path}.new ${path}`;
  await run(leader, script);
}
