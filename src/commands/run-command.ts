// Runs what a command does and turns what went wrong into a line and an exit code.

import { type CommandContext, EXIT } from "./context.ts";
import { UsageError } from "./usage-error.ts";

/** Runs `body` and exits with its code; `name` is the command's, for messages. */
export async function runCommand(context: CommandContext, name: string, body: () => Promise<number>): Promise<void> {
  try {
    context.exit(await body());
  } catch (error) {
    context.stderr.write(`mirror-agent ${name}: ${describe(error, context)}\n`);
    context.exit(error instanceof UsageError ? EXIT.usage : EXIT.notOk);
  }
}

function describe(error: unknown, { signal }: CommandContext): string {
  if (signal.aborted) return "stopped";
  const { code, path, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" && path !== undefined) return `Cannot read "${path}": no such file or folder`;
  if (code === "EACCES" && path !== undefined) return `Cannot read "${path}": permission denied`;
  return message;
}
