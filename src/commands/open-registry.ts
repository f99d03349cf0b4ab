// Connects to the registry that the flags name.

import { readFile } from "node:fs/promises";
import type { Readable } from "node:stream";
import { NO_CREDENTIAL } from "../core/credentials/credential.ts";
import { Secret } from "../core/credentials/secret.ts";
import { askOnTerminal } from "../push/ask-user.ts";
import { type AskUser, findPushCredential } from "../push/find-credential.ts";
import { type PushAddress, parsePushAddress } from "../push/push-address.ts";
import type { Distribution } from "../registry/distribution.ts";
import { RegistryError } from "../registry/registry-error.ts";
import type { TlsMaterial } from "../registry/tls-material.ts";
import { connect } from "./connect.ts";
import type { CommandContext } from "./context.ts";
import type { RegistryFlags } from "./registry-flags.ts";
import { UsageError } from "./usage-error.ts";

export interface OpenRegistry {
  readonly address: PushAddress;
  readonly registry: Distribution;
}

/** Connects to the registry that the flags name, and makes sure that it lets us in. Close it at the end. */
export async function openRegistry(flags: RegistryFlags, context: CommandContext): Promise<OpenRegistry> {
  const address = readAddress(flags);
  const peer = { origin: address.origin, credential: NO_CREDENTIAL, tls: await readTls(flags) };
  const credential = await findPushCredential({
    url: `${address.origin}/v2/${address.namespace}`,
    needed: flags.needCredential && flags.registryCredential,
    username: flags.username ?? null,
    password: await readPassword(flags, context.stdin),
    env: context.env,
    ask: findUser(context),
    isAsked: () => wantsCredential(connect(peer, flags, context), context.signal),
  });
  const registry = connect({ ...peer, credential }, flags, context);
  try {
    await registry.ping(context.signal);
  } catch (error) {
    await registry.close();
    throw error;
  }
  return { address, registry };
}

/** Questions need somebody who sees them and somebody who answers. */
function findUser({ stdin, stderr, signal }: CommandContext): AskUser | null {
  const interactive = stdin.isTTY === true && stderr.isTTY === true;
  return interactive ? askOnTerminal({ input: stdin, output: stderr, signal }) : null;
}

function readAddress({ privateRegistry, plainHttp = false }: RegistryFlags): PushAddress {
  if (privateRegistry === undefined) throw new UsageError("--private-registry=HOST:PORT[/NAMESPACE] is missing");
  try {
    return parsePushAddress(privateRegistry, { plainHttp });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function readTls({ cacert, insecureSkipVerify = false }: RegistryFlags): Promise<TlsMaterial> {
  const ca = cacert ? await readFile(cacert, "utf8") : null;
  return { ca, clientCert: null, clientKey: null, insecureSkipVerify };
}

async function wantsCredential(anonymous: Distribution, signal: AbortSignal): Promise<boolean> {
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
