// The config may be any file that somebody puts there: whatever it is, parseConfig() ends soon and does
// not throw. Each text here once took the YAML package from seconds to minutes, or its whole stack.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseConfig } from "../../../src/core/config/parse-config.ts";

const HALF_A_MEGABYTE = 512 * 1024;
const MOST_MS = 30_000; // seldom over 1,000 on an idle machine, 4,000 on a busy one; minutes without the bounds

const fill = (piece: string): string => piece.repeat(Math.floor(HALF_A_MEGABYTE / piece.length));
const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index)).join("\n");

const texts: Record<string, readonly [text: string, words: RegExp]> = {
  "a megabyte of one word": ["a".repeat(1 << 20), /it has 1048576 characters/],
  "a megabyte of comments": ["# x\n".repeat(1 << 18), /it has 1048576 characters/],
  "open lists": [fill("["), /levels deep/],
  "open maps": [fill("{"), /levels deep/],
  "nested list entries": [fill("- "), /levels deep/],
  "nested keys": [fill("a: "), /levels deep/],
  "nested complex keys": [fill("? "), /levels deep/],
  "lines that each indent further": [lines(1_000, (index) => `${" ".repeat(index)}a:`), /levels deep/],
  "many documents": [fill("---\n"), /1000 documents/],
  "50,000 keys": [lines(50_000, (index) => `k${index}: 1`), /words and signs/],
  "25,000 keys": [lines(25_000, (index) => `k${index}: 1`), /unknown key "k0"/],
  "100,000 double keys": [fill("a: 1\n"), /words and signs/],
  "closing brackets": [fill("]"), /not YAML/],
  anchors: [fill("&a "), /anchors, aliases and tags/],
  tags: [fill("! "), /anchors, aliases and tags/],
  "40,000 aliases of one anchor": [`a: &a x\nb: [${"*a,".repeat(40_000)}]`, /anchors, aliases and tags/],
  "30,000 merges of one anchor": [`a: &a {b: 1}\nc: {${"<<: *a, ".repeat(30_000)}}`, /anchors, aliases and tags/],
  "a long list repeated by aliases": [`a: &a [${"1,".repeat(50_000)}]\nb: [${"*a,".repeat(1_000)}]`, /200000 values/],
  "list entries without text": [`registryMirrors: [${"{},".repeat(30_000)}]`, /found nothing/],
  "10,000 wrong mirrors": [
    `registryMirrors:\n${lines(10_000, () => "  - endpont: https://10.0.0.1")}`,
    /found nothing/,
  ],
  "an endless endpoint": [`registryMirrors: [{endpoint: "a.b${"/".repeat(500_000)}x"}]`, /longer than 512/],
  "an endless duration": [`agent: {probe: {interval: "${"1s".repeat(250_000)}"}}`, /expected a number with its unit/],
  "an endless registry": [`privateRegistries: [{host: "${"/".repeat(500_000)}x"}]`, /longer than 255/],
};

for (const [name, [text, words]] of Object.entries(texts)) {
  test(`parseConfig() ends soon with an error for ${name}`, () => {
    const startedAtMs = performance.now();
    const { config, issues } = parseConfig(text);
    assert.equal(config, null);
    assert.match(issues[0]?.message ?? "", words);
    assert.ok(issues.length <= 201);
    assert.ok(performance.now() - startedAtMs < MOST_MS);
  });
}

test("parseConfig() takes a thousand registries with three mirrors each", () => {
  const mirror = (index: number): string => `  - endpoint: https://10.0.0.${index % 3}:5000
    hosts: [registry-${Math.floor(index / 3)}.corp]
    caCertPath: /etc/mirror-agent/mirror-ca.crt
    pullCredentialConfigPath: /root/.docker/config.json`;
  const { config, issues } = parseConfig(`registryMirrors:\n${lines(3_000, mirror)}\n`);
  assert.deepEqual(issues, []);
  assert.equal(config?.mirrors.length, 3_000);
});

test("parseConfig() reports a place inside the file, or gives a config, however bytes of it change", () => {
  const original = readFileSync(new URL("../../fixtures/config/valid/every-key.yaml", import.meta.url));
  const random = seeded(20_260_101);
  for (let round = 0; round < 1_000; round += 1) {
    const text = mutate(original, random).toString("utf8");
    const { config, issues } = parseConfig(text);
    const errors = issues.filter(({ severity }) => severity === "error");
    assert.equal(config === null, errors.length > 0, `round ${round}`);
    const rows = text.split("\n");
    for (const { line, column, message } of issues) {
      assert.ok(line >= 1 && line <= rows.length, `round ${round}: line ${line}: ${message}`);
      assert.ok(
        column >= 1 && column <= (rows[line - 1]?.length ?? 0) + 1,
        `round ${round}: column ${column}: ${message}`,
      );
    }
  }
});

function mutate(original: Buffer, random: (below: number) => number): Buffer {
  const bytes = Buffer.from(original);
  const signs = Buffer.from("\0\t\n :-?[]{}&*!|>'\"%@`#,~/\\\xff\xc3", "latin1");
  for (let change = random(8); change >= 0; change -= 1) {
    bytes[random(bytes.length)] = random(2) === 0 ? random(256) : (signs[random(signs.length)] ?? 0);
  }
  if (random(4) === 0) bytes.copyWithin(random(bytes.length), random(bytes.length), random(bytes.length));
  return random(4) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
}

/** Marsaglia's xorshift: the same numbers on every run. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
