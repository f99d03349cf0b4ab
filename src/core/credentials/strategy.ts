// Decides how containerd gets an endpoint's credential. What works depends on the registry and on
// containerd's version, tried on 1.6.20, 1.7.24 and 2.1.9:
// - A static Authorization header goes with every request to its host. A registry that takes it there
//   is served on every version.
// - From 2.1 on it also goes to the token server that the registry names (PR #11092). Before that,
//   containerd asks there anonymously and replaces the header by what it gets: a registry that takes
//   nothing but tokens then needs `registry.configs.HOST.auth` in config.toml, and a restart.
// - A refresh token is taken by token servers alone, and containerd sends one only from `configs.auth`.

import { type ContainerdVersion, headersReachTokenEndpoint } from "../containerd-config/versions.ts";
import {
  type AuthAnswer,
  type DirectScheme,
  directAuthorization,
  type PresentedCredential,
  schemeShown,
} from "./auth-answer.ts";
import { parseRegistryAddress } from "./registry-address.ts";
import type { Secret } from "./secret.ts";

export type EndpointCredential =
  | (Chosen & { readonly kind: "anonymous" })
  /** In hosts.toml; it takes effect with the next pull. */
  | (Chosen & { readonly kind: "header"; readonly authorization: Secret })
  /** The same, and the token server `realm` gets to see it too. */
  | (Chosen & { readonly kind: "header-token-endpoint"; readonly authorization: Secret; readonly realm: string })
  /** In config.toml as `registry.configs.HOST.auth`; each change costs a restart of containerd. */
  | (Chosen & { readonly kind: "config-auth"; readonly host: string; readonly auth: ConfigAuth })
  | (Chosen & { readonly kind: "impossible"; readonly mend: string });

interface Chosen {
  /** One clause without secrets, for `plan` and `status`. */
  readonly because: string;
  readonly warnings: readonly string[];
  /** What the registry says now is no reason to change what costs a restart: it may say something else soon. */
  readonly isProvisional?: boolean;
}

/** The keys of containerd's `registry.configs.HOST.auth`. */
export type ConfigAuth =
  | { readonly kind: "password"; readonly username: string; readonly password: Secret }
  | { readonly kind: "identityToken"; readonly identityToken: Secret };

export interface Circumstances {
  /** The endpoint's URL. */
  readonly url: string;
  readonly credential: PresentedCredential;
  readonly answer: AuthAnswer;
  /** Null where it could not be found out. */
  readonly containerdVersion: ContainerdVersion | null;
}

/** Chooses the way on which containerd authenticates at an endpoint. */
export function chooseStrategy(circumstances: Circumstances): EndpointCredential {
  const { credential, answer } = circumstances;
  if (credential.kind === "none") return anonymous("no credential is configured");
  switch (answer.kind) {
    case "unknown":
      return { ...guess(circumstances), isProvisional: true };
    case "anonymous":
      return chooseForAnonymous(circumstances, answer);
    case "direct":
      return header(circumstances, answer.scheme, `the registry takes ${answer.scheme} credentials directly`);
    case "bearer":
      return chooseForTokens(circumstances, answer.realm);
    case "asks":
      return guess(circumstances);
    case "refused":
      // A header that is refused would also close what the registry shows to everybody.
      return {
        ...impossible(`${answer.by} refuses the credential`, "correct it in the file that holds it"),
        isProvisional: true,
      };
    case "unsupported":
      return impossible(answer.because, "give the registry basic or token authentication");
  }
  answer satisfies never;
  throw new Error("Cannot choose a strategy: the registry's answer is of no known kind");
}

/** The Authorization header that a choice puts into hosts.toml; null if none. */
export function headerOf(choice: EndpointCredential): Secret | null {
  return choice.kind === "header" || choice.kind === "header-token-endpoint" ? choice.authorization : null;
}

