// The credentials of an imagined operator for servers of the laboratory, and the code that hands them to a real
// containerd: one step after the other as a pass does it, without the rest of a pass.

import { readFile, writeFile } from "node:fs/promises";
import { EndpointCredentials } from "../../src/agent/endpoint-credentials.ts";
import { editAuth } from "../../src/core/containerd-config/edit-auth.ts";
import { CRI_V2, parseContainerdVersion } from "../../src/core/containerd-config/versions.ts";
import { type EndpointCredential, headerOf } from "../../src/core/credentials/strategy.ts";
import { type Endpoint, serverRoot } from "../../src/core/endpoint.ts";
import { type HostEntry, renderHostsToml } from "../../src/core/hosts-toml.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { readCredential } from "../../src/node/credential-source.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { fetchGoogleToken } from "../../src/registry/google-token.ts";
import { GoogleTokens, SYSTEM_CLOCK } from "../../src/registry/google-tokens.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { createSend } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import type { Containerd } from "./containerd.ts";
import type { Account } from "./token-server.ts";
import type { Workspace } from "./workspace.ts";

/** Makes an endpoint with an entry in a Docker config of its own, or with a Google key. */
export async function makeEndpoint(
  workspace: Workspace,
  { role, url, given }: { role: Endpoint["role"]; url: string; given: Account | { keyJson: string } | null },
): Promise<Endpoint> {
  const name = `credential-${new URL(url).port}`;
  const isKey = given !== null && "keyJson" in given;
  const entry =
    given !== null && !isKey ? { [new URL(url).host]: { username: given.username, password: given.password } } : {};
  return {
    role,
    url,
    tls: { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false },
    credentialPath: given === null || isKey ? null : await workspace.file(name, JSON.stringify({ auths: entry })),
    gcrKeyPath: isKey ? await workspace.file(name, given.keyJson) : null,
    resolveTags: true,
    dialTimeoutMs: null,
  };
}

/** `onTokenChange` is called when a Google token was renewed. */
export function openCredentials(
  workspace: Workspace,
  { ca, onTokenChange = () => {} }: { ca: string; onTokenChange?: () => void },
): EndpointCredentials {
  const client = new HttpClient();
  const send = createSend(client, { tls: { ...PLAIN_TLS, ca }, proxy: NO_PROXY_ENVIRONMENT, timeoutMs: 5_000 });
  const fetchToken = fetchGoogleToken;
  const credentials = new EndpointCredentials({
    readCredential: (endpoint) => readCredential(endpoint, { environment: { PATH: "/usr/bin" } }),
    createAuth: (endpoint) => new EndpointAuth({ origin: serverRoot(endpoint.url), send, nowMs: Date.now }),
    googleTokens: new GoogleTokens({
      clock: SYSTEM_CLOCK,
      fetchToken: (json, signal) => fetchToken(json, { send, nowMs: Date.now }, signal),
      readKept: async () => null,
      onChange: onTokenChange,
    }),
  });
  workspace.onEnd(() => {
    credentials.close();
    client.close();
  });
  return credentials;
}

/** The choices for these endpoints and this containerd, by URL. */
export async function chooseFor(
  credentials: EndpointCredentials,
  endpoints: readonly Endpoint[],
  containerd: Containerd,
): Promise<ReadonlyMap<string, EndpointCredential>> {
  await credentials.refresh(endpoints);
  await credentials.ask(AbortSignal.timeout(10_000));
  const version = parseContainerdVersion((await containerd.cri.version()).runtimeVersion);
  return new Map(endpoints.map((endpoint) => [endpoint.url, credentials.choose(endpoint, version).choice]));
}

/** Puts what belongs into config.toml there, and restarts containerd if that is anything. */
export async function putConfigAuths(containerd: Containerd, choices: Iterable<EndpointCredential>): Promise<number> {
  let text = await readFile(containerd.configPath, "utf8");
  let count = 0;
  for (const choice of choices) {
    if (choice.kind !== "config-auth" || choice.auth.kind !== "password") continue;
    const { host, auth } = choice;
    const edit = editAuth(text, {
      plugin: CRI_V2,
      host,
      auth: { username: auth.username, password: auth.password.reveal() },
    });
    if (!edit.ok) throw new Error("Cannot edit config.toml");
    text = edit.text;
    count += 1;
  }
  await writeFile(containerd.configPath, text, { mode: 0o600 });
  if (count > 0) await containerd.restart();
  return count;
}

/** Writes gcr.io's hosts.toml with the headers that were chosen. */
export async function putHosts(
  containerd: Containerd,
  choices: ReadonlyMap<string, EndpointCredential>,
  { mirrors, upstream, caPath }: { mirrors: readonly Endpoint[]; upstream: Endpoint; caPath: string },
): Promise<void> {
  const entry = ({ url, role }: Endpoint): HostEntry => {
    const choice = choices.get(url);
    const authorization = choice === undefined ? null : (headerOf(choice)?.reveal() ?? null);
    const capabilities = role === "mirror" ? (["pull", "resolve"] as const) : null;
    return { url, capabilities, caPath, client: null, skipVerify: false, dialTimeoutMs: null, authorization };
  };
  await containerd.writeHosts(
    "gcr.io",
    renderHostsToml({ registry: "gcr.io", hosts: mirrors.map(entry), server: entry(upstream) }),
  );
}
