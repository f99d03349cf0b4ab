// Every rule of the mirror config has a file in fixtures/config/invalid with its exact message beside
// it, every spelling that is accepted one in fixtures/config/valid with the value that comes out.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { type ParsedConfig, parseConfig } from "../../../src/core/config/parse-config.ts";
import { placeOf } from "../../../src/core/config/places.ts";

const FIXTURES = new URL("../../fixtures/config/", import.meta.url);

describe("parseConfig() reports", () => {
  for (const name of namesIn("invalid/", ".expected.txt")) {
    test(`exactly what is wrong with invalid/${name}.yaml`, () => {
      const { config, issues } = parseConfig(read(`invalid/${name}.yaml`));
      assert.equal(renderAll(issues), read(`invalid/${name}.expected.txt`));
      assert.equal(config, null);
    });
  }
});

describe("parseConfig() gives the value of", () => {
  for (const name of namesIn("valid/", ".expected.json")) {
    test(`valid/${name}.yaml`, () => {
      const { config, issues } = parseConfig(read(`valid/${name}.yaml`));
      const expected = JSON.parse(read(`valid/${name}.expected.json`));
      assert.deepEqual({ issues: renderAll(issues).split("\n").slice(0, -1), config }, expected);
    });
  }
});

test("parseConfig() never repeats a secret that was pasted into the file", () => {
  for (const name of namesIn("invalid/", ".expected.txt")) {
    assert.doesNotMatch(
      JSON.stringify(parseConfig(read(`invalid/${name}.yaml`)).issues),
      /hunter2|hun@ter|aHVudGVy/,
      name,
    );
  }
});

test("parseConfig() words every message as one sentence about the file, without a full stop", () => {
  for (const name of namesIn("invalid/", ".expected.txt")) {
    for (const { severity, message } of parseConfig(read(`invalid/${name}.yaml`)).issues) {
      assert.match(message, severity === "error" ? /^Cannot \w+ .+: .+[^.]$/ : /^.+: .+[^.]$/, name);
      assert.doesNotMatch(message, /\n/, name);
    }
  }
});

test("parseConfig() reports double keys together with what else is wrong", () => {
  const { issues } = parseConfig("gcrKeyPath: /a.json\ngcrKeyPath: b.json\nagnt: {}\n");
  assert.deepEqual(
    issues.map(({ line }) => line),
    [2, 2, 3],
  );
});

test("parseConfig() cuts short what it says of a file that is wrong from end to end", () => {
  const { issues } = parseConfig(Array.from({ length: 2_000 }, (_, index) => `key${index}: 1`).join("\n"));
  assert.equal(issues.length, 201);
  assert.match(issues.at(-1)?.message ?? "", /^Cannot show all: \d+ more problems$/);
});

test("parseConfig() keeps errors when warnings alone would fill the report", () => {
  const hosts = Array.from({ length: 500 }, () => "gcr.io").join(", ");
  const { config, issues } = parseConfig(`registryMirrors:\n  - {endpoint: a.b, hosts: [${hosts}]}\nagnt: {}\n`);
  assert.equal(config, null);
  assert.ok(issues.some(({ at }) => at === "agnt"));
});

test("parseConfig() gives places for problems that are found later", () => {
  const { places } = parseConfig(read("valid/every-key.yaml"));
  assert.deepEqual(placeOf(places, "registryMirrors[0].caCertPath"), { line: 4, column: 17 });
});

function namesIn(folder: string, beside: string): string[] {
  const files = readdirSync(new URL(folder, FIXTURES));
  const names = files.filter((file) => file.endsWith(".yaml")).map((file) => file.slice(0, -".yaml".length));
  const expected = files.filter((file) => file.endsWith(beside)).map((file) => file.slice(0, -beside.length));
  assert.deepEqual(names.sort(), expected.sort(), `each file in ${folder} has its expectation beside it`);
  assert.equal(files.length, 2 * names.length, `nothing else is in ${folder}`);
  return names;
}

function renderAll(issues: ParsedConfig["issues"]): string {
  return issues
    .map(({ line, column, at, severity, message }) => `${line}:${column} ${at || "."} ${severity}: ${message}\n`)
    .join("");
}

function read(path: string): string {
  return readFileSync(new URL(path, FIXTURES), "utf8");
}
