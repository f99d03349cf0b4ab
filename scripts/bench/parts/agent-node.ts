// A node for a bench: a folder for --root with a real containerd in it where scripts/setup has brought one, and
// the agent as a process, from its sources or bundled as packages hold it.

import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { startContainerd } from "../../../test/lab/containerd.ts";
import { type Daemon, startDaemon } from "../../../test/lab/daemon.ts";
import { labMissing } from "../../../test/lab/parts.ts";
import type { Workspace } from "../../../test/lab/workspace.ts";

const TOP = fileURLToPath(new URL("../../../", import.meta.url));

// Packages that are CommonJS call it.
const REQUIRE = 'import { createRequire as $require } from "node:module"; const require = $require(import.meta.url);';

export const SOURCES = join(TOP, "src/main.ts");

/** Bundles the sources as packages hold them, and returns the path of the main file. */
export async function bundleSources(workspace: Workspace): Promise<string> {
  const out = await workspace.folder("bundle");
  await cp(join(TOP, "package.json"), join(out, "package.json"));
  await build({
    entryPoints: [SOURCES],
    outdir: join(out, "dist"),
    bundle: true,
    minify: true,
    splitting: true,
    platform: "node",
    format: "esm",
    banner: { js: REQUIRE },
    logLevel: "error",
  });
  return join(out, "dist/main.js");
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
