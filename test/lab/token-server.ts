// A token server as docker-registry's token authentication needs it (distribution, docs/spec/auth): access
// tokens are JWTs, signed by a certificate that the registry knows. It is asked with basic authentication of a
// GET, or with a form that holds a password or a refresh token, as containerd 1.x does first.

import { createPrivateKey, randomUUID, sign, X509Certificate } from "node:crypto";
import { type Authority, type KeyPair, makeAuthority } from "./certificates.ts";
import { type Received, type RecordingServer, startRecordingServer } from "./recording-server.ts";
import type { Workspace } from "./workspace.ts";

export interface Account {
  readonly username: string;
  readonly password: string;
  readonly refreshToken?: string;
}

export interface TokenServer extends RecordingServer {
  /** Where a registry sends its clients. */
  readonly realm: string;
  readonly service: string;
  /** PEM, for the registry. */
  readonly signerCert: string;
  /** The one account; change it to change the password. */
  account: Account;
  /** Of the tokens that it gives from now on. */
  lifetimeS: number;
  /** The status with which it answers who asks for these scopes; null: as it should, "silent": not at all. */
  statusWith: (scopes: readonly string[]) => number | "silent" | null;
  /** All tokens that it gave, oldest first. */
  readonly tokens: readonly string[];
  /** Whether a token of its own still holds and was given to the account, not to nobody. */
  admits(token: string): boolean;
  /** A token for these scopes, without asking who wants it. */
  issue(...scopes: string[]): string;
}

export interface TokenServerOptions {
  readonly tls: KeyPair | null;
  readonly account: Account;
}

export async function startTokenServer(
  workspace: Workspace,
  { tls, account }: TokenServerOptions,
): Promise<TokenServer> {
  const signer = makeAuthority("token signer");
  const expiries = new Map<string, number>();
  const tokens: string[] = [];
  const server = await startRecordingServer(workspace, tls, (request, response) => {
    const asked = readQuery(request);
    const trouble = state.statusWith(asked.getAll("scope"));
    if (trouble === "silent") return;
    if (trouble !== null) return void response.writeHead(trouble).end();
    const known = isKnown(request, asked, state.account);
    if (known === "wrong") return void response.writeHead(401).end();
    const token = makeToken(signer, {
      scopes: known === "nobody" ? [] : asked.getAll("scope"),
      lifetimeS: state.lifetimeS,
    });
    tokens.push(token);
    if (known === "account") expiries.set(token, Date.now() + state.lifetimeS * 1000);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ token, access_token: token, expires_in: state.lifetimeS }));
  });
  const state: TokenServer = Object.assign(server, {
    realm: `${server.url}/token`,
    service: SERVICE,
    signerCert: signer.cert,
    account,
    lifetimeS: 60,
    statusWith: () => null,
    tokens,
    issue: (...scopes: string[]) => makeToken(signer, { scopes, lifetimeS: 600 }),
    admits: (token: string) => (expiries.get(token) ?? 0) > Date.now(),
  });
  return state;
}

const SERVICE = "lab";

function readQuery({ method, path, body }: Received): URLSearchParams {
  return method === "POST" ? new URLSearchParams(body) : new URL(path, "http://x").searchParams;
}

// A form is taken at its word, whatever header comes with it.
function isKnown(
  { method, authorization }: Received,
  asked: URLSearchParams,
  account: Account,
): "account" | "nobody" | "wrong" {
  if (method !== "POST") {
    if (authorization === null) return "nobody";
    return authorization === basic(account) ? "account" : "wrong";
  }
  const byPassword = asked.get("username") === account.username && asked.get("password") === account.password;
  const byToken = account.refreshToken !== undefined && asked.get("refresh_token") === account.refreshToken;
  return byPassword || byToken ? "account" : "wrong";
}

/** The Authorization header of an account. */
export function basic({ username, password }: Account): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

function makeToken(signer: Authority, { scopes, lifetimeS }: { scopes: readonly string[]; lifetimeS: number }): string {
  const now = Math.floor(Date.now() / 1000);
  const x5c = [new X509Certificate(signer.cert).raw.toString("base64")];
  const access = scopes.flatMap((scope) => scope.split(" ")).map(readScope);
  const claims = {
    iss: SERVICE,
    aud: SERVICE,
    sub: "",
    iat: now,
    nbf: now - 10,
    exp: now + lifetimeS,
    jti: randomUUID(),
    access,
  };
  const signed = [{ typ: "JWT", alg: "ES256", x5c }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const key = createPrivateKey(signer.key);
  return `${signed}.${sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

// "repository:host:5000/a/b:pull,push": the name in the middle may hold colons.
function readScope(scope: string): { type: string; name: string; actions: string[] } {
  const [, type = "", name = "", actions = ""] = /^([^:]*):(.*):([^:]*)$/.exec(scope) ?? [];
  return { type, name, actions: actions.split(",") };
}
