// Changes a Google key into an access token with google-auth-library, which knows every kind of key file
// (service account, workload identity, impersonation, ...) and is loaded only when there is one. Its HTTP client
// is replaced by ours, for the node's own CAs, proxies and NO_PROXY networks. It always asks
// oauth2.googleapis.com for a service account, whatever the key says (gtoken/getToken.js): the key's `token_uri`
// is put in here, also as the audience that the token server checks.

import type { AuthClient, JWTInput } from "google-auth-library";
import * as z from "zod";
import { Secret } from "../core/credentials/secret.ts";
import type { Send } from "./send.ts";

export interface GoogleToken {
  readonly token: Secret;
  readonly expiresAtMs: number;
}

const LIBRARY_TOKEN_URI = "https://oauth2.googleapis.com/token";
const DEFAULT_UNIVERSE = "googleapis.com";
/** Reading images is all that is asked for; gcr.io and Artifact Registry both go by it. */
const SCOPES = ["https://www.googleapis.com/auth/devstorage.read_only"];
const DEFAULT_LIFETIME_MS = 3_600_000;
const METHODS = ["GET", "POST", "PUT"] as const;

const keySchema = z.looseObject({
  type: z.string(),
  token_uri: z.string().optional(),
  universe_domain: z.string().optional(),
});

/** Gets a new access token. Errors say what the server answered, and nothing of the request, which holds secrets. */
export async function fetchGoogleToken(
  keyJson: Secret,
  { send, nowMs }: { send: Send; nowMs: () => number },
  signal: AbortSignal,
): Promise<GoogleToken> {
  try {
    const client = await createClient(keyJson, send, signal);
    const headers = await client.getRequestHeaders();
    const token = new Secret((headers.get("authorization") ?? "").replace(/^Bearer /i, ""));
    return {
      token,
      expiresAtMs: expiryOf(client) ?? expiryOfJwt(token) ?? nowMs() + DEFAULT_LIFETIME_MS,
    };
  } catch (error) {
    signal.throwIfAborted();
    // Not as `cause`: the library's errors carry the request with the signed assertion.
    throw new Error(describe(error));
  }
}

async function createClient(keyJson: Secret, send: Send, signal: AbortSignal): Promise<AuthClient> {
  const { GoogleAuth, JWT } = await import("google-auth-library");
  const key = keySchema.parse(JSON.parse(keyJson.reveal()));
  if (key.type !== "service_account") {
    const client = await new GoogleAuth({ scopes: SCOPES, credentials: key as JWTInput }).getClient();
    routeThrough(client, fetchWith({ send, tokenUri: null, signal }));
    return client;
  }
  // In another universe the library signs its tokens itself, and refuses claims of ours.
  const foreign = (key.universe_domain ?? DEFAULT_UNIVERSE) !== DEFAULT_UNIVERSE;
  const tokenUri = key.token_uri ?? LIBRARY_TOKEN_URI;
  const client = new JWT({ scopes: SCOPES, ...(foreign ? {} : { additionalClaims: { aud: tokenUri } }) });
  client.fromJSON(key as JWTInput);
  routeThrough(client, fetchWith({ send, tokenUri, signal }));
  return client;
}

interface Holder {
  readonly transporter?: { defaults: { fetchImplementation?: typeof fetch } };
  readonly stsCredential?: Holder;
  readonly sourceClient?: Holder;
}

// The library hands a client's HTTP settings on to some of the clients inside it, not to these two.
function routeThrough(client: object, fetchImplementation: typeof fetch): void {
  const { transporter, stsCredential, sourceClient } = client as Holder;
  if (transporter !== undefined) transporter.defaults = { ...transporter.defaults, fetchImplementation };
  for (const inner of [stsCredential, sourceClient]) if (inner !== undefined) routeThrough(inner, fetchImplementation);
}

interface Fetching {
  readonly send: Send;
  readonly tokenUri: string | null;
  readonly signal: AbortSignal;
}

function fetchWith({ send, tokenUri, signal }: Fetching): typeof fetch {
  return async (input, init) => {
    const wanted = input instanceof Request ? input.url : String(input);
    const url = new URL(tokenUri !== null && wanted === LIBRARY_TOKEN_URI ? tokenUri : wanted);
    const headers = new Headers(init?.headers);
    const { body = null } = init ?? {};
    if (body instanceof URLSearchParams) headers.set("Content-Type", "application/x-www-form-urlencoded");
    // AWS's metadata service gives a session token to a PUT alone (imdsv2_session_token_url).
    const method = METHODS.find((known) => known === init?.method) ?? "GET";
    const answer = await send(
      { method, url, headers: Object.fromEntries(headers), body: body === null ? null : String(body) },
      signal,
    );
    const contentType = answer.headers["content-type"];
    const text = answer.body.length === 0 ? null : answer.body.toString("utf8");
    return new Response(text, { status: answer.status, headers: contentType ? { "Content-Type": contentType } : {} });
  };
}

// Until it has asked a server, a JWT client says that its token ended in 1970.
function expiryOf({ credentials }: AuthClient): number | null {
  const { expiry_date: expiry } = credentials;
  return expiry && expiry > 1 ? expiry : null;
}

function expiryOfJwt(token: Secret): number | null {
  const [, claims] = token.reveal().split(".");
  if (claims === undefined) return null;
  try {
    const { exp } = JSON.parse(Buffer.from(claims, "base64url").toString("utf8")) as { exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : null;
  } catch {
    return null;
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  const { status } = (error as { response?: { status?: number } }).response ?? {};
  // A server may repeat what it was sent: whatever is long enough to be a secret, or a part of one, is left out.
  const message = (error.message.split("\n")[0] ?? "").replace(/[\w+/=%~-]{20,}/g, "***").slice(0, 300);
  return status === undefined ? message : `${status} ${message}`;
}
