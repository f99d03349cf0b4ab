// `save images`: makes an image package out of registries. Here is only its command line.

import type { Command } from "commander";
import type { CommandContext, GlobalOptions } from "./context.ts";
import { addConnectionFlags, type ConnectionFlags } from "./registry-flags.ts";
import { runCommand } from "./run-command.ts";
import { UsageError } from "./usage-error.ts";

export interface SaveFlags extends ConnectionFlags, Pick<GlobalOptions, "config" | "root"> {
  readonly list?: string;
  readonly platform?: readonly string[];
}

const EXAMPLE = `
Credentials come from the Docker config (DOCKER_CONFIG, ~/.docker/config.json).

Example:
  mirror-agent save images --list images.txt --output images.tar.zst --platform linux/amd64`;

/** Adds `save images`. */
export function defineSaveImages(program: Command, context: CommandContext): void {
  const save = program.command("save").description("makes an image package out of registries");
  addConnectionFlags(save.command("images"))
    .description("saves the images of a list as one package, for push images elsewhere")
    .argument("[image...]", "images, in place of a list or besides it")
    .option("--list <file>", "the images to save, one a line; # starts a comment")
    .option("-o, --output <package>", "the package: .tar, .tar.xz, .tar.zst or .tar.gz")
    .option("--platform <os/arch>", "only these platforms of multi-architecture images; changes their digest", collect)
    .addHelpText("after", EXAMPLE)
    .action(async (names: readonly string[], _: unknown, self: Command) => {
      const flags = self.optsWithGlobals<SaveFlags>();
      await runCommand(context, "save images", async () => {
        const { saveImages } = await import("./run-save-images.ts");
        return saveImages(flags, { names, path: packageToWrite(self) }, context);
      });
    });
}

/** `--output` is also a flag of the whole program, which takes it first: there it says text or json. */
function packageToWrite(command: Command): string {
  const own: unknown = command.opts().output;
  const outer: unknown = command.optsWithGlobals().output;
  const path = own ?? (outer === "text" || outer === "json" ? undefined : outer);
  if (typeof path !== "string") throw new UsageError("--output=PACKAGE is missing");
  return path;
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
