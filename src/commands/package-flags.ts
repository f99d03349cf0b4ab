// The flags that say which package is meant and what of it: shared by `push images` and `verify images`.

import type { Command } from "commander";
import type { PlanOptions } from "../push/plan.ts";
import { parsePlatform } from "../push/select-platforms.ts";
import { UsageError } from "./usage-error.ts";

export interface PackageFlags {
  readonly source?: string;
  readonly images?: string;
  readonly publicKey?: string;
  readonly workdir?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly platform?: readonly string[];
}

/** Adds the flags, and the package as an argument. */
export function addPackageFlags(command: Command): Command {
  return command
    .argument("[package]", "the same as --source")
    .option(
      "--source <package>",
      "image package: file or folder; OCI layouts and docker-archives, nested, .xz, .gz, .zst",
    )
    .option("--images <package>", "the same as --source")
    .option("--public-key <file>", "checks PACKAGE.1.sig with this key before anything else")
    .option(
      "--workdir <folder>",
      "where a compressed package is unpacked, and gone afterwards (default: the temporary folder)",
    )
    .option(
      "--include <glob>",
      "only images whose name fits, like 'gcr.io/*pause*'; may be given several times",
      collect,
    )
    .option("--exclude <glob>", "not these; may be given several times", collect)
    .option("--platform <os/arch>", "only these platforms of multi-architecture images; changes their digest", collect);
}

/** The package that is meant. In `--images= DIR`, as the original's manual writes it, the path comes as an argument. */
export function packagePath(flags: PackageFlags, positional: string | undefined): string {
  const named = [flags.source, flags.images, positional].filter((path) => path !== undefined && path !== "");
  const [path] = named;
  if (path === undefined) throw new UsageError("--source=PACKAGE is missing");
  if (named.length > 1) throw new UsageError(`two packages are named, "${named[0]}" and "${named[1]}"`);
  return path;
}

/** What of a package is meant. */
export function planOptions({
  include = [],
  exclude = [],
  platform = [],
}: PackageFlags): Omit<PlanOptions, "namespace"> {
  const platforms = platform.flatMap((text) => text.split(","));
  const wrong = platforms.find((text) => parsePlatform(text) === null);
  if (wrong !== undefined)
    throw new UsageError(`--platform "${wrong}" is none, expected OS/ARCHITECTURE like linux/arm64`);
  return { include, exclude, platforms };
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
