// The flags that say which registry is meant and how to get in: shared by `push images` and `verify images`. Names and
// quirks are bmctl's and actl's, so that commands out of their manuals work as they are.

import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { type Command, InvalidArgumentError } from "commander";
import { NO_CREDENTIAL } from "../core/credentials/credential.ts";
import { Secret } from "../core/credentials/secret.ts";
import { readProxyEnvironment } from "../core/proxy.ts";
import { askOnTerminal } from "../push/ask-user.ts";
import { findPushCredential } from "../push/find-credential.ts";
import { type PushAddress, parsePushAddress } from "../push/push-address.ts";
import { Distribution, type DistributionOptions } from "../registry/distribution.ts";
import { RegistryError } from "../registry/registry-error.ts";
import type { CommandContext } from "./context.ts";
import { UsageError } from "./usage-error.ts";

export interface RegistryFlags {
  readonly privateRegistry?: string;
  readonly cacert?: string;
  readonly needCredential: boolean;
  readonly registryCredential: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly plainHttp?: boolean;
  readonly insecureSkipVerify?: boolean;
  readonly threads: number;
  readonly timeout: number;
  readonly retries: number;
}

export interface OpenRegistry {
  readonly address: PushAddress;
  readonly registry: Distribution;
}

/** Adds the flags to a command. */
export function addRegistryFlags(command: Command): Command {
  return command
    .option("--private-registry <address>", "HOST:PORT or HOST:PORT/NAMESPACE; HOST:PORT/v2/NAMESPACE means the same")
    .option("--cacert <file>", "CA certificate of the registry, if it is a private one")
    .option("--need-credential [bool]", "false: the registry asks nobody for credentials", parseBoolean, true)
    .option("--no-registry-credential", "the same as --need-credential=false")
    .option("--username <name>")
    .option("--password <password>", "seen by everybody on this machine while it runs; prefer --password-stdin")
    .option("--password-stdin", "reads the password from standard input")
    .option("--plain-http", "the registry has no TLS")
    .option("--insecure-skip-verify", "does not check the registry's certificate")
    .option("--threads <n>", "requests at once", parseCount, 8)
    .option("--retries <n>", "how often a request is tried again", parseCount, 5)
    .option("--timeout <seconds>", "without any progress until a request counts as broken", parseCount, 60);
}

/** Connects to the registry that the flags name, and makes sure that it lets us in. Close it at the end. */
export async function openRegistry(
  flags: RegistryFlags,
  context: CommandContext,
  onWarning: (text: string) => void,
): Promise<OpenRegistry> {
  const address = readAddress(flags);
  const base = await registryOptions(flags, { address, context, onWarning });
  const password = await readPassword(flags, context.stdin);
  const interactive = context.stdin.isTTY === true && context.stderr.isTTY === true;
  const credential = await findPushCredential({
    url: `${address.origin}/v2/${address.namespace}`,
    needed: flags.needCredential && flags.registryCredential,
    username: flags.username ?? null,
    password,
    env: context.env,
    ask: interactive ? askOnTerminal({ input: context.stdin, output: context.stderr, signal: context.signal }) : null,
    isAsked: () => wantsCredential(base, context.signal),
  });
  const registry = new Distribution({ ...base, credential });
  try {
    await registry.ping(context.signal);
  } catch (error) {
    await registry.close();
    throw error;
  }
  return { address, registry };
}

function readAddress({ privateRegistry, plainHttp = false }: RegistryFlags): PushAddress {
  if (privateRegistry === undefined) throw new UsageError("--private-registry=HOST:PORT[/NAMESPACE] is missing");
  try {
    return parsePushAddress(privateRegistry, { plainHttp });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function registryOptions(
  flags: RegistryFlags,
  { address, context, onWarning }: { address: PushAddress; context: CommandContext; onWarning: (text: string) => void },
): Promise<DistributionOptions> {
  const ca = flags.cacert ? await readFile(flags.cacert, "utf8") : null;
  return {
    origin: address.origin,
    credential: NO_CREDENTIAL,
    tls: { ca, clientCert: null, clientKey: null, insecureSkipVerify: flags.insecureSkipVerify ?? false },
    proxy: readProxyEnvironment(context.env),
    connections: flags.threads,
    connectTimeoutMs: 10_000,
    timeoutMs: flags.timeout * 1000,
    onWarning,
  };
}

async function wantsCredential(options: DistributionOptions, signal: AbortSignal): Promise<boolean> {
  const anonymous = new Distribution(options);
  try {
    await anonymous.ping(signal);
    return false;
  } catch (error) {
    if (error instanceof RegistryError && error.status === 401) return true;
    throw error;
  } finally {
    await anonymous.close();
  }
}

async function readPassword(
  { password, passwordStdin, username }: RegistryFlags,
  stdin: Readable,
): Promise<Secret | null> {
  if (password !== undefined && passwordStdin)
    throw new UsageError("--password and --password-stdin exclude each other");
  if ((password !== undefined || passwordStdin) && username === undefined)
    throw new UsageError("--username is missing");
  if (password !== undefined) return new Secret(password);
  if (!passwordStdin) return null;
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(Buffer.from(piece));
  return new Secret(
    Buffer.concat(pieces)
      .toString("utf8")
      .replace(/\r?\n$/, ""),
  );
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
