// Who we are at a registry: what was said on the command line, what is asked for on a terminal, or an entry of a
// Docker config where `docker login` and `podman login` leave it.

import { access } from "node:fs/promises";
import { join } from "node:path";
import { type Credential, NO_CREDENTIAL } from "../core/credentials/credential.ts";
import { Secret } from "../core/credentials/secret.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface CredentialWish {
  /** With namespace: a Docker config may hold an entry for that alone. */
  readonly url: string;
  readonly needed: boolean;
  readonly username: string | null;
  readonly password: Secret | null;
  readonly env: Environment;
  /** Asks the user; null where nobody is there to answer. */
  readonly ask: AskUser | null;
  /** Whether the registry wants to know who we are at all. */
  readonly isAsked: () => Promise<boolean>;
}

export interface AskUser {
  text(question: string): Promise<string>;
  secret(question: string): Promise<string>;
}

/** Finds the credential. Throws if what was named cannot be used. */
export async function findPushCredential(wish: CredentialWish): Promise<Credential> {
  if (!wish.needed) return NO_CREDENTIAL;
  if (wish.username !== null) return basic(wish.username, wish.password ?? (await askPassword(wish, wish.username)));
  const stored = await findDockerConfig(wish);
  if (wish.ask === null || !(await wish.isAsked())) return stored.credential;
  return askForCredential(wish, wish.ask, stored);
}

interface Stored {
  readonly path: string | null;
  readonly credential: Credential;
}

/** The first Docker config that has an entry for the registry. */
async function findDockerConfig({ url, env }: CredentialWish): Promise<Stored> {
  for (const path of configPaths(env)) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (!there) continue;
    const owner = { role: "upstream", url, credentialPath: path, gcrKeyPath: null } as const;
    // Where there is no such file, its parser need not be loaded.
    const { readCredential } = await import("../node/credential-source.ts");
    const { credential, problem } = await readCredential(owner, { environment: env });
    if (problem !== null) throw new Error(problem);
    if (credential.kind !== "none") return { path, credential };
  }
  return { path: null, credential: NO_CREDENTIAL };
}

function configPaths(env: Environment): string[] {
  const home = env.HOME ?? "/root";
  const docker = env.DOCKER_CONFIG || join(home, ".docker");
  const podman =
    env.REGISTRY_AUTH_FILE ?? (env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "containers/auth.json") : null);
  return [
    join(docker, "config.json"),
    ...(podman === null ? [] : [podman]),
    join(home, ".config/containers/auth.json"),
  ];
}

async function askForCredential({ url }: CredentialWish, ask: AskUser, stored: Stored): Promise<Credential> {
  const host = new URL(url).host;
  const empty = stored.path === null ? "none" : stored.path;
  const username = await ask.text(`User for ${host} (empty: ${empty}): `);
  if (username === "") return stored.credential;
  return basic(username, new Secret(await ask.secret(`Password of ${username} at ${host}: `)));
}

async function askPassword({ url, ask }: CredentialWish, username: string): Promise<Secret> {
  if (ask === null) throw new Error(`Cannot log in as "${username}": no password; give it with --password-stdin`);
  return new Secret(await ask.secret(`Password of ${username} at ${new URL(url).host}: `));
}

function basic(username: string, password: Secret): Credential {
  return { kind: "basic", username, password };
}
