// `npm run bench -- NAME`: runs scripts/bench/NAME.ts, or, without a name, says which there are. What a bench
// measures is said by its file's opening comment.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

const FOLDER = import.meta.dirname;
const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".ts") && name !== basename(import.meta.filename))
  .map((name) => name.replace(/\.ts$/, ""));

const [name, ...rest] = process.argv.slice(2);
if (name === undefined) {
  for (const each of names) console.log(`${each.padEnd(16)} ${describe(each)}`);
} else if (names.includes(name)) {
  process.exitCode = spawnSync(process.execPath, [fileOf(name), ...rest], { stdio: "inherit" }).status ?? 1;
} else {
  console.error(`bench: there is no "${name}", only ${names.join(", ")}`);
  process.exitCode = 2;
}

function fileOf(name: string): string {
  return join(FOLDER, `${name}.ts`);
}

function describe(name: string): string {
  const [opening = ""] = readFileSync(fileOf(name), "utf8").split("\n\n", 1);
  return opening.replaceAll(/^\/\/ ?/gm, "").replaceAll("\n", " ");
}
