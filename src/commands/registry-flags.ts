// The flags that say which registry is meant and how to get in: shared by `push images` and `verify images`. Names and
// quirks are bmctl's and actl's, so that commands out of their manuals work as they are.

import { type Command, InvalidArgumentError } from "commander";

export interface ConnectionFlags {
  readonly cacert?: string;
  readonly plainHttp?: boolean;
  readonly insecureSkipVerify?: boolean;
  readonly threads: number;
  readonly retries: number;
  readonly timeout: number;
}

export interface RegistryFlags extends ConnectionFlags {
  readonly privateRegistry?: string;
  readonly needCredential: boolean;
  readonly registryCredential: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
}

/** Adds all flags. */
export function addRegistryFlags(command: Command): Command {
  command
    .option("--private-registry <address>", "HOST:PORT or HOST:PORT/NAMESPACE; HOST:PORT/v2/NAMESPACE means the same")
    .option("--need-credential [bool]", "false: the registry asks nobody for credentials", parseBoolean, true)
    .option("--no-registry-credential", "the same as --need-credential=false")
    .option("--username <name>", "asked for on a terminal; else from the Docker config")
    .option("--password <password>", "seen by everybody on this machine while it runs; prefer --password-stdin")
    .option("--password-stdin", "reads the password from standard input");
  return addConnectionFlags(command);
}

/** Adds the flags that say how to connect, whoever to. */
export function addConnectionFlags(command: Command): Command {
  return command
    .option("--cacert <file>", "CA certificate of the registry, if it is a private one")
    .option("--plain-http", "the registry has no TLS")
    .option("--insecure-skip-verify", "does not check the registry's certificate")
    .option("--threads <n>", "requests at once", parseCount, 8)
    .option("--retries <n>", "how often a request is tried again", parseCount, 5)
    .option("--timeout <seconds>", "without any progress until a request counts as broken", parseCount, 60);
}

function parseBoolean(text: string): boolean {
  if (/^(true|1|yes)$/i.test(text)) return true;
  if (/^(false|0|no)$/i.test(text)) return false;
  throw new InvalidArgumentError("expected true or false.");
}

function parseCount(text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count > 0 && count <= 1000) return count;
  throw new InvalidArgumentError("expected a number from 1 to 1000.");
}
