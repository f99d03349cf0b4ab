import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Credential, NO_CREDENTIAL } from "../../src/core/credentials/credential.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import type { PullHost } from "../../src/core/explain/pull-hosts.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { ContainerdAsker } from "../../src/registry/ask-as-containerd.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";

const BASIC = `Basic ${Buffer.from("puller:secret").toString("base64")}`;
const LOGIN: Credential = { kind: "basic", username: "puller", password: new Secret("secret") };
const V16 = { major: 1, minor: 6, patch: 20 };
const V21 = { major: 2, minor: 1, patch: 9 };
const NEVER = new AbortController().signal;

interface LabServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: IncomingMessage[];
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<LabServer> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, [Symbol.asyncDispose]: close };
}

interface Asking {
  readonly headers?: Readonly<Record<string, string>>;
  readonly login?: Credential;
  readonly version?: typeof V16;
  readonly method?: "GET" | "HEAD";
  readonly timeoutMs?: number;
}

async function ask(
  url: string,
  { headers = {}, login = NO_CREDENTIAL, version = V21, method = "HEAD", timeoutMs = 2000 }: Asking = {},
) {
  const secrets = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, new Secret(value)]));
  const host = { roots: [`${url}/v2`], headers: secrets } as unknown as PullHost;
  const client = new HttpClient();
  const common = { tls: PLAIN_TLS, proxy: NO_PROXY_ENVIRONMENT, repository: "app", timeoutMs };
  const asker = new ContainerdAsker(client, { ...common, host, login, version });
  const question = {
    method,
    urlAt: (root: string) => new URL(`${root}/app/manifests/1`),
    accept: "*/*",
    maxBodyBytes: 1000,
  };
  return asker.ask(question, NEVER).finally(() => client.close());
}

test("ContainerdAsker sends the headers of hosts.toml to their host, and to no other that it redirects to", async () => {
  await using other = await serve((_, response) => response.end());
  await using mirror = await serve((_, response) => response.writeHead(307, { Location: `${other.url}/x` }).end());
  await ask(mirror.url, { headers: { Authorization: BASIC, "X-Api-Key": "key" } });
  assert.deepEqual([mirror.seen[0]?.headers.authorization, mirror.seen[0]?.headers["x-api-key"]], [BASIC, "key"]);
  assert.equal(mirror.seen[0]?.method, "HEAD");
  assert.deepEqual([other.seen[0]?.headers.authorization, other.seen[0]?.headers["x-api-key"]], [undefined, undefined]);
});

for (const demanded of ["Basic", "Bearer"]) {
  test(`ContainerdAsker shows no credential to a server that it is redirected to and that demands one: ${demanded}`, async () => {
    await using tokens = await serve((_, response) => response.end('{"token":"t"}'));
    const challenge = `${demanded} realm="${tokens.url}/token",service="s"`;
    await using other = await serve((_, response) => response.writeHead(401, { "WWW-Authenticate": challenge }).end());
    await using mirror = await serve((_, response) => response.writeHead(307, { Location: `${other.url}/x` }).end());
    const { answer } = await ask(mirror.url, { headers: { Authorization: BASIC }, login: LOGIN });
    assert.equal(answer.kind === "answered" && answer.status, 401);
    assert.deepEqual([other.seen.length, other.seen[0]?.headers.authorization, tokens.seen.length], [1, undefined, 0]);
  });
}

test("ContainerdAsker answers a Basic challenge with the login of config.toml alone", async () => {
  const guard = (request: IncomingMessage, response: ServerResponse) =>
    request.headers.authorization === BASIC
      ? response.end()
      : response.writeHead(401, { "WWW-Authenticate": 'Basic realm="x"' }).end();
  await using mirror = await serve(guard);
  const { answer } = await ask(mirror.url, { login: LOGIN });
  assert.equal(answer.kind === "answered" && answer.status, 200);
  const without = await ask(mirror.url);
  assert.equal(without.answer.kind === "answered" && without.answer.status, 401);
});

for (const [name, version, tokenFor] of [
  ["2.1 shows the header to the token server", V21, BASIC],
  ["1.6 asks the token server anonymously", V16, undefined],
] as const) {
  test(`ContainerdAsker does as containerd: ${name}`, async () => {
    await using tokens = await serve((_, response) => response.end('{"token":"t"}'));
    await using mirror = await serve((request, response) =>
      request.headers.authorization === "Bearer t"
        ? response.end()
        : response.writeHead(401, { "WWW-Authenticate": `Bearer realm="${tokens.url}/token",service="s"` }).end(),
    );
    const { answer } = await ask(mirror.url, { version, headers: { Authorization: BASIC } });
    assert.equal(answer.kind === "answered" && answer.status, 200);
    assert.equal(tokens.seen[0]?.headers.authorization, tokenFor);
    assert.match(tokens.seen[0]?.url ?? "", /service=s&scope=repository%3Aapp%3Apull$/);
  });
}

test("ContainerdAsker tells a body that breaks off from a server that does not answer", async () => {
  await using mirror = await serve((_, response) => {
    response.writeHead(200, { "Content-Length": 100 });
    response.write("half", () => response.destroy());
  });
  const { answer } = await ask(mirror.url, { method: "GET" });
  assert.ok(answer.kind === "failed");
  assert.deepEqual([answer.reason, answer.begun], ["connection-reset", true]);
});

test("ContainerdAsker waits for a body that flows, and not for one that stands still", async () => {
  const pieces = async (response: ServerResponse, count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += 1) {
      await delay(60);
      response.write("x");
    }
  };
  await using slow = await serve((_, response) => void pieces(response, 20).then(() => response.end()));
  await using still = await serve((_, response) => void pieces(response, 1));
  // Longer than anybody wants to wait for an answer to "explain": four times the limit.
  await using endless = await serve((_, response) => void pieces(response, 100));
  const limited = { method: "GET", timeoutMs: 1000 } as const;
  const [flowing, stalled, slowest] = await Promise.all([
    ask(slow.url, limited),
    ask(still.url, limited),
    ask(endless.url, limited),
  ]);
  assert.equal(flowing.answer.kind === "answered" && flowing.answer.bytes, 20);
  assert.equal(stalled.answer.kind === "failed" && stalled.answer.reason, "body-stall");
  assert.ok(slowest.answer.kind === "failed");
  assert.equal(slowest.answer.reason, "slow");
  assert.match(slowest.answer.detail, /: \d+ bytes came, the last \d+ ms ago$/);
});

test("ContainerdAsker gives up redirects after ten", async () => {
  await using mirror = await serve((request, response) =>
    response.writeHead(302, { Location: request.url ?? "" }).end(),
  );
  const { answer } = await ask(mirror.url);
  assert.equal(answer.kind === "failed" && answer.reason, "redirect-loop");
  assert.equal(mirror.seen.length, 11);
});
