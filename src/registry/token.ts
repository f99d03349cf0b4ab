// Docker's token protocol (distribution, docs/spec/auth/token.md and oauth.md): what a token server is asked, and
// what it answers. A user and a password go as basic authentication of a GET, a refresh token as a form.

import * as z from "zod";
import type { Credential } from "../core/credentials/credential.ts";
import { basicAuthorization } from "../core/credentials/credential.ts";
import { Secret } from "../core/credentials/secret.ts";
import type { Send, SendRequest } from "./send.ts";

export interface TokenQuery {
  readonly realm: string;
  readonly service: string | null;
  readonly scopes: readonly string[];
  readonly credential: Credential;
}

export type TokenAnswer =
  | { readonly kind: "token"; readonly token: Secret; readonly lifetimeMs: number }
  /** The token server does not take the credential, or, `forScopes`, perhaps takes it for other scopes than these. */
  | { readonly kind: "refused"; readonly forScopes: boolean }
  /** It gave no token for another reason: one clause without secrets. */
  | { readonly kind: "failed"; readonly because: string };

/** What the protocol says a token lives for where its answer does not say. */
const DEFAULT_LIFETIME_S = 60;

/** Asks the token server for one token. */
export async function requestToken(query: TokenQuery, send: Send, signal: AbortSignal): Promise<TokenAnswer> {
  const { status, body } = await send(tokenRequest(query), signal);
  if (status === 401 || (status === 400 && isOAuthRefusal(body))) return { kind: "refused", forScopes: false };
  if (status === 403) return { kind: "refused", forScopes: query.scopes.length > 0 };
  const origin = new URL(query.realm).origin;
  if (status !== 200) return { kind: "failed", because: `token server ${origin} answered ${status}` };
  return (
    readToken(body.toString("utf8")) ?? { kind: "failed", because: `token server ${origin} answered without a token` }
  );
}

function tokenRequest(query: TokenQuery): SendRequest {
  const { credential, scopes, service } = query;
  const url = new URL(query.realm);
  if (credential.kind === "identityToken") return formRequest(query, credential.token);
  if (service !== null) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  const headers =
    credential.kind === "basic"
      ? { Authorization: basicAuthorization(credential.username, credential.password).reveal() }
      : {};
  return { method: "GET", url, headers, body: null };
}

function formRequest({ realm, service, scopes }: TokenQuery, refreshToken: Secret): SendRequest {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: "mirror-agent", scope: scopes.join(" ") });
  if (service !== null) form.set("service", service);
  form.set("refresh_token", refreshToken.reveal());
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return { method: "POST", url: new URL(realm), headers, body: form.toString() };
}

/** RFC 6749, section 5.2: a refresh token that has ended, or is nobody's, is answered with 400. */
const oauthErrorSchema = z.object({ error: z.enum(["invalid_grant", "invalid_client", "unauthorized_client"]) });

function isOAuthRefusal(body: Buffer): boolean {
  return oauthErrorSchema.safeParse(parseJson(body.toString("utf8"))).success;
}

const answerSchema = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().optional().catch(undefined),
});

function readToken(json: string): TokenAnswer | null {
  const answer = answerSchema.safeParse(parseJson(json));
  const text = answer.data?.token || answer.data?.access_token;
  if (!text) return null;
  const lifetimeMs = (answer.data?.expires_in ?? DEFAULT_LIFETIME_S) * 1000;
  return { kind: "token", token: new Secret(text), lifetimeMs };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
