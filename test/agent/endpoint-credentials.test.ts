import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { describeCredential, EndpointCredentials } from "../../src/agent/endpoint-credentials.ts";
import type { Credential } from "../../src/core/credentials/credential.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { headerOf } from "../../src/core/credentials/strategy.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { CredentialReading } from "../../src/node/credential-source.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { GoogleTokens } from "../../src/registry/google-tokens.ts";
import { RequestFailure } from "../../src/registry/request-failure.ts";
import type { Send } from "../../src/registry/send.ts";

const VERSION = { major: 1, minor: 7, patch: 24 };
const SECRET = "hunter2";
const signal = new AbortController().signal;

const joe: Credential = { kind: "basic", username: "joe", password: new Secret(SECRET) };
const key: Credential = { kind: "googleKey", path: "/key.json", json: new Secret(SECRET) };
const good = (credential: Credential): CredentialReading => ({ credential, problem: null, warning: null });
const lost: CredentialReading = { credential: null, problem: "Cannot read it", warning: null };
const gone: CredentialReading = { credential: { kind: "none" }, problem: "it has no entry", warning: null };

function endpoint(credentialPath: string | null = "/config.json"): Endpoint {
  const tls = { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false };
  return {
    role: "mirror",
    url: "https://m.example",
    tls,
    credentialPath,
    gcrKeyPath: null,
    resolveTags: true,
    dialTimeoutMs: null,
  };
}

/** Credentials read from `state.reading`, and a registry that answers as `state.send` does. */
function setUp(send: Send = async () => ({ status: 200, headers: {}, body: Buffer.alloc(0) })) {
  const state = { reading: good(joe), googleFails: false, fetched: 0, maxAgeMs: 0 };
  const credentials = new EndpointCredentials({
    readCredential: async (_, maxAgeMs) => {
      state.maxAgeMs = maxAgeMs;
      return state.reading;
    },
    createAuth: ({ url }) => new EndpointAuth({ origin: url, send, nowMs: () => 0 }),
    googleTokens: new GoogleTokens({
      clock: { nowMs: () => 0, after: () => ({ cancel: () => {} }) },
      fetchToken: async () => {
        state.fetched += 1;
        if (state.googleFails) throw new Error("503");
        return { token: new Secret("ya29"), expiresAtMs: 1_000 };
      },
      readKept: async () => null,
      onChange: () => {},
    }),
  });
  const chosen = async (of = endpoint()) => {
    await credentials.refresh([of]);
    const { choice, problem } = credentials.choose(of, VERSION);
    return [headerOf(choice)?.reveal() ?? choice.kind, problem];
  };
  return { state, credentials, chosen };
}

const JOE = `Basic ${Buffer.from(`joe:${SECRET}`).toString("base64")}`;

test("EndpointCredentials keeps a good credential while its file cannot be read", async () => {
  const { state, chosen } = setUp();
  assert.deepEqual(await chosen(), [JOE, null]);
  state.reading = lost;
  assert.deepEqual(await chosen(), [JOE, "Cannot read it"]);
});

test("EndpointCredentials lets go of a credential whose entry was removed, or whose file is another", async () => {
  const { state, chosen } = setUp();
  await chosen();
  state.reading = lost;
  assert.deepEqual(await chosen(endpoint("/other.json")), ["anonymous", "Cannot read it"]);
  state.reading = good(joe);
  await chosen();
  state.reading = gone;
  assert.deepEqual(await chosen(), ["anonymous", "it has no entry"]);
});

test("EndpointCredentials puts a Google key's token in place of the key, and says when it ends", async () => {
  const { state, credentials, chosen } = setUp();
  await chosen();
  assert.equal(credentials.choose(endpoint(), VERSION).tokenExpiresAtMs, null);
  state.reading = good(key);
  assert.deepEqual(await chosen(), ["Bearer ya29", null]);
  assert.deepEqual(await chosen(), ["Bearer ya29", null]);
  assert.equal(state.fetched, 1);
  assert.equal(credentials.choose(endpoint(), VERSION).tokenExpiresAtMs, 1_000);
});

