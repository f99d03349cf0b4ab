import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../src/core/credentials/secret.ts";
import { requestToken } from "../../src/registry/token.ts";

const failed = (status: number) => `failed: token server https://auth.example answered ${status}`;

const ROWS: [string, number, string, readonly string[], string][] = [
  ["401 for a refusal", 401, "", ["a"], "refused"],
  ["403 for a refusal", 403, "", [], "refused"],
  ["403 to scopes for a refusal of these", 403, "", ["a"], "refused for these scopes"],
  ["a refresh token that is nobody's for a refusal", 400, '{"error":"invalid_grant"}', ["a"], "refused"],
  ["another 400 for a failure", 400, '{"error":"invalid_request"}', ["a"], failed(400)],
  ["a 400 that is no JSON for a failure", 400, "<html>", ["a"], failed(400)],
  ["503 for a failure", 503, "", ["a"], failed(503)],
];

for (const [name, status, body, scopes, expected] of ROWS) {
  test(`requestToken() takes ${name}`, async () => {
    const answer = await requestToken(
      {
        realm: "https://auth.example/token",
        service: null,
        scopes,
        credential: { kind: "identityToken", token: new Secret("x") },
      },
      async () => ({ status, headers: {}, body: Buffer.from(body) }),
      new AbortController().signal,
    );
    if (answer.kind === "failed") assert.equal(`failed: ${answer.because}`, expected);
    else
      assert.equal(answer.kind === "refused" && answer.forScopes ? "refused for these scopes" : answer.kind, expected);
  });
}