// Every kind of registry takes the header or ignores it, so that the first pull need not wait for an answer.
function guess(circumstances: Circumstances): EndpointCredential {
  const scheme = circumstances.credential.kind === "basic" ? "basic" : "bearer";
  return header(circumstances, scheme, "the registry has not said yet what it takes");
}

function chooseForAnonymous(
  circumstances: Circumstances,
  answer: AuthAnswer & { readonly kind: "anonymous" },
): EndpointCredential {
  if (answer.takes === "refused") {
    const warning = `${circumstances.url} needs no credential, and refuses the one that is configured`;
    return { ...anonymous("the registry refuses the credential and needs none"), warnings: [warning] };
  }
  const scheme = schemeShown(answer, circumstances.url);
  if (scheme === null) return anonymous("the registry never asks for a credential");
  return header(circumstances, scheme, "the registry does not ask at its root, and takes it where it does ask");
}

function chooseForTokens(circumstances: Circumstances, realm: string): EndpointCredential {
  const { url, credential, containerdVersion: version } = circumstances;
  const because = `the registry takes nothing but tokens of ${new URL(realm).origin}`;
  const warnings = [...plainWarnings(url), ...realmWarnings(url, realm)];
  const authorization = directAuthorization(credential, "basic");
  if (authorization !== null && version !== null && headersReachTokenEndpoint(version)) {
    return { kind: "header-token-endpoint", authorization, realm, because, warnings };
  }
  const auth = configAuth(credential);
  if (auth !== null && version !== null) {
    return {
      kind: "config-auth",
      host: new URL(url).host,
      auth,
      because,
      warnings: [...warnings, ...configWarnings(url, version)],
    };
  }
  if (version === null) {
    const unknown = impossible(`${because}, and containerd's version is not known`, "start containerd");
    return { ...unknown, isProvisional: true };
  }
  return impossible(
    `${because}, to which this containerd sends no header, and an access token in config.toml would cost a restart at each renewal`,
    "use containerd 2.1 or newer, a registry that takes the token directly, or pull secrets",
  );
}

function header(circumstances: Circumstances, scheme: DirectScheme, because: string): EndpointCredential {
  const authorization = directAuthorization(circumstances.credential, scheme);
  if (authorization === null) return anonymous(`${because}, and this kind of credential fits into no header`);
  return { kind: "header", authorization, because, warnings: plainWarnings(circumstances.url) };
}

// An access token of an hour has no place in a file that costs a restart.
function configAuth(credential: PresentedCredential): ConfigAuth | null {
  if (credential.kind === "basic")
    return { kind: "password", username: credential.username, password: credential.password };
  return credential.kind === "identityToken" ? { kind: "identityToken", identityToken: credential.token } : null;
}

function anonymous(because: string): EndpointCredential {
  return { kind: "anonymous", because, warnings: [] };
}

function impossible(because: string, mend: string): EndpointCredential {
  return { kind: "impossible", because, mend, warnings: [] };
}

function plainWarnings(url: string): string[] {
  return isPlain(url) ? [`${url} has no TLS: everybody on the way can read its credential`] : [];
}

// Registry and token server of docker.io have always been two.
function realmWarnings(url: string, realm: string): string[] {
  const there = new URL(realm);
  if (there.origin === new URL(url).origin || (there.origin === "https://auth.docker.io" && isDockerHub(url)))
    return [];
  return [`${url} sends its credential on to its token server ${there.origin}`];
}

// 2.1 takes configs.auth for a reason to pull in the old way (config.go, CheckLocalImagePullConfigs).
function configWarnings(url: string, version: ContainerdVersion): string[] {
  return headersReachTokenEndpoint(version)
    ? [`${url} needs registry.configs in config.toml, with which containerd pulls without its transfer service`]
    : [];
}

function isDockerHub(url: string): boolean {
  return parseRegistryAddress(url).host === "docker.io";
}

function isPlain(url: string): boolean {
  return url.startsWith("http:");
}
