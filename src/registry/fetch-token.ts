// Gets a token for a push or pull of ours over the same connections and proxy as everything else; token.ts knows the
// protocol. What a token server says for a while only (429, 5xx) is worth another try, a refusal is not.

import type { Credential } from "../core/credentials/credential.ts";
import { answerError, networkError, RegistryError } from "./registry-error.ts";
import type { SendRequest } from "./send.ts";
import type { Token, TokenRequest } from "./tokens.ts";
import type { RawRequest, Transport } from "./transport.ts";

const TIMEOUT_MS = 30_000;

/** Gets one token; redirects are not followed, they would carry the password along. */
export async function fetchToken(transport: Transport, wanted: TokenRequest, signal: AbortSignal): Promise<Token> {
  // Only registries with a token server need it, and the parser that it brings along.
  const { requestToken } = await import("./token.ts");
  const { realm, service, scopes } = wanted;
  const what = `get a token from ${realm.origin}${scopes.length === 0 ? "" : ` for ${scopes.join(" ")}`}`;
  const query = { realm: realm.href, service, scopes, credential: asBasic(wanted.credential) };
  const answer = await requestToken(query, (request) => send(transport, request, { what, signal }), signal);
  if (answer.kind === "token") return answer;
  const refused = wanted.credential.kind === "none" ? "it wants a user and password" : "it refuses user and password";
  const because = answer.kind === "refused" ? refused : answer.because;
  throw new RegistryError(`Cannot ${what}: ${because}`, {
    status: 401,
    codes: [],
    temporary: false,
    retryAfterMs: null,
  });
}

async function send(
  transport: Transport,
  { method, url, headers, body }: SendRequest,
  { what, signal }: { what: string; signal: AbortSignal },
) {
  const bytes = body === null ? null : Buffer.from(body);
  const limits = { headersTimeoutMs: TIMEOUT_MS, bodyTimeoutMs: TIMEOUT_MS };
  const request: RawRequest = { method: method as RawRequest["method"], url, headers, body: bytes, ...limits };
  const answer = await receive(transport, request, { what, signal });
  const failed = answerError(what, { ...answer, text: answer.body.toString("utf8") }, Date.now());
  if (answer.status >= 400 && failed.temporary) throw failed;
  return answer;
}

async function receive(
  transport: Transport,
  request: RawRequest,
  { what, signal }: { what: string; signal: AbortSignal },
) {
  try {
    const { statusCode, headers, body } = await transport.request(request, signal);
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
  } catch (cause) {
    signal.throwIfAborted();
    throw networkError(what, cause);
  }
}

/** Google's token server knows a key file as the password of this user. */
function asBasic(credential: Credential): Credential {
  if (credential.kind !== "googleKey") return credential;
  return { kind: "basic", username: "_json_key", password: credential.json };
}
