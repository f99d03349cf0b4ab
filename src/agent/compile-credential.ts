// From how an endpoint's credential reaches containerd to what status.json and `plan` say of it.

import type { StatusCredential } from "../report/status.ts";
import { type CredentialState, credentialProblem } from "./endpoint-credentials.ts";

/** Null where no credential was named for the endpoint; without secrets. */
export function compileCredential(state: CredentialState): StatusCredential | null {
  const { endpoint, choice } = state;
  if (endpoint.credentialPath === null && endpoint.gcrKeyPath === null) return null;
  return { kind: choice.kind, because: choice.because, problem: credentialProblem(state) };
}
