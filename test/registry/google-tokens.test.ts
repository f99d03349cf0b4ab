import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { KeptToken } from "../../src/core/credentials/kept-token.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { fetchGoogleToken } from "../../src/registry/google-token.ts";
import { type Clock, type GoogleKey, GoogleTokens } from "../../src/registry/google-tokens.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { createSend, type Send } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startGoogleServer } from "../lab/google-server.ts";
import { startRecordingServer } from "../lab/recording-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const authority = makeAuthority();
const tls = authority.issue(["IP:127.0.0.1"]);
const signal = new AbortController().signal;

function sender(workspace: Workspace): Send {
  const client = new HttpClient();
  workspace.onEnd(() => client.close());
  return createSend(client, {
    tls: { ...PLAIN_TLS, ca: authority.cert },
    proxy: NO_PROXY_ENVIRONMENT,
    timeoutMs: 5_000,
  });
}

test("fetchGoogleToken() changes a service account's key at its own token_uri", async () => {
  await using workspace = await createWorkspace();
  const google = await startGoogleServer(workspace, tls);
  const before = Date.now();
  const { token, expiresAtMs } = await fetchGoogleToken(
    new Secret(google.keyJson),
    { send: sender(workspace), nowMs: Date.now },
    signal,
  );
  assert.ok(google.admits(token.reveal()));
  assert.ok(expiresAtMs >= before + 3_599_000 && expiresAtMs <= Date.now() + 3_600_000);
});

test("fetchGoogleToken() says what the server answered, and nothing of what it was sent", async () => {
  await using workspace = await createWorkspace();
  const google = await startGoogleServer(workspace, tls);
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const other = JSON.stringify({
    ...JSON.parse(google.keyJson),
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
  });
  const fetching = fetchGoogleToken(new Secret(other), { send: sender(workspace), nowMs: Date.now }, signal);
  await assert.rejects(fetching, (error: Error) => {
    assert.equal(error.message, "400 invalid_grant: Invalid signature");
    assert.equal(error.cause, undefined);
    return true;
  });
});

test("fetchGoogleToken() asks no server for another universe's key, whose tokens it signs itself", async () => {
  await using workspace = await createWorkspace();
  const google = await startGoogleServer(workspace, tls);
  const key = JSON.stringify({ ...JSON.parse(google.keyJson), universe_domain: "example.cloud" });
  const { token, expiresAtMs } = await fetchGoogleToken(
    new Secret(key),
    { send: sender(workspace), nowMs: Date.now },
    signal,
  );
  const claims = JSON.parse(Buffer.from(token.reveal().split(".")[1] ?? "", "base64url").toString()) as { exp: number };
  assert.equal(expiresAtMs, claims.exp * 1000);
  assert.deepEqual(google.received, []);
});

test("fetchGoogleToken() goes through workload identity: a file's token, changed at the token_url that it names", async () => {
  await using workspace = await createWorkspace();
  const path = await workspace.file("subject", "subject-token");
  const asked: string[] = [];
  const send: Send = async ({ url, body }) => {
    asked.push(`${url.href} ${new URLSearchParams(body ?? "").get("subject_token")}`);
    const answer = { access_token: "federated", issued_token_type: "x", token_type: "Bearer", expires_in: 1800 };
    return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(answer)) };
  };
  const key = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
    token_url: "https://sts.googleapis.com/v1/token",
    credential_source: { file: path },
  };
  const { token, expiresAtMs } = await fetchGoogleToken(
    new Secret(JSON.stringify(key)),
    { send, nowMs: Date.now },
    signal,
  );
  assert.equal(token.reveal(), "federated");
  assert.ok(Math.abs(expiresAtMs - Date.now() - 1_800_000) < 5_000);
  assert.deepEqual(asked, ["https://sts.googleapis.com/v1/token subject-token"]);
});

