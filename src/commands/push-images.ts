// `push images`: loads an image package into a private registry. Here is only its command line; what it runs is loaded
// when it runs.

import { type Command, Option } from "commander";
import type { CommandContext, GlobalOptions } from "./context.ts";
import { addPackageFlags, type PackageFlags } from "./package-flags.ts";
import { addRegistryFlags, type RegistryFlags } from "./registry-flags.ts";
import { runCommand } from "./run-command.ts";

export interface PushFlags extends RegistryFlags, PackageFlags, GlobalOptions {
  readonly onExistingTag: "overwrite" | "skip" | "error";
  readonly keepGoing?: boolean;
  readonly recheck?: boolean;
  readonly dryRun?: boolean;
}

const EXAMPLE = `
Example:
  mirror-agent push images --source=bmpackages_1.34.0.tar.xz --private-registry=172.18.0.20:5000/team-a --cacert=ca.crt

Run it again after a failure or Ctrl-C: what is at the registry is not sent twice.`;

/** Adds `push images`, and `images push` as the private mode's manuals spell it. */
export function definePushImages(program: Command, context: CommandContext): void {
  const push = program.commands.find((command) => command.name() === "push") ?? program.command("push");
  push.description("loads an image package into a private registry");
  define(push.command("images"), context);
  define(program.command("images", { hidden: true }).command("push"), context);
}

function define(command: Command, context: CommandContext): void {
  addRegistryFlags(addPackageFlags(command))
    .description("pushes every image of a package into a private registry")
    .addOption(
      new Option("--on-existing-tag <what>", "when a tag is there with other content")
        .choices(["overwrite", "skip", "error"])
        .default("overwrite"),
    )
    .option("--keep-going", "pushes the other images when one fails")
    .option("--recheck", "checks every blob, also of images whose tag is right: mends a registry that lost some")
    .option("--dry-run", "shows what would be sent where, and which projects have to exist")
    .addHelpText("after", EXAMPLE)
    .action(async (positional: string | undefined, _: unknown, self: Command) => {
      const flags = self.optsWithGlobals<PushFlags>();
      await runCommand(context, "push images", async () => {
        const { pushImages } = await import("./run-push-images.ts");
        return pushImages(flags, positional, context);
      });
    });
}
