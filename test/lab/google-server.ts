// Google's token endpoint: changes an assertion that a service account's key signed into an access token
// (RFC 7523), as a key's `token_uri` does.

import { createPublicKey, generateKeyPairSync, randomUUID, verify } from "node:crypto";
import type { KeyPair } from "./certificates.ts";
import { type RecordingServer, startRecordingServer } from "./recording-server.ts";
import type { Workspace } from "./workspace.ts";

export interface GoogleServer extends RecordingServer {
  /** The service account's key file. */
  readonly keyJson: string;
  /** Of the tokens that it gives from now on. */
  lifetimeS: number;
  /** It answers 503. */
  failing: boolean;
  /** It refuses, and says so with all that it was sent. */
  echoing: boolean;
  /** All tokens that it gave, oldest first. */
  readonly tokens: readonly string[];
  admits(token: string): boolean;
}

export async function startGoogleServer(workspace: Workspace, tls: KeyPair | null): Promise<GoogleServer> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const expiries = new Map<string, number>();
  const tokens: string[] = [];
  const server = await startRecordingServer(workspace, tls, ({ body }, response) => {
    const answer = (status: number, value: object): void => {
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
    };
    if (state.failing) return answer(503, { error: "unavailable" });
    if (state.echoing) return answer(400, { error: body, error_description: body, message: body });
    const problem = refuse(new URLSearchParams(body).get("assertion") ?? "");
    if (problem !== null) return answer(400, { error: "invalid_grant", error_description: problem });
    const token = `ya29.${randomUUID()}`;
    tokens.push(token);
    expiries.set(token, Date.now() + state.lifetimeS * 1000);
    answer(200, { access_token: token, expires_in: state.lifetimeS, token_type: "Bearer" });
  });
  const refuse = (assertion: string): string | null => {
    const [header = "", claims = "", signature = ""] = assertion.split(".");
    const key = createPublicKey(publicKey.export({ type: "spki", format: "pem" }));
    if (!verify("sha256", Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, "base64url")))
      return "Invalid signature";
    const { aud, scope } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { aud?: string; scope?: string };
    if (aud !== `${server.url}/token`) return `Invalid audience ${aud}`;
    return scope?.includes("devstorage.read_only") ? null : `Invalid scope ${scope}`;
  };
  const state: GoogleServer = Object.assign(server, {
    keyJson: JSON.stringify({
      type: "service_account",
      project_id: "lab",
      private_key_id: "1",
      private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
      client_email: "puller@lab.iam.gserviceaccount.com",
      token_uri: `${server.url}/token`,
    }),
    lifetimeS: 3600,
    failing: false,
    echoing: false,
    tokens,
    admits: (token: string) => (expiries.get(token) ?? 0) > Date.now(),
  });
  return state;
}