test("fetchGoogleToken() goes through workload identity on AWS, whose metadata takes a session token that a PUT gets", async () => {
  await using workspace = await createWorkspace();
  const answers: Readonly<Record<string, string | object>> = {
    "PUT /latest/api/token": "session",
    "GET /region": "us-east-2b",
    "GET /role": "puller",
    "GET /role/puller": { AccessKeyId: "id", SecretAccessKey: "secret", Token: "temporary" },
    "POST /token": { access_token: "federated", issued_token_type: "x", token_type: "Bearer", expires_in: 1800 },
  };
  const server = await startRecordingServer(workspace, tls, ({ method, path }, response) => {
    const answer = answers[`${method} ${path}`];
    if (answer === undefined) return void response.writeHead(405).end();
    const isText = typeof answer === "string";
    response.setHeader("Content-Type", isText ? "text/plain" : "application/json");
    response.end(isText ? answer : JSON.stringify(answer));
  });
  const key = {
    type: "external_account",
    audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    subject_token_type: "urn:ietf:params:aws:token-type:aws4_request",
    token_url: `${server.url}/token`,
    credential_source: {
      environment_id: "aws1",
      region_url: `${server.url}/region`,
      url: `${server.url}/role`,
      regional_cred_verification_url: "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity",
      imdsv2_session_token_url: `${server.url}/latest/api/token`,
    },
  };
  const { token } = await fetchGoogleToken(
    new Secret(JSON.stringify(key)),
    { send: sender(workspace), nowMs: Date.now },
    signal,
  );
  assert.equal(token.reveal(), "federated");
});

test("fetchGoogleToken() goes through a user's key and impersonation", async () => {
  const asked: string[] = [];
  const send: Send = async ({ url, headers }) => {
    asked.push(`${url.href} ${headers.authorization ?? ""}`);
    const expireTime = new Date(Date.now() + 1_800_000).toISOString();
    const answer = { access_token: "own", expires_in: 3600, accessToken: "impersonated", expireTime };
    return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(JSON.stringify(answer)) };
  };
  const key = {
    type: "impersonated_service_account",
    service_account_impersonation_url:
      "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
    source_credentials: { type: "authorized_user", client_id: "x", client_secret: "y", refresh_token: "z" },
  };
  const { token, expiresAtMs } = await fetchGoogleToken(
    new Secret(JSON.stringify(key)),
    { send, nowMs: Date.now },
    signal,
  );
  assert.equal(token.reveal(), "impersonated");
  assert.ok(Math.abs(expiresAtMs - Date.now() - 1_800_000) < 5_000);
  assert.deepEqual(asked, [
    "https://oauth2.googleapis.com/token ",
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken Bearer own",
  ]);
});

const MINUTE = 60_000;
const key = (json = "{}"): GoogleKey => ({ kind: "googleKey", path: "/etc/key.json", json: new Secret(json) });

/** Time that only passes when a test lets it; every timer that is due runs, in order, with what follows from it. */
class FakeClock implements Clock {
  #nowMs = 0;
  #timers = new Set<{ atMs: number; run: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  get pending(): number {
    return this.#timers.size;
  }

  after(delayMs: number, run: () => void) {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = due.atMs;
      due.run();
      await new Promise(setImmediate);
    }
    this.#nowMs = endMs;
  }
}

/** Tokens of an hour, numbered; `failing` switches the server off. */
function setUp(kept: Pick<KeptToken, "expiresAtMs" | "lifetimeMs"> | null = null) {
  const clock = new FakeClock();
  const state = { fetched: 0, changes: 0, failing: false, lifetimeMs: 60 * MINUTE };
  const tokens = new GoogleTokens({
    clock,
    fetchToken: async () => {
      if (state.failing) throw new Error("503 unavailable");
      state.fetched += 1;
      return { token: new Secret(`token ${state.fetched}`), expiresAtMs: clock.nowMs() + state.lifetimeMs };
    },
    readKept: async (keyJson) => kept && { ...kept, keyJson, token: new Secret("kept") },
    onChange: () => {
      state.changes += 1;
    },
  });
  const now = async (): Promise<string> => {
    const { token, problem, warning } = await tokens.tokenFor(key());
    return [token?.token.reveal() ?? "none", problem, warning].filter((part) => part !== null).join("; ");
  };
  return { clock, state, tokens, now };
}

test("GoogleTokens renews at half of a token's life, and says so", async () => {
  const { clock, state, now } = setUp();
  assert.equal(await now(), "token 1");
  await clock.pass(29 * MINUTE);
  assert.deepEqual([await now(), state.changes], ["token 1", 0]);
  await clock.pass(1 * MINUTE);
  assert.deepEqual([await now(), state.changes], ["token 2", 1]);
  await clock.pass(24 * 60 * MINUTE);
  assert.equal(state.fetched, 50);
});

