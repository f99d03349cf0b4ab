import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PresentedCredential } from "../../src/core/credentials/auth-answer.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { PullClient } from "../../src/registry/pull-client.ts";
import { createSend } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import { basicGuard, type Guard, startGuardedRegistry, tokenGuard } from "../lab/guarded-registry.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { startTokenServer, type TokenServer } from "../lab/token-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const account = { username: "joe", password: "hunter2" };
const signal = new AbortController().signal;
const BASIC: PresentedCredential = { kind: "basic", username: "joe", password: new Secret(account.password) };
const MANIFEST = { path: "manifests/1.0", accept: "*/*", maxBodyBytes: 1000 };

async function setUp(workspace: Workspace, guardOf: (tokens: TokenServer) => Guard, credential: PresentedCredential) {
  const tokens = await startTokenServer(workspace, { tls: null, account });
  const files = makeImageFiles("team/app", "1.0");
  const registry = await startGuardedRegistry(workspace, { tls: null, guard: guardOf(tokens), files });
  const client = new HttpClient();
  workspace.onEnd(() => client.close());
  const settings = { tls: PLAIN_TLS, proxy: NO_PROXY_ENVIRONMENT, timeoutMs: 2000 };
  const target = { url: `${registry.url}/v2/team`, ...settings };
  const auth = new EndpointAuth({ origin: registry.url, send: createSend(client, settings), nowMs: Date.now });
  auth.present(credential);
  await auth.ask(signal);
  registry.received.length = 0;
  tokens.received.length = 0;
  const repository = { registry: "gcr.io", name: "app" };
  return { tokens, registry, open: () => new PullClient({ client, auth, target, repository }) };
}

describe("PullClient.get() authenticates as a pull does", () => {
  test("with user and password at once where the registry takes them", async () => {
    await using workspace = await createWorkspace();
    const { registry, open } = await setUp(workspace, () => basicGuard(account), BASIC);
    const answer = await open().get(MANIFEST, signal);
    assert.deepEqual([answer.status, answer.authorized, registry.received.length], [200, true, 1]);
  });

  test("with a token for the repository, which serves until it ends", async () => {
    await using workspace = await createWorkspace();
    const { registry, tokens, open } = await setUp(workspace, tokenGuard, BASIC);
    assert.equal((await open().get(MANIFEST, signal)).status, 200);
    assert.equal(
      new URL(tokens.received[0]?.path ?? "", "http://x").searchParams.get("scope"),
      "repository:team/app:pull",
    );
    assert.equal((await open().get(MANIFEST, signal)).status, 200);
    assert.deepEqual([tokens.received.length, registry.received.length], [1, 3]);
  });

  test("with an anonymous token where there is no credential", async () => {
    await using workspace = await createWorkspace();
    const anyToken = (tokens: TokenServer): Guard => ({
      ...tokenGuard(tokens),
      admits: (authorization) => authorization?.startsWith("Bearer ") === true,
    });
    const { tokens, open } = await setUp(workspace, anyToken, { kind: "none" });
    const pull = open();
    assert.equal((await pull.get(MANIFEST, signal)).status, 200);
    assert.equal((await pull.get(MANIFEST, signal)).status, 200);
    assert.deepEqual(
      tokens.received.map(({ authorization }) => authorization),
      [null],
    );
  });

  test("and gives the refusal where nothing helps", async () => {
    await using workspace = await createWorkspace();
    const { open } = await setUp(workspace, () => basicGuard(account), { kind: "none" });
    const answer = await open().get(MANIFEST, signal);
    assert.deepEqual([answer.status, answer.authorized], [401, false]);
  });
});
