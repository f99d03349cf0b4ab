// What an operator gave an endpoint to authenticate with, once the files that hold it have been read.

import { Secret } from "./secret.ts";

export type Credential =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly username: string; readonly password: Secret }
  /** A refresh token: a token server changes it for access tokens, a registry itself does not take it. */
  | { readonly kind: "identityToken"; readonly token: Secret }
  /** An access token that goes to the registry as it is. */
  | { readonly kind: "registryToken"; readonly token: Secret }
  /** A Google key: a service account's, or another kind that changes into access tokens. */
  | { readonly kind: "googleKey"; readonly path: string; readonly json: Secret };

export const NO_CREDENTIAL: Credential = { kind: "none" };

/** The Authorization header of a user name and a password (RFC 7617, UTF-8). */
export function basicAuthorization(username: string, password: Secret): Secret {
  return new Secret(`Basic ${Buffer.from(`${username}:${password.reveal()}`).toString("base64")}`);
}

/** The Authorization header of an access token (RFC 6750). */
export function bearerAuthorization(token: Secret): Secret {
  return new Secret(`Bearer ${token.reveal()}`);
}

/** Whether two credentials are the same, so that what was found out with one holds for the other. */
export function sameCredential(a: Credential, b: Credential): boolean {
  if (a.kind === "basic" && b.kind === "basic") return a.username === b.username && a.password.equals(b.password);
  if (a.kind === "identityToken" && b.kind === "identityToken") return a.token.equals(b.token);
  if (a.kind === "registryToken" && b.kind === "registryToken") return a.token.equals(b.token);
  if (a.kind === "googleKey" && b.kind === "googleKey") return a.json.equals(b.json);
  return a.kind === "none" && b.kind === "none";
}
