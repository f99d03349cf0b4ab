// argv → command → exit code. The only file that touches the process; what a command needs of it
// goes in as a value. Commands load what they run when they run it, so that the daemon does not
// carry the others in memory.

import type { CommandContext } from "./commands/context.ts";
import { runProgram } from "./commands/program.ts";

const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());

const context: CommandContext = {
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
  onHangup: (listener) => void process.on("SIGHUP", listener),
  pid: process.pid,
  nowMs: Date.now,
  exit: (code) => {
    process.exitCode = code;
  },
};

await runProgram(process.argv.slice(2), context);
