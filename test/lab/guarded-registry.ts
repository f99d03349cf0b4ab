// A registry of ours that asks for credentials in one of the ways that are met outside, and keeps who sent what.

import type { KeyPair } from "./certificates.ts";
import type { GoogleServer } from "./google-server.ts";
import { sha256 } from "./image.ts";
import type { RegistryFiles } from "./image-files.ts";
import { type Received, type RecordingServer, startRecordingServer } from "./recording-server.ts";
import { type Account, basic, type TokenServer } from "./token-server.ts";
import type { Workspace } from "./workspace.ts";

export interface Guard {
  readonly admits: (authorization: string | null) => boolean;
  /** WWW-Authenticate. */
  readonly challenge: () => string;
}

export interface GuardedRegistry extends RecordingServer {
  guard: Guard;
  /** The status with which it answers in trouble; null: as its guard says. */
  statusWith: (authorization: string | null) => number | null;
}

export const OPEN: Guard = { admits: () => true, challenge: () => "" };

/** As htpasswd: a user and a password. */
export function basicGuard(account: Account): Guard {
  return { admits: (authorization) => authorization === basic(account), challenge: () => 'Basic realm="lab"' };
}

/** As Docker Hub: nothing but tokens. */
export function tokenGuard(server: TokenServer): Guard {
  const admits = (authorization: string | null): boolean => server.admits(authorization?.replace(/^Bearer /, "") ?? "");
  return { admits, challenge: () => `Bearer realm="${server.realm}",service="${server.service}"` };
}

/** As Harbor: asks for tokens, and takes user and password as well. */
export function tokenOrBasicGuard(server: TokenServer): Guard {
  const { admits, challenge } = tokenGuard(server);
  return { admits: (authorization) => authorization === basic(server.account) || admits(authorization), challenge };
}

/** As gcr.io: a current access token, as Bearer or as password of oauth2accesstoken. */
export function googleGuard(google: GoogleServer): Guard {
  const password = (encoded: string): string =>
    Buffer.from(encoded, "base64")
      .toString()
      .replace(/^oauth2accesstoken:/, "");
  const tokenIn = (authorization: string): string => {
    const [scheme = "", value = ""] = authorization.split(" ");
    return scheme === "Basic" ? password(value) : value;
  };
  const admits = (authorization: string | null): boolean =>
    authorization !== null && google.admits(tokenIn(authorization));
  return { admits, challenge: () => `Bearer realm="${google.url}/v2/token",service="gcr.io"` };
}

export interface GuardedRegistryOptions {
  readonly tls: KeyPair | null;
  readonly guard: Guard;
  readonly files?: RegistryFiles;
}

export async function startGuardedRegistry(
  workspace: Workspace,
  options: GuardedRegistryOptions,
): Promise<GuardedRegistry> {
  const server = await startRecordingServer(workspace, options.tls, (request, response) => {
    const trouble = state.statusWith(request.authorization);
    if (trouble !== null) return void response.writeHead(trouble).end();
    if (!state.guard.admits(request.authorization)) {
      return void response.writeHead(401, { "WWW-Authenticate": state.guard.challenge() }).end();
    }
    const { pathname } = new URL(request.path, "http://x");
    const file =
      pathname === "/v2/" ? { type: "application/json", body: Buffer.from("{}") } : options.files?.get(pathname);
    if (file === undefined) return void response.writeHead(404).end();
    const digest = pathname.includes("/manifests/") ? { "Docker-Content-Digest": sha256(file.body) } : {};
    response.writeHead(200, { "Content-Type": file.type, "Content-Length": file.body.length, ...digest });
    response.end(request.method === "HEAD" ? undefined : file.body);
  });
  const state: GuardedRegistry = Object.assign(server, { guard: options.guard, statusWith: () => null });
  return state;
}

/** The requests of those that carried a text anywhere. */
export function carrying(server: RecordingServer, secret: string): readonly Received[] {
  const forms = [secret, Buffer.from(secret).toString("base64"), encodeURIComponent(secret)];
  return server.received.filter(({ everything }) =>
    decoded(everything).some((view) => forms.some((form) => view.includes(form))),
  );
}

function decoded(everything: string): string[] {
  const inside = [...everything.matchAll(/Basic ([\w+/=]+)/g)].map(([, value = ""]) =>
    Buffer.from(value, "base64").toString(),
  );
  return [everything, ...inside];
}
