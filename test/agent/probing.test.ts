// Probes with credentials, against a registry on loopback: what it means that one is refused.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { ValidConfig } from "../../src/agent/agent-ports.ts";
import { Probing } from "../../src/agent/probing.ts";
import { parseConfig } from "../../src/core/config/parse-config.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { type EndpointHealth, unknownHealth } from "../../src/core/health.ts";
import type { ProbeResult } from "../../src/core/probe-result.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { createSend } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import { endpoint } from "../core/samples.ts";
import { basicGuard, type Guard, startGuardedRegistry, tokenGuard } from "../lab/guarded-registry.ts";
import { startTokenServer, type TokenServer } from "../lab/token-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const account = { username: "joe", password: "hunter2" };
const tls = { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false };

interface Setting {
  readonly role: Endpoint["role"];
  readonly guardOf: (tokens: TokenServer) => Guard;
  readonly password: string;
  readonly tokensAreUseless: string | null;
}

/** What the first probe of a registry says. */
async function probe(workspace: Workspace, setting: Setting): Promise<string> {
  const tokens = await startTokenServer(workspace, { tls: null, account });
  const { url } = await startGuardedRegistry(workspace, { tls: null, guard: setting.guardOf(tokens) });
  const client = new HttpClient();
  const send = createSend(client, { tls: PLAIN_TLS, proxy: NO_PROXY_ENVIRONMENT, timeoutMs: 5000 });
  const auth = new EndpointAuth({ origin: url, send, nowMs: () => 0 });
  auth.present({ kind: "basic", username: account.username, password: new Secret(setting.password) });
  auth.setTokensAreUseless(setting.tokensAreUseless);
  const rest = { tls, credentialPath: "/x", gcrKeyPath: null, resolveTags: true, dialTimeoutMs: null };
  const settled = Promise.withResolvers<string>();
  const probing = new Probing({
    client,
    authOf: () => auth,
    healthOf: () => unknownHealth(0),
    onProbe: (_, result) => settled.resolve(say(result)),
    proxy: () => NO_PROXY_ENVIRONMENT,
    listImages: async () => [],
    isServedWithout: () => true,
    nowMs: Date.now,
  });
  const text = "agent: { probe: { interval: 10s, timeout: 10s } }";
  const { config } = parseConfig(text);
  const inForce = { config, text, tlsFiles: new Map(), issues: [], names: [] } as ValidConfig;
  probing.follow({ inForce, endpoints: [{ role: setting.role, url, ...rest }] });
  return settled.promise.finally(() => probing.close());
}

const say = (result: ProbeResult): string => (result.ok ? "up" : `${result.reason}: ${result.detail}`);

const good = {
  role: "mirror",
  guardOf: () => basicGuard(account),
  password: "hunter2",
  tokensAreUseless: null,
} as const;

const ROWS: readonly (readonly [string, Setting, RegExp])[] = [
  ["finds a mirror up that takes our credential", good, /^up$/],
  ["finds a mirror unauthorized that refuses it", { ...good, password: "wrong" }, /^unauthorized: .* refuses our/],
  [
    "finds an upstream up that refuses it: what is public is there",
    { ...good, role: "upstream", password: "wrong" },
    /^up$/,
  ],
  ["finds a mirror up that gives tokens", { ...good, guardOf: tokenGuard }, /^up$/],
  [
    "finds a mirror unauthorized whose tokens containerd cannot get",
    { ...good, guardOf: tokenGuard, tokensAreUseless: "this containerd sends no header there" },
    /^unauthorized: this containerd sends no header there$/,
  ],
];

for (const [name, setting, expected] of ROWS) {
  test(`Probing ${name}`, { timeout: 30_000 }, async () => {
    await using workspace = await createWorkspace();
    assert.match(await probe(workspace, setting), expected);
  });
}

interface KeepingServer extends AsyncDisposable {
  readonly url: string;
  connections: number;
  /** Takes no new connections any more; those that there are go on. */
  stopListening(): void;
}

async function startKeepingServer(): Promise<KeepingServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    keeping.connections += 1;
    socket.on("error", () => {}).on("data", () => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const keeping: KeepingServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: 0,
    stopListening: () => void server.close(),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return keeping;
}

/** Probes that are waited for one by one: the interval is an hour. */
async function startProbes(url: string, healthOf: () => EndpointHealth) {
  const client = new HttpClient();
  const send = createSend(client, { tls: PLAIN_TLS, proxy: NO_PROXY_ENVIRONMENT, timeoutMs: 5000 });
  const auth = new EndpointAuth({ origin: url, send, nowMs: () => 0 });
  let came = Promise.withResolvers<string>();
  const probing = new Probing({
    client,
    authOf: () => auth,
    healthOf,
    onProbe: (_, result) => came.resolve(say(result)),
    proxy: () => NO_PROXY_ENVIRONMENT,
    listImages: async () => [],
    isServedWithout: () => true,
    nowMs: Date.now,
  });
  const mirror = endpoint(url);
  const follow = (interval: string): void => {
    const text = `agent: { probe: { interval: ${interval}, timeout: 10s } }`;
    const { config } = parseConfig(text);
    const inForce = { config, text, tlsFiles: new Map(), issues: [], names: [] } as ValidConfig;
    probing.follow({ inForce, endpoints: [mirror] });
  };
  const after = (start: () => void): Promise<string> => {
    came = Promise.withResolvers();
    start();
    return came.promise;
  };
  await after(() => follow("1h"));
  return {
    probe: () => after(() => probing.probeDeepSoon(mirror)),
    follow: (interval: string) => after(() => follow(interval)),
    [Symbol.asyncDispose]: () => probing.close(),
  };
}

const UP: EndpointHealth = { ...unknownHealth(0), state: "up" };

test("Probing asks on a new connection when a pull begins or stalls, which may fail where a kept one does not", async () => {
  await using server = await startKeepingServer();
  await using probes = await startProbes(server.url, () => UP);
  assert.equal(await probes.probe(), "up");
  assert.equal(server.connections, 2);
  server.stopListening();
  assert.match(await probes.probe(), /^refused: /);
});

test("Probing goes by another interval at once", { timeout: 30_000 }, async () => {
  await using server = await startKeepingServer();
  await using probes = await startProbes(server.url, () => UP);
  assert.equal(await probes.follow("30m"), "up");
});
