import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuthAnswer, PresentedCredential } from "../../src/core/credentials/auth-answer.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { RequestFailure } from "../../src/registry/request-failure.ts";
import { createSend } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startGoogleServer } from "../lab/google-server.ts";
import {
  basicGuard,
  type Guard,
  googleGuard,
  OPEN,
  startGuardedRegistry,
  tokenGuard,
  tokenOrBasicGuard,
} from "../lab/guarded-registry.ts";
import { startTokenServer } from "../lab/token-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const authority = makeAuthority();
const tls = authority.issue(["IP:127.0.0.1"]);
const account = { username: "joe", password: "hunter2", refreshToken: "refresh-me" };
const signal = new AbortController().signal;
const timeoutMs = 5_000;

const basic = (password = account.password): PresentedCredential => ({
  kind: "basic",
  username: "joe",
  password: new Secret(password),
});
const identity = (token = account.refreshToken): PresentedCredential => ({
  kind: "identityToken",
  token: new Secret(token),
});

/** A registry, a token server and somebody who authenticates there, with a clock of the test's own. */
async function setUp(workspace: Workspace, guardOf: (tokens: Awaited<ReturnType<typeof startTokenServer>>) => Guard) {
  const tokens = await startTokenServer(workspace, { tls, account });
  const registry = await startGuardedRegistry(workspace, { tls, guard: guardOf(tokens) });
  const client = new HttpClient();
  workspace.onEnd(() => client.close());
  const send = createSend(client, {
    tls: { ...PLAIN_TLS, ca: authority.cert },
    proxy: NO_PROXY_ENVIRONMENT,
    timeoutMs: 5_000,
  });
  const clock = { nowMs: 1_000_000 };
  const auth = new EndpointAuth({ origin: registry.url, send, nowMs: () => clock.nowMs, random: () => 0.5 });
  return { tokens, registry, clock, auth, send };
}

const ASKS: [
  string,
  (tokens: Awaited<ReturnType<typeof startTokenServer>>) => Guard,
  PresentedCredential,
  (urls: { registry: string; tokens: string }) => AuthAnswer,
][] = [
  ["an open registry", () => OPEN, { kind: "none" }, () => ({ kind: "anonymous", takes: null })],
  ["an open registry that ignores headers", () => OPEN, basic(), () => ({ kind: "anonymous", takes: "basic" })],
  [
    "an open registry that refuses wrong headers",
    () => ({ ...OPEN, admits: (header) => header === null }),
    basic(),
    () => ({ kind: "anonymous", takes: "refused" }),
  ],
  ["a registry with passwords, without one", () => basicGuard(account), { kind: "none" }, () => ({ kind: "asks" })],
  ["a registry with passwords", () => basicGuard(account), basic(), () => ({ kind: "direct", scheme: "basic" })],
  [
    "a registry with passwords, with a wrong one",
    () => basicGuard(account),
    basic("wrong"),
    ({ registry }) => ({ kind: "refused", by: registry }),
  ],
  [
    "a registry with passwords, with a refresh token",
    () => basicGuard(account),
    identity(),
    () => ({ kind: "unsupported", because: "the registry takes a user name and a password alone" }),
  ],
  ["a registry with tokens or passwords", tokenOrBasicGuard, basic(), () => ({ kind: "direct", scheme: "basic" })],
  [
    "a registry with tokens alone",
    tokenGuard,
    basic(),
    ({ tokens }) => ({ kind: "bearer", realm: `${tokens}/token`, service: "lab" }),
  ],
  [
    "a registry with tokens alone, with a refresh token",
    tokenGuard,
    identity(),
    ({ tokens }) => ({ kind: "bearer", realm: `${tokens}/token`, service: "lab" }),
  ],
  [
    "a registry with tokens alone, with a wrong password",
    tokenGuard,
    basic("wrong"),
    ({ tokens }) => ({ kind: "refused", by: tokens }),
  ],
  [
    "a registry with tokens alone, with a wrong refresh token",
    tokenGuard,
    identity("wrong"),
    ({ tokens }) => ({ kind: "refused", by: tokens }),
  ],
  [
    "a registry that takes a fixed token",
    () => ({ admits: (header) => header === "Bearer fixed", challenge: () => "Bearer realm=x" }),
    { kind: "registryToken", token: new Secret("fixed") },
    () => ({ kind: "direct", scheme: "bearer" }),
  ],
  [
    "a registry with Kerberos",
    () => ({ admits: () => false, challenge: () => "Negotiate, NTLM" }),
    basic(),
    () => ({ kind: "unsupported", because: "the registry asks for negotiate or ntlm, which containerd does not know" }),
  ],
  [
    "a registry that says nothing",
    () => ({ admits: () => false, challenge: () => "" }),
    basic(),
    () => ({ kind: "unsupported", because: "the registry answers 401 without saying what it takes" }),
  ],
];

