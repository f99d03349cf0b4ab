import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuthAnswer, PresentedCredential } from "../../../src/core/credentials/auth-answer.ts";
import { Secret } from "../../../src/core/credentials/secret.ts";
import { chooseStrategy, type EndpointCredential, headerOf } from "../../../src/core/credentials/strategy.ts";

const V1 = { major: 1, minor: 7, patch: 24 };
const V20 = { major: 2, minor: 0, patch: 11 };
const V21 = { major: 2, minor: 1, patch: 0 };
const URL = "https://r.example:5000/v2/team-a";

const none: PresentedCredential = { kind: "none" };
const basic: PresentedCredential = { kind: "basic", username: "joe", password: new Secret("hunter2") };
const refresh: PresentedCredential = { kind: "identityToken", token: new Secret("hunter2") };
const fixed: PresentedCredential = { kind: "registryToken", token: new Secret("hunter2") };
const google: PresentedCredential = { kind: "googleToken", token: new Secret("hunter2") };

const direct = (scheme: "basic" | "bearer"): AuthAnswer => ({ kind: "direct", scheme });
const bearer: AuthAnswer = { kind: "bearer", realm: "https://r.example:5000/token", service: null };
const unknown: AuthAnswer = { kind: "unknown" };
const refused: AuthAnswer = { kind: "refused", by: "https://r.example:5000" };

const encoded = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;
const JOE = encoded("joe:hunter2");

/** The choice in one line, with its secret. */
function shown(choice: EndpointCredential): string {
  if (choice.kind !== "config-auth") return [choice.kind, headerOf(choice)?.reveal()].filter(Boolean).join(" ");
  const { host, auth } = choice;
  return `config-auth ${host} ${auth.kind === "password" ? `${auth.username}:${auth.password.reveal()}` : auth.identityToken.reveal()}`;
}

type Version = typeof V1 | null;
const ROWS: [string, PresentedCredential, AuthAnswer, Version[], string][] = [
  ["no credential", none, { kind: "asks" }, [null, V1, V21], "anonymous"],
  ["a password that is taken directly", basic, direct("basic"), [null, V1, V20, V21], `header ${JOE}`],
  ["a fixed token that is taken directly", fixed, direct("bearer"), [null, V1, V21], "header Bearer hunter2"],
  ["a Google token that is taken directly", google, direct("bearer"), [null, V1, V21], "header Bearer hunter2"],
  [
    "a Google token that is taken as password",
    google,
    direct("basic"),
    [V1, V21],
    `header ${encoded("oauth2accesstoken:hunter2")}`,
  ],
  ["a password for tokens, from 2.1 on", basic, bearer, [V21], `header-token-endpoint ${JOE}`],
  ["a password for tokens, before 2.1", basic, bearer, [V1, V20], "config-auth r.example:5000 joe:hunter2"],
  ["a password for tokens, version unknown", basic, bearer, [null], "impossible"],
  [
    "a Google token for tokens, from 2.1 on",
    google,
    bearer,
    [V21],
    `header-token-endpoint ${encoded("oauth2accesstoken:hunter2")}`,
  ],
  ["a Google token for tokens, before 2.1", google, bearer, [V1, V20], "impossible"],
  ["a refresh token for tokens", refresh, bearer, [V1, V21], "config-auth r.example:5000 hunter2"],
  ["a registry that has not answered", basic, unknown, [null, V1, V21], `header ${JOE}`],
  ["a registry that has not answered, for a refresh token", refresh, unknown, [V1, V21], "anonymous"],
  ["an open registry that takes a header", basic, { kind: "anonymous", takes: "basic" }, [V1, V21], `header ${JOE}`],
  ["an open registry that refuses the header", basic, { kind: "anonymous", takes: "refused" }, [V1, V21], "anonymous"],
  ["a credential that is refused", basic, refused, [V1, V21], "impossible"],
  [
    "a registry that asks for Kerberos",
    basic,
    { kind: "unsupported", because: "it asks for negotiate" },
    [V1, V21],
    "impossible",
  ],
];

for (const [name, credential, answer, versions, expected] of ROWS) {
  for (const containerdVersion of versions) {
    test(`chooseStrategy() for ${name}, containerd ${containerdVersion ? Object.values(containerdVersion).join(".") : "unknown"}`, () => {
      assert.equal(shown(chooseStrategy({ url: URL, credential, answer, containerdVersion })), expected);
    });
  }
}

const WARNINGS: [string, string, AuthAnswer, Version, string[]][] = [
  [
    "a registry without TLS",
    "http://r.example:5000",
    direct("basic"),
    V21,
    ["http://r.example:5000 has no TLS: everybody on the way can read its credential"],
  ],
  [
    "a token server elsewhere",
    "https://r.example",
    { ...bearer, realm: "https://auth.example/token?x" },
    V21,
    ["https://r.example sends its credential on to its token server https://auth.example"],
  ],
  [
    "a token server elsewhere, in config.toml",
    "https://r.example",
    { ...bearer, realm: "https://auth.example/token" },
    V1,
    ["https://r.example sends its credential on to its token server https://auth.example"],
  ],
  [
    "docker.io's own token server, of which there is nothing to say",
    "https://registry-1.docker.io",
    { ...bearer, realm: "https://auth.docker.io/token" },
    V21,
    [],
  ],
  [
    "docker.io with a stranger's token server",
    "https://registry-1.docker.io",
    { ...bearer, realm: "https://auth.example/token" },
    V21,
    ["https://registry-1.docker.io sends its credential on to its token server https://auth.example"],
  ],
];

for (const [name, url, answer, containerdVersion, warnings] of WARNINGS) {
  test(`chooseStrategy() warns of ${name}`, () => {
    assert.deepEqual(chooseStrategy({ url, credential: basic, answer, containerdVersion }).warnings, warnings);
  });
}

test("chooseStrategy() shows no secret to an open registry without TLS", () => {
  const answer: AuthAnswer = { kind: "anonymous", takes: "basic" };
  assert.equal(
    chooseStrategy({ url: "http://r.example", credential: basic, answer, containerdVersion: V21 }).kind,
    "anonymous",
  );
});

test("chooseStrategy() gives a value that shows no secret", () => {
  const secrets = ["hunter2", Buffer.from("joe:hunter2").toString("base64")];
  for (const [, credential, answer, versions] of ROWS) {
    for (const containerdVersion of versions) {
      const text = JSON.stringify(chooseStrategy({ url: URL, credential, answer, containerdVersion }));
      assert.ok(!secrets.some((secret) => text.includes(secret)), text);
    }
  }
});
