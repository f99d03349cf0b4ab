// bash completion, asked as bash asks it: words, with "=" as one of its own, and the place of the cursor.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const FILE = join(import.meta.dirname, "../../packaging/files/usr/share/bash-completion/completions/mirror-agent");
const SCRIPT = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mirror_agent; printf '%s\\n' "\${COMPREPLY[@]}"`;

function complete(...words: readonly string[]): string[] {
  const command = ["-c", SCRIPT, FILE, "mirror-agent", ...words];
  const said = execFileSync("bash", command, { encoding: "utf8", cwd: join(FILE, "..") });
  return said.trim().split("\n");
}

const CASES: readonly (readonly [words: readonly string[], wanted: readonly string[]])[] = [
  [["sta"], ["status"]],
  [["--output", "j"], ["json"]],
  [["--output", "=", "j"], ["json"]],
  [
    ["--output", "="],
    ["text", "json"],
  ],
  [["--output", "=", "json", "status", "--w"], ["--watch"]],
  [
    ["--config", "=", "x", "plan", "--"],
    ["--exit-code", "--help"],
  ],
  [
    ["--config", "x", "plan", "--"],
    ["--exit-code", "--help"],
  ],
  [["push", "images", "--source", "=", "mirror"], ["mirror-agent"]],
  [["push", "images", "--source", "=", "x", "--im"], ["--images"]],
  [["save", "images", "-o", "mirror"], ["mirror-agent"]],
];

for (const [words, wanted] of CASES) {
  test(`completion of "${words.join(" ")}" is ${wanted.join(", ")}`, () =>
    assert.deepEqual(complete(...words), wanted));
}