for (const [name, guardOf, credential, expected] of ASKS) {
  test(`EndpointAuth.ask() finds out ${name}`, async () => {
    await using workspace = await createWorkspace();
    const { auth, registry, tokens } = await setUp(workspace, guardOf);
    auth.present(credential);
    assert.deepEqual(await auth.ask(signal), expected({ registry: registry.url, tokens: tokens.url }));
  });
}

test("EndpointAuth.ask() sends no password to a token server without TLS that a registry with TLS names", async () => {
  await using workspace = await createWorkspace();
  const plain = await startTokenServer(workspace, { tls: null, account });
  const { auth } = await setUp(workspace, () => tokenGuard(plain));
  auth.present(basic());
  const answer = await auth.ask(signal);
  assert.ok(answer.kind === "unsupported" && answer.because.includes("which has no TLS"), JSON.stringify(answer));
  assert.deepEqual(plain.received, []);
});

test("EndpointAuth.ask() finds gcr.io's way with an access token", async () => {
  await using workspace = await createWorkspace();
  const google = await startGoogleServer(workspace, tls);
  const { auth } = await setUp(workspace, () => ({
    ...googleGuard(google),
    admits: (header) => header === "Bearer ya29.good",
  }));
  auth.present({ kind: "googleToken", token: new Secret("ya29.good") });
  assert.deepEqual(await auth.ask(signal), { kind: "direct", scheme: "bearer" });
});

test("EndpointAuth.authorize() gets a token for scopes once, and again before it ends", async () => {
  await using workspace = await createWorkspace();
  const { auth, tokens, clock } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  const scopes = ["repository:lab/a:pull"];
  const first = await auth.authorize({ rejected: false, scopes, timeoutMs }, signal);
  assert.ok(first && tokens.admits(first.reveal().replace("Bearer ", "")));
  clock.nowMs += 44_000;
  assert.equal(await auth.authorize({ rejected: false, scopes, timeoutMs }, signal), first);
  clock.nowMs += 2_000;
  assert.notEqual(await auth.authorize({ rejected: false, scopes, timeoutMs }, signal), first);
  assert.deepEqual(
    tokens.received.map(({ path }) => path),
    ["/token?service=lab", ...Array(2).fill("/token?service=lab&scope=repository%3Alab%2Fa%3Apull")],
  );
});

test("EndpointAuth.current() has the header that the next request can carry", async () => {
  await using workspace = await createWorkspace();
  const { auth } = await setUp(workspace, tokenOrBasicGuard);
  assert.equal(auth.current(), null);
  auth.present(basic());
  await auth.ask(signal);
  assert.equal(auth.current()?.reveal(), `Basic ${Buffer.from("joe:hunter2").toString("base64")}`);
});

test("EndpointAuth.authorize() has nothing to say without a credential", async () => {
  await using workspace = await createWorkspace();
  const { auth, registry } = await setUp(workspace, tokenGuard);
  assert.equal(await auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal), null);
  assert.deepEqual(registry.received, []);
});

test("EndpointAuth.authorize() finds a password that was changed, and does not try it with every probe", async () => {
  await using workspace = await createWorkspace();
  const { auth, tokens, clock } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  await auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal);
  tokens.account = { ...account, password: "new" };
  clock.nowMs += 46_000;
  const refused = new RequestFailure("unauthorized", `${tokens.url} refuses our credential`);
  await assert.rejects(auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal), refused);
  assert.deepEqual(auth.answer, { kind: "refused", by: tokens.url });
  const asked = tokens.received.length;
  for (let probe = 0; probe < 11; probe++) {
    clock.nowMs += 5_000;
    await assert.rejects(auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal), refused);
  }
  assert.equal(tokens.received.length, asked);
  clock.nowMs += 5_000;
  await assert.rejects(auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal), refused);
  assert.equal(tokens.received.length, asked + 1);
  auth.present(basic("new"));
  assert.ok(await auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal));
});

test("EndpointAuth.authorize() follows a registry that changes from passwords to tokens and back", async () => {
  await using workspace = await createWorkspace();
  const { auth, registry, tokens } = await setUp(workspace, () => basicGuard(account));
  auth.present(basic());
  await auth.ask(signal);
  registry.guard = tokenGuard(tokens);
  assert.match((await auth.authorize({ rejected: true, scopes: [], timeoutMs }, signal))?.reveal() ?? "", /^Bearer /);
  assert.equal(auth.answer.kind, "bearer");
  registry.guard = basicGuard(account);
  assert.match((await auth.authorize({ rejected: true, scopes: [], timeoutMs }, signal))?.reveal() ?? "", /^Basic /);
  assert.equal(auth.answer.kind, "direct");
});

test("EndpointAuth.answer stays the same object while the server's answer is the same", async () => {
  await using workspace = await createWorkspace();
  const { auth } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  const first = await auth.ask(signal);
  await auth.authorize({ rejected: true, scopes: [], timeoutMs }, signal);
  assert.equal(auth.answer, first);
});

