// The published schema is what editors check with: it must be the one that the code has, take every file
// that the agent takes, and refuse what is wrong with a single value.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { renderJsonSchema } from "../../../src/core/config/json-schema.ts";
import { accepts, type JsonSchema } from "./accepts.ts";

const FIXTURES = new URL("../../fixtures/config/", import.meta.url);
const schema: JsonSchema = JSON.parse(renderJsonSchema());

/** Wrong only as a whole or by rules that patterns cannot tell: the agent alone finds these. */
const BEYOND_SCHEMA = [
  "client-cert-without-key",
  "client-key-without-cert",
  "dial-timeout-bounds",
  "double-key-in-two-documents",
  "endpoint-host-bad",
  "endpoint-ipv4-octal",
  "endpoint-ipv6-bad",
  "endpoint-port-too-large",
  "endpoint-port-zero",
  "endpoint-too-long",
  "hosts-no-registry",
  "hosts-port",
  "http-with-tls",
  "jitter-bounds",
  "metrics-listen-octet",
  "metrics-listen-port",
  "metrics-listen-socket-long",
  "mirror-other-settings",
  "mirror-twice",
  "private-host-twice",
  "probe-image-of-other-registry",
  "probe-interval-bounds",
  "probe-max-latency-over-timeout",
  "probe-other-of-one-endpoint",
  "probe-timeout-over-default-interval",
  "probe-timeout-over-interval",
  "tags-resolved-nowhere",
  "upstreams-http-with-ca",
  "upstreams-one-url-two-credentials",
  "upstreams-twice",
  "upstreams-two-cas",
];

test("renderJsonSchema() gives the published file; scripts/generate-schema.ts writes it anew", () => {
  const published = readFileSync(new URL("../../../docs/mirror-agent.schema.json", import.meta.url), "utf8");
  assert.equal(published, renderJsonSchema());
});

test("renderJsonSchema() describes every key", () => {
  const missing: string[] = [];
  const look = (part: JsonSchema, at: string): void => {
    for (const [key, value] of Object.entries(part.properties ?? {})) {
      if (typeof value.description !== "string") missing.push(`${at}.${key}`);
      look(value, `${at}.${key}`);
    }
    for (const inner of [...(part.anyOf ?? []), part.items, part.additionalProperties, part.else]) {
      if (typeof inner === "object") look(inner, at);
    }
  };
  look(schema, "");
  assert.deepEqual(missing, []);
});

test("renderJsonSchema() gives examples that it takes itself", () => {
  const look = (part: JsonSchema): void => {
    for (const example of part.examples ?? []) assert.ok(accepts(part, example), JSON.stringify(example));
    for (const inner of [...Object.values(part.properties ?? {}), ...(part.anyOf ?? [])]) look(inner);
    for (const inner of [part.items, part.additionalProperties, part.else]) if (typeof inner === "object") look(inner);
  };
  look(schema);
});

for (const file of yamlFiles("valid/")) {
  test(`renderJsonSchema() gives a schema that takes valid/${file}`, () => {
    for (const value of valuesOf(`valid/${file}`)) assert.ok(accepts(schema, value));
  });
}

for (const file of yamlFiles("invalid/")) {
  const name = file.slice(0, -".yaml".length);
  if (/^(?:yaml|nul|not-utf|double-key$|endpoint-ipv6-unquoted)/.test(name)) continue; // no values to check
  test(`renderJsonSchema() gives a schema that ${BEYOND_SCHEMA.includes(name) ? "lets pass" : "refuses"} invalid/${file}`, () => {
    const isTaken = valuesOf(`invalid/${file}`).every((value) => accepts(schema, value));
    assert.equal(isTaken, BEYOND_SCHEMA.includes(name));
  });
}

test("BEYOND_SCHEMA names only fixtures that exist", () => {
  const names = yamlFiles("invalid/").map((file) => file.slice(0, -".yaml".length));
  assert.deepEqual(
    BEYOND_SCHEMA.filter((name) => !names.includes(name)),
    [],
  );
});

function yamlFiles(folder: string): string[] {
  return readdirSync(new URL(folder, FIXTURES)).filter((file) => file.endsWith(".yaml"));
}

function valuesOf(path: string): unknown[] {
  const documents = parseAllDocuments(readFileSync(new URL(path, FIXTURES), "utf8"), {
    merge: true,
    uniqueKeys: false,
    logLevel: "silent",
  });
  return [...documents].map((document) => document.toJS());
}
