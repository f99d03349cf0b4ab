// `verify images`: proves that a mirror holds what nodes will ask it for. Here is only its command line.

import type { Command } from "commander";
import type { CommandContext, GlobalOptions } from "./context.ts";
import { addPackageFlags, type PackageFlags } from "./package-flags.ts";
import { addRegistryFlags, type RegistryFlags } from "./registry-flags.ts";
import { runCommand } from "./run-command.ts";

export interface VerifyFlags extends RegistryFlags, PackageFlags, GlobalOptions {
  readonly list?: string;
  readonly node?: boolean;
  readonly deep?: boolean;
}

const EXAMPLE = `
Without --private-registry the mirrors of the config file are looked at, each with its own CA and pull credentials.

Examples:
  mirror-agent verify images --source=bmpackages_1.34.0.tar.xz --private-registry=172.18.0.20:5000/team-a --cacert=ca.crt
  mirror-agent verify images --list images.txt --deep
  mirror-agent verify images --node`;

/** Adds `verify images`. */
export function defineVerifyImages(program: Command, context: CommandContext): void {
  const verify = program.command("verify").description("proves that a mirror holds what nodes will ask it for");
  addRegistryFlags(addPackageFlags(verify.command("images")))
    .description("looks for every image of a package, a list or this node at the mirrors, as nodes ask for them")
    .option("--list <file>", "the images to look for, one a line")
    .option("--node", "looks for every image of mirrored registries that containerd has on this node")
    .option("--deep", "reads every byte and checks its digest")
    .addHelpText("after", EXAMPLE)
    .action(async (positional: string | undefined, _: unknown, self: Command) => {
      const flags = self.optsWithGlobals<VerifyFlags>();
      await runCommand(context, "verify images", async () => {
        const { verifyImages } = await import("./run-verify-images.ts");
        return verifyImages(flags, positional, context);
      });
    });
}
