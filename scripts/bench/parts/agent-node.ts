// A node for a bench: a folder for --root with a real containerd in it where scripts/setup has brought one, and
// the agent as a process, from its sources or bundled as packages hold it.

import { execFileSync } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startContainerd } from "../../../test/lab/containerd.ts";
import { type Daemon, startDaemon } from "../../../test/lab/daemon.ts";
import { labMissing } from "../../../test/lab/parts.ts";
import type { Workspace } from "../../../test/lab/workspace.ts";

const TOP = fileURLToPath(new URL("../../../", import.meta.url));

export const SOURCES = join(TOP, "src/main.ts");

/** The program as packages hold it: bundled, and with the options that its launcher gives the runtime. */
export async function bundleSources(workspace: Workspace): Promise<{ main: string; flags: readonly string[] }> {
  const out = await workspace.folder("bundle");
  execFileSync(process.execPath, [join(TOP, "packaging/bundle.ts"), out], { stdio: "inherit" });
  const launcher = await readFile(join(TOP, "packaging/files/usr/bin/mirror-agent"), "utf8");
  const command = /exec \$lib\/node([^$]*)\$lib\/main\.mjs/.exec(launcher)?.[1] ?? "";
  return { main: join(out, "main.mjs"), flags: command.match(/--\S+/g) ?? [] };
}

/** The folder for --root, and what there is of a containerd in it. */
export async function makeNode(workspace: Workspace, name: string): Promise<{ root: string; containerd: string }> {
  const missing = labMissing();
  if (!missing) return { root: (await startContainerd(workspace, { version: "1.7" })).dir, containerd: "1.7" };
  console.log(`no containerd: ${missing}`);
  return { root: await workspace.folder(name), containerd: "none" };
}

export interface AgentOptions {
  readonly main: string;
  readonly root: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Options of the runtime. */
  readonly flags?: readonly string[];
}

/** Resolves once the process runs. */
export async function startAgent(workspace: Workspace, options: AgentOptions): Promise<Daemon> {
  const { main, root, env = {}, flags = [] } = options;
  await mkdir(join(root, "run/mirror-agent"), { recursive: true });
  const daemon = await startDaemon([process.execPath, ...flags, main, "--root", root, "run"], { env });
  workspace.onEnd(() => daemon.stop());
  return daemon;
}
