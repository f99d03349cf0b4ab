// Connects to the registry that the flags name.

import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { NO_CREDENTIAL } from "../core/credentials/credential.ts";
import { Secret } from "../core/credentials/secret.ts";
import { readProxyEnvironment } from "../core/proxy.ts";
import { askOnTerminal } from "../push/ask-user.ts";
import { findPushCredential } from "../push/find-credential.ts";
import { type PushAddress, parsePushAddress } from "../push/push-address.ts";
import { Distribution, type DistributionOptions } from "../registry/distribution.ts";
import { RegistryError } from "../registry/registry-error.ts";
import type { CommandContext } from "./context.ts";
import type { RegistryFlags } from "./registry-flags.ts";
import { UsageError } from "./usage-error.ts";

export interface OpenRegistry {
  readonly address: PushAddress;
  readonly registry: Distribution;
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
