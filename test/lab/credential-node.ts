// A node whose operator named credentials for every server of the laboratory: a config for the agent, the files
// that it names, and what each server may get to see of them.

import { chmod, writeFile } from "node:fs/promises";
import type { KeyPair } from "./certificates.ts";
import type { GoogleServer } from "./google-server.ts";
import { startGoogleServer } from "./google-server.ts";
import {
  basicGuard,
  carrying,
  type Guard,
  type GuardedRegistry,
  googleGuard,
  OPEN,
  startGuardedRegistry,
  tokenGuard,
  tokenOrBasicGuard,
} from "./guarded-registry.ts";
import type { RegistryFiles } from "./image-files.ts";
import type { Received, RecordingServer } from "./recording-server.ts";
import { type Account, startTokenServer, type TokenServer } from "./token-server.ts";
import type { Workspace } from "./workspace.ts";

export type GuardKind = "open" | "passwords" | "tokens-or-passwords" | "tokens-alone";

const GUARDS: Readonly<Record<GuardKind, (tokens: TokenServer) => Guard>> = {
  open: () => OPEN,
  passwords: ({ account }) => basicGuard(account),
  "tokens-or-passwords": tokenOrBasicGuard,
  "tokens-alone": tokenGuard,
};

/** A registry with one account, and who may see the account's password. */
export interface GuardedPlace {
  readonly name: string;
  readonly registry: GuardedRegistry;
  readonly tokens: TokenServer;
  readonly secret: string;
  readonly allowed: readonly RecordingServer[];
}

export interface GooglePlace {
  readonly name: string;
  readonly registry: GuardedRegistry;
  readonly google: GoogleServer;
}

export interface PlaceOptions {
  readonly tls: KeyPair | null;
  readonly files: RegistryFiles;
}

/** Starts a registry of that kind and its token server. */
export async function startGuardedPlace(
  workspace: Workspace,
  { role, kind, tls, files }: PlaceOptions & { role: "mirror" | "upstream"; kind: GuardKind },
): Promise<GuardedPlace> {
  const account: Account = { username: role, password: `secret-${crypto.randomUUID()}` };
  const tokens = await startTokenServer(workspace, { tls, account });
  const registry = await startGuardedRegistry(workspace, { tls, guard: GUARDS[kind](tokens), files });
  return { name: `${role}-${kind}`, registry, tokens, secret: account.password, allowed: [registry, tokens] };
}

/** Starts a registry like gcr.io. Its token server speaks http: a key file names no CA. */
export async function startGooglePlace(workspace: Workspace, { tls, files }: PlaceOptions): Promise<GooglePlace> {
  const google = await startGoogleServer(workspace, null);
  const registry = await startGuardedRegistry(workspace, { tls, guard: googleGuard(google), files });
  return { name: "upstream-google", registry, google };
}

/** Writes a Docker config with the accounts of these places, readable by root alone; returns its path. */
export async function writeDockerConfig(
  workspace: Workspace,
  name: string,
  places: readonly Pick<GuardedPlace, "registry" | "tokens">[],
): Promise<string> {
  const auths = places.map(({ registry, tokens }) => {
    const { username, password } = tokens.account;
    return [new URL(registry.url).host, { auth: Buffer.from(`${username}:${password}`).toString("base64") }];
  });
  return writeSecretFile(workspace, name, JSON.stringify({ auths: Object.fromEntries(auths) }));
}

/** Writes a file that root alone can read; returns its path. */
export async function writeSecretFile(workspace: Workspace, name: string, text: string): Promise<string> {
  const path = `${workspace.dir}/${name}`;
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
  return path;
}

/** The requests that carried the password of one of these places, its first or its present one, to a server that it was not for. */
export function findStrays(places: readonly GuardedPlace[], servers: readonly RecordingServer[]): Received[] {
  return places.flatMap(({ secret, tokens, allowed }) => {
    const others = servers.filter((server) => !allowed.includes(server));
    return [secret, tokens.account.password].flatMap((each) => others.flatMap((server) => carrying(server, each)));
  });
}
