// Asks a registry what it takes: first without a credential, then with it in the request itself, then as a token
// of the server that the registry names. The result is a value; who asks keeps it until something changes.

import {
  type AuthAnswer,
  type DirectScheme,
  directAuthorization,
  type PresentedCredential,
  tokenServerCredential,
} from "../core/credentials/auth-answer.ts";
import { bearerAuthorization } from "../core/credentials/credential.ts";
import type { Secret } from "../core/credentials/secret.ts";
import { judgeRefusal } from "./answer-verdict.ts";
import { type Challenge, findChallenge, parseChallenges } from "./challenge.ts";
import { realmProblem } from "./realm.ts";
import { RequestFailure } from "./request-failure.ts";
import type { Send, SendAnswer } from "./send.ts";
import { requestToken } from "./token.ts";

export interface Asking {
  /** "https://172.18.0.20:5000" */
  readonly origin: string;
  readonly credential: PresentedCredential;
  readonly send: Send;
}

/** Asks. Throws RequestFailure where there is no answer, or one that says nothing about the credential it was sent. */
export async function askRegistry(asking: Asking, signal: AbortSignal): Promise<AuthAnswer> {
  const open = await getRoot(asking, null, signal);
  if (open.status !== 200 && open.status !== 401) return { kind: "unknown" };
  const scheme = await tryDirect(asking, signal);
  if (open.status === 200)
    return { kind: "anonymous", takes: isBearable(asking.credential) ? (scheme ?? "refused") : null };
  if (asking.credential.kind === "none") return { kind: "asks" };
  if (scheme !== null) return { kind: "direct", scheme };
  return tryTokens(asking, open.challenges, signal);
}

interface RootAnswer extends Pick<SendAnswer, "status" | "headers"> {
  readonly challenges: readonly Challenge[];
}

async function getRoot(
  { origin, send }: Asking,
  authorization: Secret | null,
  signal: AbortSignal,
): Promise<RootAnswer> {
  const headers = authorization === null ? {} : { Authorization: authorization.reveal() };
  const answer = await send({ method: "GET", url: new URL("/v2/", origin), headers, body: null }, signal);
  const asked = answer.headers["www-authenticate"];
  return { ...answer, challenges: parseChallenges(asked === undefined ? [] : [asked].flat()) };
}

/** Whether a credential is taken; a server in trouble or under load does not say so. */
async function isTaken(asking: Asking, authorization: Secret, signal: AbortSignal): Promise<boolean> {
  const answer = await getRoot(asking, authorization, signal);
  if (answer.status === 200) return true;
  if (answer.status === 401 || answer.status === 403) return false;
  const { reason, detail } = judgeRefusal(answer, { authorized: true });
  throw new RequestFailure(reason, `our credential is answered with ${detail}`);
}

// Bearer first: only a Google token fits both, and its registries document that form.
const SCHEMES: readonly DirectScheme[] = ["bearer", "basic"];

async function tryDirect(asking: Asking, signal: AbortSignal): Promise<DirectScheme | null> {
  for (const scheme of SCHEMES) {
    const authorization = directAuthorization(asking.credential, scheme);
    if (authorization !== null && (await isTaken(asking, authorization, signal))) return scheme;
  }
  return null;
}

async function tryTokens(asking: Asking, challenges: readonly Challenge[], signal: AbortSignal): Promise<AuthAnswer> {
  const { origin, credential, send } = asking;
  const bearer = findChallenge(challenges, "bearer");
  if (bearer === null) return withoutTokens(asking, challenges);
  const { realm = "", service = null } = bearer.params;
  const problem = realmProblem(realm, origin);
  if (problem !== null) return { kind: "unsupported", because: problem };
  // A token that is given out already is no credential for a token server.
  if (credential.kind === "registryToken") return { kind: "refused", by: origin };
  const query = { realm, service, scopes: [], credential: tokenServerCredential(credential) };
  const answer = await requestToken(query, send, signal);
  if (answer.kind === "failed") throw new RequestFailure("server-error", answer.because);
  if (answer.kind === "refused") return { kind: "refused", by: new URL(realm).origin };
  const taken = await isTaken(asking, bearerAuthorization(answer.token), signal);
  return taken ? { kind: "bearer", realm, service } : { kind: "refused", by: origin };
}

function withoutTokens({ origin, credential }: Asking, challenges: readonly Challenge[]): AuthAnswer {
  const asksBasic = findChallenge(challenges, "basic") !== null;
  if (asksBasic && directAuthorization(credential, "basic") !== null) return { kind: "refused", by: origin };
  if (asksBasic) return { kind: "unsupported", because: "the registry takes a user name and a password alone" };
  const schemes = [...new Set(challenges.map(({ scheme }) => scheme))];
  if (schemes.length === 0)
    return { kind: "unsupported", because: "the registry answers 401 without saying what it takes" };
  return {
    kind: "unsupported",
    because: `the registry asks for ${schemes.join(" or ")}, which containerd does not know`,
  };
}

function isBearable(credential: PresentedCredential): boolean {
  return SCHEMES.some((scheme) => directAuthorization(credential, scheme) !== null);
}
