// Copies the licences of everything that the package carries: node packaging/licences.ts LIBRARIES.json OUTPUT_FOLDER

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const [, , listFile, outdir] = process.argv;
if (listFile === undefined || outdir === undefined) throw new Error("Cannot copy licences: two paths are needed");

mkdirSync(outdir, { recursive: true });
for (const folder of JSON.parse(readFileSync(listFile, "utf8")) as string[]) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
  const target = join(outdir, `${name.replace("/", "-")}-${version}`);
  const texts = readdirSync(join(ROOT, folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
  for (const text of texts)
    writeFileSync(/^notice/i.test(text) ? `${target}.notice` : target, readFileSync(join(ROOT, folder, text)));
  // Some packages only name their licence.
  if (texts.length === 0)
    writeFileSync(target, `${name} ${version} by ${author?.name ?? author}, licence: ${license}\n`);
}
