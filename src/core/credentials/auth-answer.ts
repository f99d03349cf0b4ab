// What a registry takes, as it was found out by asking it: registry/auth-probe makes this value, the
// strategy decides by it.

import type { Credential } from "./credential.ts";
import { basicAuthorization, bearerAuthorization } from "./credential.ts";
import type { Secret } from "./secret.ts";

/** A credential in the form in which a registry gets to see it: a Google key has become an access token. */
export type PresentedCredential =
  | Exclude<Credential, { kind: "googleKey" }>
  | { readonly kind: "googleToken"; readonly token: Secret };

export type DirectScheme = "basic" | "bearer";

export type AuthAnswer =
  /** It has not been asked, or gave no answer that says anything about credentials. */
  | { readonly kind: "unknown" }
  /** It answers without being told who asks. `takes`: a header does no harm; "refused": it answers 401 to ours. */
  | { readonly kind: "anonymous"; readonly takes: DirectScheme | "refused" | null }
  /** It asks, and takes our credential in the request itself. */
  | { readonly kind: "direct"; readonly scheme: DirectScheme }
  /** It takes nothing but tokens of a token server, which gives one for our credential. */
  | { readonly kind: "bearer"; readonly realm: string; readonly service: string | null }
  /** It asks, and there is nothing to tell it. */
  | { readonly kind: "asks" }
  /** It, or its token server, does not take our credential; `by` is the origin that refused. */
  | { readonly kind: "refused"; readonly by: string }
  /** It asks for something that nobody here can give; one clause that says what. */
  | { readonly kind: "unsupported"; readonly because: string };

/** The user name under which Google's registries take an access token as a password. */
const GOOGLE_TOKEN_USER = "oauth2accesstoken";

/** How a credential goes into each request to the endpoint at `url`; null where it is not shown at all. */
export function schemeShown(answer: AuthAnswer, url: string): DirectScheme | null {
  if (answer.kind === "direct") return answer.scheme;
  // Open at its root is not open in every repository; over http that doubt is not worth showing a secret.
  if (answer.kind !== "anonymous" || answer.takes === "refused" || url.startsWith("http:")) return null;
  return answer.takes;
}

/** The Authorization header for a scheme, where the credential can be put into one. */
export function directAuthorization(credential: PresentedCredential, scheme: DirectScheme): Secret | null {
  switch (credential.kind) {
    case "none":
    case "identityToken":
      return null;
    case "basic":
      return scheme === "basic" ? basicAuthorization(credential.username, credential.password) : null;
    case "registryToken":
      return scheme === "bearer" ? bearerAuthorization(credential.token) : null;
    case "googleToken":
      return scheme === "bearer"
        ? bearerAuthorization(credential.token)
        : basicAuthorization(GOOGLE_TOKEN_USER, credential.token);
  }
  credential satisfies never;
  return null;
}

/** The credential as a token server is asked with it: user and password, a refresh token, or nothing. */
export function tokenServerCredential(credential: PresentedCredential): Credential {
  if (credential.kind !== "googleToken") return credential;
  return { kind: "basic", username: GOOGLE_TOKEN_USER, password: credential.token };
}