test("EndpointAuth.present() takes a renewed access token without asking anew", async () => {
  await using workspace = await createWorkspace();
  const { auth, registry } = await setUp(workspace, () => ({
    admits: (header) => header?.startsWith("Bearer ya29.") ?? false,
    challenge: () => "Basic realm=x",
  }));
  auth.present({ kind: "googleToken", token: new Secret("ya29.1") });
  await auth.ask(signal);
  const asked = registry.received.length;
  auth.present({ kind: "googleToken", token: new Secret("ya29.2") }, { isRenewal: true });
  await auth.ask(signal);
  assert.equal(registry.received.length, asked);
  assert.equal(auth.current()?.reveal(), "Bearer ya29.2");
  auth.present({ kind: "googleToken", token: new Secret("other") });
  assert.equal((await auth.ask(signal)).kind, "refused");
});

test("EndpointAuth.ask() asks again what it was told minutes ago, and goes on with that while nobody answers", async () => {
  await using workspace = await createWorkspace();
  const { auth, registry, clock } = await setUp(workspace, () => basicGuard(account));
  auth.present(basic());
  await auth.ask(signal);
  registry.guard = basicGuard({ ...account, password: "new" });
  clock.nowMs += 449_000;
  assert.equal((await auth.ask(signal)).kind, "direct");
  clock.nowMs += 2_000;
  registry.statusWith = () => 503;
  assert.equal((await auth.ask(signal)).kind, "direct");
  registry.statusWith = (header) => (header === null ? null : 503);
  await assert.rejects(
    auth.ask(signal),
    new RequestFailure("server-error", "our credential is answered with 503 Service Unavailable"),
  );
  assert.equal(auth.answer.kind, "direct");
  registry.statusWith = () => null;
  assert.deepEqual(await auth.ask(signal), { kind: "refused", by: registry.url });
});

for (const [status, reason] of [
  [502, "server-error"],
  [429, "rate-limited"],
] as const) {
  test(`EndpointAuth takes ${status} to a credential for no refusal`, async () => {
    await using workspace = await createWorkspace();
    const { auth, registry } = await setUp(workspace, () => basicGuard(account));
    registry.statusWith = (header) => (header === null ? null : status);
    auth.present(basic());
    await assert.rejects(
      auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal),
      (error) => error instanceof RequestFailure && error.reason === reason,
    );
    assert.equal(auth.answer.kind, "unknown");
    registry.statusWith = () => null;
    assert.ok(await auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal));
  });
}

test("EndpointAuth.current() shows the credential to a registry that is open at its root", async () => {
  await using workspace = await createWorkspace();
  const { auth, registry } = await setUp(workspace, () => OPEN);
  auth.present(basic());
  await auth.ask(signal);
  assert.ok(auth.current());
  registry.guard = { ...OPEN, admits: (header) => header === null };
  assert.equal(await auth.authorize({ rejected: true, scopes: [], timeoutMs }, signal), null);
  assert.deepEqual([auth.answer, auth.current()], [{ kind: "anonymous", takes: "refused" }, null]);
});

test("EndpointAuth.authorize() says that a token server is failing, which is no refusal", async () => {
  await using workspace = await createWorkspace();
  const { auth, tokens } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  await tokens.close();
  await assert.rejects(
    auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal),
    (error) => error instanceof RequestFailure && error.reason === "refused",
  );
  assert.equal(auth.answer.kind, "unknown");
});

test("EndpointAuth.authorize() gets no token that containerd could not get", async () => {
  await using workspace = await createWorkspace();
  const { auth, tokens } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  await auth.ask(signal);
  auth.setTokensAreUseless("containerd is too old");
  tokens.received.length = 0;
  await assert.rejects(
    auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal),
    (error) => error instanceof RequestFailure && error.reason === "unauthorized" && /too old/.test(error.message),
  );
  assert.deepEqual([auth.current(), tokens.received.length], [null, 0]);
  auth.setTokensAreUseless(null);
  assert.ok(await auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal));
});

test("EndpointAuth.authorize() takes a repository that a token server denies for no refusal of the credential", async () => {
  await using workspace = await createWorkspace();
  const { auth, tokens } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  await auth.ask(signal);
  tokens.statusWith = (scopes) => (scopes.length > 0 ? 403 : null);
  await assert.rejects(
    auth.authorize({ rejected: false, scopes: ["repository:secret/a:pull"], timeoutMs }, signal),
    new RequestFailure("forbidden", `${tokens.url} gives us no token for repository:secret/a:pull`),
  );
  assert.equal(auth.answer.kind, "bearer");
  assert.ok(await auth.authorize({ rejected: false, scopes: [], timeoutMs }, signal));
});

test("EndpointAuth.authorize() waits for a silent token server no longer than it was told to", async () => {
  await using workspace = await createWorkspace();
  const { auth, tokens } = await setUp(workspace, tokenGuard);
  auth.present(basic());
  tokens.statusWith = () => "silent";
  await assert.rejects(
    auth.authorize({ rejected: false, scopes: [], timeoutMs: 200 }, signal),
    new RequestFailure("response-timeout", "no answer about our credential within 200 ms"),
  );
});