test("GoogleTokens keeps the last good token while renewing fails, warns as its end nears, then has none", async () => {
  const { clock, state, now } = setUp();
  await now();
  state.failing = true;
  await clock.pass(40 * MINUTE);
  assert.equal(await now(), "token 1");
  await clock.pass(6 * MINUTE);
  const failure = 'Cannot get an access token with "/etc/key.json": 503 unavailable';
  assert.equal(await now(), `token 1; ${failure}; the present one ends at 1970-01-01T01:00:00.000Z`);
  const told = await now();
  await clock.pass(1 * MINUTE);
  assert.equal(await now(), told, "a warning that changes is told anew each time");
  const changes = state.changes;
  await clock.pass(13 * MINUTE);
  assert.equal(await now(), `none; ${failure}`);
  assert.ok(state.changes > changes);
  state.failing = false;
  await clock.pass(1 * MINUTE);
  assert.equal(await now(), "token 2");
});

test("GoogleTokens tries again soon after a failure, then every minute", async () => {
  const { clock, state, now } = setUp();
  state.failing = true;
  assert.match(await now(), /^none; /);
  await clock.pass(15_000);
  assert.equal(state.changes, 4); // after 1, 3, 7 and 15 s
  await clock.pass(10 * MINUTE);
  assert.ok(state.changes >= 12 && state.changes <= 16, `${state.changes}`);
});

test("GoogleTokens takes a token that has ended already for a failure", async () => {
  const { clock, state, now } = setUp();
  state.lifetimeMs = -1;
  assert.match(await now(), /it has ended already: is this node's clock right\?$/);
  await clock.pass(10 * MINUTE);
  assert.ok(state.fetched < 20, `${state.fetched}`);
});

test("GoogleTokens fetches once for many endpoints with one key, and anew for a replaced key", async () => {
  const { state, tokens } = setUp();
  await Promise.all([tokens.tokenFor(key()), tokens.tokenFor(key()), tokens.tokenFor(key())]);
  assert.equal(state.fetched, 1);
  await tokens.tokenFor(key("replaced"));
  assert.equal(state.fetched, 2);
});

test("GoogleTokens.keepOnly() stops renewing what is no longer used, close() everything", async () => {
  const { clock, state, tokens } = setUp();
  await tokens.tokenFor(key("a"));
  await tokens.tokenFor(key("b"));
  tokens.keepOnly([key("b")]);
  await clock.pass(30 * MINUTE);
  assert.equal(state.fetched, 3);
  tokens.close();
  assert.equal(clock.pending, 0);
});

test("GoogleTokens goes on with a token that was kept, and renews it when it would have been renewed", async () => {
  const { clock, state, tokens, now } = setUp({ expiresAtMs: 40 * MINUTE, lifetimeMs: 60 * MINUTE });
  assert.deepEqual([await now(), state.fetched], ["kept", 0]);
  assert.deepEqual(
    tokens.current.map(({ token, expiresAtMs, lifetimeMs }) => [token.reveal(), expiresAtMs, lifetimeMs]),
    [["kept", 40 * MINUTE, 60 * MINUTE]],
  );
  await clock.pass(9 * MINUTE);
  assert.equal(await now(), "kept");
  await clock.pass(1 * MINUTE);
  assert.deepEqual([await now(), state.fetched], ["token 1", 1]);
});

test("GoogleTokens renews a kept token at once that is past half of its life, and uses it while that fails", async () => {
  const old = { expiresAtMs: 20 * MINUTE, lifetimeMs: 60 * MINUTE };
  assert.equal(await setUp(old).now(), "token 1");
  const { clock, state, now } = setUp(old);
  state.failing = true;
  assert.equal(await now(), "kept");
  await clock.pass(19 * MINUTE);
  assert.match(await now(), /^kept; Cannot get an access token .* ends at 1970-01-01T00:20:00.000Z$/);
  await clock.pass(1 * MINUTE);
  assert.match(await now(), /^none; /);
});

test("GoogleTokens never uses a kept token that has ended, and keeps none that has", async () => {
  const { state, tokens, now } = setUp({ expiresAtMs: 0, lifetimeMs: 60 * MINUTE });
  state.failing = true;
  assert.match(await now(), /^none; /);
  assert.deepEqual(tokens.current, []);
});