test("EndpointCredentials names the key for which there is no token", async () => {
  const { state, chosen } = setUp();
  Object.assign(state, { reading: good(key), googleFails: true });
  assert.deepEqual(await chosen(), ["anonymous", 'Cannot get an access token with "/key.json": 503']);
});

test("EndpointCredentials.ask() leaves who does not answer for later", async () => {
  const { credentials, chosen } = setUp(async () => {
    throw new RequestFailure("refused", "connect ECONNREFUSED");
  });
  await chosen();
  await credentials.ask(signal);
  assert.equal(credentials.authOf(endpoint()).answer.kind, "unknown");
  assert.deepEqual(await chosen(), [JOE, null]);
});

test("EndpointCredentials asks nobody who has no credential", async () => {
  let asked = 0;
  const { state, credentials, chosen } = setUp(async () => {
    asked += 1;
    return { status: 200, headers: {}, body: Buffer.alloc(0) };
  });
  state.reading = good({ kind: "none" });
  await chosen();
  await credentials.ask(signal);
  assert.equal(asked, 0);
});

test("EndpointCredentials shows no secret however it is looked at", async () => {
  for (const reading of [good(joe), good(key)]) {
    const { state, credentials, chosen } = setUp();
    state.reading = reading;
    await chosen();
    const views = [
      JSON.stringify(credentials.choose(endpoint(), VERSION)),
      inspect(credentials, { depth: 20, showHidden: true }),
    ];
    for (const view of views) assert.ok(![SECRET, JOE, "ya29"].some((secret) => view.includes(secret)), view);
  }
});

test("EndpointCredentials.authOf() knows nothing of an endpoint that was dropped, and does not fail", async () => {
  const { credentials, chosen } = setUp();
  await chosen();
  await credentials.refresh([]);
  assert.equal(credentials.authOf(endpoint()).current(), null);
  assert.throws(() => credentials.choose(endpoint(), VERSION), /was not read/);
});

test("describeCredential() names the endpoint whose credential is refused, and what mends it", async () => {
  const { credentials, state } = setUp(async ({ headers }) => ({
    status: 401,
    headers: { "www-authenticate": 'Basic realm="x"' },
    body: Buffer.from(JSON.stringify(headers)),
  }));
  state.reading = good(joe);
  await credentials.refresh([endpoint()]);
  await credentials.ask(signal);
  assert.deepEqual(describeCredential(credentials.choose(endpoint(), VERSION)), [
    "Cannot authenticate at https://m.example: https://m.example refuses the credential; correct it in the file that holds it",
  ]);
});

const MAX_AGES: [string, Send, number][] = [
  ["a minute old", async () => ({ status: 200, headers: {}, body: Buffer.alloc(0) }), 60_000],
  [
    "hardly older than its refusal",
    async () => ({ status: 401, headers: { "www-authenticate": "Basic" }, body: Buffer.alloc(0) }),
    10_000,
  ],
  [
    "of any age while it is taken, and a new one costs a restart",
    async ({ url, headers }) => ({
      status: url.pathname === "/token" || headers.Authorization?.startsWith("Bearer ") ? 200 : 401,
      headers: { "www-authenticate": 'Bearer realm="https://m.example/token"' },
      body: Buffer.from('{"token":"x"}'),
    }),
    Number.POSITIVE_INFINITY,
  ],
];

for (const [name, send, maxAgeMs] of MAX_AGES) {
  test(`EndpointCredentials lets what a helper said be ${name}`, async () => {
    const { state, credentials, chosen } = setUp(send);
    await chosen();
    assert.equal(state.maxAgeMs, 60_000);
    await credentials.ask(signal);
    await chosen();
    await chosen();
    assert.equal(state.maxAgeMs, maxAgeMs);
  });
}
