// The package that the tests install, built once for a test file.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { VERSION } from "../../src/version.ts";
import type { Workspace } from "../lab/workspace.ts";

const ROOT = join(import.meta.dirname, "../..");
const ARCHITECTURES = process.arch === "arm64" ? { deb: "arm64", rpm: "aarch64" } : { deb: "amd64", rpm: "x86_64" };
export const DEB_ARCHITECTURE = ARCHITECTURES.deb;

export interface Packages {
  readonly deb: string;
  readonly rpm: string;
}

/** Builds both for this machine from the same sources, without compressing them well; returns their paths. */
export async function buildPackages(
  workspace: Workspace,
  formats: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Packages> {
  const into = await workspace.folder("packages");
  const options = ["--quick", ...formats.map((format) => `--${format}`), `--into=${into}`, ARCHITECTURES.deb];
  await promisify(execFile)(join(ROOT, "scripts/package"), options, { env: { ...process.env, ...env } });
  return {
    deb: join(into, `mirror-agent_${VERSION}_${ARCHITECTURES.deb}.deb`),
    rpm: join(into, `mirror-agent-${VERSION}.${ARCHITECTURES.rpm}.rpm`),
  };
}
