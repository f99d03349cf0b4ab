import assert from "node:assert/strict";
import { test } from "node:test";
import { type Challenge, findChallenge, parseChallenges } from "../../src/registry/challenge.ts";

const bearer = (params: Record<string, string>): Challenge => ({ scheme: "bearer", params });
const basic = (params: Record<string, string>): Challenge => ({ scheme: "basic", params });
const TOKEN = { realm: "https://auth.docker.io/token", service: "registry.docker.io" };

const rows: [string, string[], Challenge[]][] = [
  ["no header", [], []],
  ["an empty header", [""], []],
  ["docker.io", [`Bearer realm="${TOKEN.realm}",service="${TOKEN.service}"`], [bearer(TOKEN)]],
  ["spaces around commas and =", [`Bearer realm = "${TOKEN.realm}" , service= "${TOKEN.service}"`], [bearer(TOKEN)]],
  ["parameters without commas", [`Bearer realm="${TOKEN.realm}" service="${TOKEN.service}"`], [bearer(TOKEN)]],
  ["any case", [`bEARER Realm="${TOKEN.realm}",SERVICE="${TOKEN.service}"`], [bearer(TOKEN)]],
  ["unquoted values", ["Basic realm=Registry"], [basic({ realm: "Registry" })]],
  [
    "an unquoted URL",
    ["Bearer realm=https://a.example/token,service=a"],
    [bearer({ realm: "https://a.example/token", service: "a" })],
  ],
  ["no parameters", ["Basic"], [basic({})]],
  [
    "commas in a quoted value",
    ['Bearer realm="https://a/t",scope="repository:a:pull,push"'],
    [bearer({ realm: "https://a/t", scope: "repository:a:pull,push" })],
  ],
  ["escapes in a quoted value", ['Basic realm="say \\"hi\\", \\\\me"'], [basic({ realm: 'say "hi", \\me' })]],
  [
    "a quoted value that looks like a challenge",
    ['Basic realm="x, Bearer realm=y"'],
    [basic({ realm: "x, Bearer realm=y" })],
  ],
  ["an empty quoted value", ['Basic realm=""'], [basic({ realm: "" })]],
  [
    "two headers",
    ["Basic realm=a", 'Bearer realm="https://a/t"'],
    [basic({ realm: "a" }), bearer({ realm: "https://a/t" })],
  ],
  [
    "two in one header",
    ['Basic realm="a", Bearer realm="https://a/t"'],
    [basic({ realm: "a" }), bearer({ realm: "https://a/t" })],
  ],
  [
    "Negotiate and NTLM in front",
    ['Negotiate, NTLM, Basic realm="a"'],
    [{ scheme: "negotiate", params: {} }, { scheme: "ntlm", params: {} }, basic({ realm: "a" })],
  ],
  [
    "a token68",
    ['Negotiate YII+/abc==, Basic realm="a"'],
    [{ scheme: "negotiate", params: {} }, basic({ realm: "a" })],
  ],
  ["stray commas", [', ,Basic realm="a",,'], [basic({ realm: "a" })]],
  ["an unterminated quote", ['Basic realm="a", Bearer realm="https://a'], [basic({ realm: "a" }), bearer({})]],
  ["a broken header beside a good one", ['"', "Basic realm=a"], [basic({ realm: "a" })]],
];

for (const [name, headers, expected] of rows) {
  test(`parseChallenges() reads ${name}`, () => assert.deepEqual(parseChallenges(headers), expected));
}

test("parseChallenges() needs no more than a moment for a header made to be slow", () => {
  const started = performance.now();
  // Longer than any header, so that a busy machine, ten times slower, is no square, ten thousand times slower.
  parseChallenges([
    `Bearer realm="${"\\".repeat(160_000)}`,
    `Bearer ${"a ".repeat(80_000)}`,
    `Bearer ${"=".repeat(160_000)}`,
  ]);
  assert.ok(performance.now() - started < 5000);
});

test("findChallenge() takes the first of the scheme", () => {
  const challenges = parseChallenges(["Bearer realm=a, Basic realm=b, Bearer realm=c"]);
  assert.equal(findChallenge(challenges, "bearer")?.params.realm, "a");
  assert.equal(findChallenge(challenges, "ntlm"), null);
});
