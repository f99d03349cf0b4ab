// Token servers also give tokens to those who have no credential: Harbor's public projects answer 401 to everybody,
// and serve whoever then comes with an anonymous token. containerd fetches one, so a probe has to.

import { bearerAuthorization, NO_CREDENTIAL } from "../core/credentials/credential.ts";
import type { Secret } from "../core/credentials/secret.ts";
import { findChallenge, parseChallenges } from "./challenge.ts";
import { realmProblem } from "./realm.ts";
import type { Send } from "./send.ts";
import { requestToken } from "./token.ts";

/** The header to answer a WWW-Authenticate of `origin` with; null where no token is given away. */
export async function fetchAnonymousToken(
  { challenge, origin, scope }: { challenge: string; origin: string; scope: string },
  send: Send,
  signal: AbortSignal,
): Promise<Secret | null> {
  const bearer = findChallenge(parseChallenges([challenge]), "bearer");
  const { realm = "", service = null } = bearer?.params ?? {};
  if (bearer === null || realmProblem(realm, origin) !== null) return null;
  const answer = await requestToken({ realm, service, scopes: [scope], credential: NO_CREDENTIAL }, send, signal);
  return answer.kind === "token" ? bearerAuthorization(answer.token) : null;
}
