// Reads what the operator gave an endpoint to authenticate with, from the files that the config names.
// A file, entry or helper that is missing is this endpoint's problem alone, and no exception: others go on.

import { type Credential, NO_CREDENTIAL } from "../core/credentials/credential.ts";
import { type FoundCredential, findCredential, parseDockerConfig } from "../core/credentials/docker-config.ts";
import { googleKeyProblem, unwrapGoogleKey } from "../core/credentials/google-key.ts";
import { Secret } from "../core/credentials/secret.ts";
import type { Endpoint } from "../core/endpoint.ts";
import { askCredentialHelper, type HelperAnswer, type HelperOptions } from "./credential-helper.ts";
import { readSmallFile } from "./small-file.ts";
import { stampFile } from "./stamp.ts";

/** An endpoint, as far as its credential's source goes. */
export type CredentialOwner = Pick<Endpoint, "role" | "url" | "credentialPath" | "isCredentialOwn" | "gcrKeyPath">;

export type CredentialReading =
  | (Read & { readonly credential: Credential; readonly problem: null })
  /** Why there is no credential although one was named. Null: nobody knows whether it is still the one of before. */
  | (Read & { readonly credential: Credential | null; readonly problem: string });

interface Read {
  /** What works, but should be mended. */
  readonly warning: string | null;
}

/** Asks a helper for a server's credential; `stamp` is of the file that names it. */
export type AskHelper = (question: HelperUse) => Promise<HelperAnswer>;

export interface HelperUse {
  readonly path: string;
  readonly stamp: string;
  readonly name: string;
  readonly serverAddress: string;
}

const MAX_BYTES = 1_000_000;

/** Reads an endpoint's credential, and runs its helper; a key file comes before an entry of a Docker config. */
export function readCredential(owner: CredentialOwner, options: HelperOptions): Promise<CredentialReading> {
  return readCredentialWith(owner, ({ name, serverAddress }) => askCredentialHelper(name, serverAddress, options));
}

/** The same for those who ask helpers in a way of their own. */
export async function readCredentialWith(owner: CredentialOwner, ask: AskHelper): Promise<CredentialReading> {
  if (owner.gcrKeyPath !== null) return readGoogleKey(owner.gcrKeyPath);
  if (owner.credentialPath !== null) return readDockerConfig(owner, owner.credentialPath, ask);
  return { credential: NO_CREDENTIAL, problem: null, warning: null };
}

async function readGoogleKey(path: string): Promise<CredentialReading> {
  const file = await readCredentialFile(path);
  if ("problem" in file) return unread(file.problem, null);
  const problem = googleKeyProblem(file.text);
  if (problem !== null) return unread(`Cannot use "${path}": ${problem}`, file.warning);
  return { credential: { kind: "googleKey", path, json: new Secret(file.text) }, problem: null, warning: file.warning };
}

async function readDockerConfig(owner: CredentialOwner, path: string, ask: AskHelper): Promise<CredentialReading> {
  const stamp = stampFile(path);
  const file = await readCredentialFile(path);
  if ("problem" in file) return unread(file.problem, null);
  const config = parseDockerConfig(file.text);
  if (typeof config === "string") return unread(`Cannot use "${path}": ${config}`, file.warning);
  const entry = findCredential(config, owner.url);
  const found = entry.kind === "helper" ? await resolveHelper(entry, { path, stamp }, ask) : entry;
  if (found.kind === "problem") return unread(`Cannot use "${path}" for ${owner.url}: ${found.problem}`, file.warning);
  if (found.kind === "absent") return absent(owner, path, file.warning);
  return { credential: unwrapGoogleKey(found.credential, path), problem: null, warning: file.warning };
}

type Resolved = Exclude<FoundCredential, { kind: "helper" }>;

async function resolveHelper(
  { helper, serverAddress, otherwise }: Extract<FoundCredential, { kind: "helper" }>,
  file: Pick<HelperUse, "path" | "stamp">,
  ask: AskHelper,
): Promise<Resolved> {
  const answer = await ask({ ...file, name: helper, serverAddress });
  return answer.kind === "absent" ? otherwise : answer;
}

// One Docker config serves all upstreams, and it is right that it does not know them all; a mirror's is its own, and
// a registry's that names one.
function absent(owner: CredentialOwner, path: string, warning: string | null): CredentialReading {
  if (owner.role === "upstream" && owner.isCredentialOwn !== true)
    return { credential: NO_CREDENTIAL, problem: null, warning };
  const problem = `Cannot use "${path}" for ${owner.url}: it has no entry for this registry`;
  return { credential: NO_CREDENTIAL, problem, warning };
}

function unread(problem: string, warning: string | null): CredentialReading {
  return { credential: null, problem, warning };
}

type CredentialFile = { readonly text: string; readonly warning: string | null } | { readonly problem: string };

async function readCredentialFile(path: string): Promise<CredentialFile> {
  const file = await readSmallFile(path, MAX_BYTES);
  if ("problem" in file) return { problem: `Cannot read "${path}": ${file.problem}` };
  const readableByAll = (file.mode & 0o004) !== 0;
  const warning = readableByAll ? `"${path}" holds credentials and every user can read it: chmod 0600` : null;
  return { text: file.text, warning };
}
