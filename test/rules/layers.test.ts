// The shape of the program, held by a test: who may import whom, how long a file may be, who may touch the process.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const TOP = fileURLToPath(new URL("../../", import.meta.url));
const SRC = join(TOP, "src");
const MAX_LINES = 250;

/** Which layers a layer's files may import. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: ["core"],
  node: ["node", "core"],
  registry: ["registry", "core"],
  report: ["report", "core"],
  agent: ["agent", "node", "registry", "report", "core"],
  push: ["push", "registry", "node", "core"],
  commands: ["commands", "agent", "push", "report", "node", "registry", "core", "version.ts"],
  "main.ts": ["commands"],
  "version.ts": ["..", "package.json"],
};

/** Pure parts of Node and the parsers: all that `core` needs from outside. */
const CORE_PACKAGES = [
  "yaml",
  "zod",
  "@iarna/toml",
  "ipaddr.js",
  "node:net",
  "node:util",
  "node:url",
  "node:crypto",
  "node:buffer",
];

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
const importsOf = (text: string): string[] =>
  [...text.matchAll(/(?:^|\n)\s*(?:import|export)[^;]*?from\s+"([^"]+)"|import\("([^"]+)"\)/g)].map(
    (m) => m[1] ?? m[2] ?? "",
  );

for (const file of files) {
  const text = readFileSync(join(SRC, file), "utf8");
  const layer = file.split("/")[0] as string;

  test(`src/${file} imports only what its layer may`, () => {
    for (const specifier of importsOf(text)) {
      if (!specifier.startsWith(".")) {
        if (layer === "core") assert.ok(CORE_PACKAGES.includes(specifier), `core imports ${specifier}`);
        continue;
      }
      const target = relative(SRC, resolve(SRC, dirname(file), specifier)).split("/")[0] as string;
      assert.ok(MAY_IMPORT[layer]?.includes(target), `${layer} imports ${target} (${specifier})`);
    }
  });

  test(`src/${file} is short, says what it is for, and leaves the process to main.ts`, () => {
    assert.ok(text.split("\n").length <= MAX_LINES + 1, `longer than ${MAX_LINES} lines`);
    assert.match(text, /^(#!.*\n)?(\/\/|\/\*\*)/, "opens without a comment");
    if (file !== "main.ts")
      assert.doesNotMatch(text, /\bprocess\.(env|argv|exit|exitCode|on|once|stdout|stderr|stdin)\b/);
  });
}
