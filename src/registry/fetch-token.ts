// Asks a token server. A refresh token goes as a form (distribution, auth/oauth.md), everything else as a GET with
// basic authentication (auth/token.md).

import { Secret } from "../core/credentials/secret.ts";
import { answerError, networkError } from "./registry-error.ts";
import { basicOf, type Token, type TokenRequest } from "./tokens.ts";
import type { RawRequest, Transport } from "./transport.ts";

const TIMEOUT_MS = 30_000;
/** token.md: a server that says nothing means one minute. */
const DEFAULT_LIFETIME_S = 60;

/** Gets one token; redirects are not followed, they would carry the password along. */
export async function fetchToken(transport: Transport, wanted: TokenRequest, signal: AbortSignal): Promise<Token> {
  const what = `get a token from ${wanted.realm.origin}${forScopes(wanted.scopes)}`;
  const request =
    wanted.credential.kind === "identityToken" ? formRequest(wanted, wanted.credential.token) : getRequest(wanted);
  const answer = await send(transport, request, { what, signal });
  if (answer.status !== 200) throw answerError(what, answer, Date.now());
  return readToken(answer.text, what);
}

async function send(
  transport: Transport,
  request: RawRequest,
  { what, signal }: { what: string; signal: AbortSignal },
) {
  try {
    const { statusCode, headers, body } = await transport.request(request, signal);
    return { status: statusCode, headers, text: await body.text() };
  } catch (cause) {
    signal.throwIfAborted();
    throw networkError(what, cause);
  }
}

function getRequest({ realm, service, scopes, credential }: TokenRequest): RawRequest {
  const url = new URL(realm);
  if (service !== null) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  const basic = basicOf(credential);
  const headers = basic === null ? {} : { authorization: basic.reveal() };
  return { method: "GET", url, headers, body: null, headersTimeoutMs: TIMEOUT_MS, bodyTimeoutMs: TIMEOUT_MS };
}

function formRequest({ realm, service, scopes }: TokenRequest, refreshToken: Secret): RawRequest {
  const form = new URLSearchParams({ grant_type: "refresh_token", client_id: "mirror-agent", scope: scopes.join(" ") });
  if (service !== null) form.set("service", service);
  form.set("refresh_token", refreshToken.reveal());
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = Buffer.from(form.toString());
  return { method: "POST", url: realm, headers, body, headersTimeoutMs: TIMEOUT_MS, bodyTimeoutMs: TIMEOUT_MS };
}

function readToken(text: string, what: string): Token {
  const { token, access_token, expires_in } = parse(text);
  const found = [token, access_token].find((value): value is string => typeof value === "string" && value !== "");
  if (found === undefined) throw networkError(what, new Error("its answer holds no token"));
  const seconds = typeof expires_in === "number" && expires_in > 0 ? expires_in : DEFAULT_LIFETIME_S;
  return { token: new Secret(found), lifetimeMs: seconds * 1000 };
}

function parse(text: string): { token?: unknown; access_token?: unknown; expires_in?: unknown } {
  try {
    return (JSON.parse(text) as object | null) ?? {};
  } catch {
    return {};
  }
}

function forScopes(scopes: readonly string[]): string {
  return scopes.length === 0 ? "" : ` for ${scopes.join(" ")}`;
}
