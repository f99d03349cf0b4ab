// Bundles the program: node packaging/bundle.ts OUTPUT_FOLDER. One module for what every command needs and a
// chunk for what a command loads itself, so that the daemon does not carry the libraries of `push images`:
// docs/bench/packaging.md has the figures of this and of a single file. Names stay as they are written, so that
// a stack trace in a journal can be read.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build, type Metafile } from "esbuild";

const ROOT = join(import.meta.dirname, "..");
const [, , outdir] = process.argv;
if (outdir === undefined) throw new Error("Cannot bundle: no output folder was named");

// Some libraries are CommonJS and ask for Node's own modules with require().
const REQUIRE =
  'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);';

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: ["src/main.ts"],
  outdir,
  outExtension: { ".js": ".mjs" },
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node26",
  format: "esm",
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none", // every licence is beside the program, see licences.ts
  banner: { js: REQUIRE },
  metafile: true,
  logLevel: "warning",
});
writeFileSync(`${outdir}.libraries.json`, `${JSON.stringify(findLibraries(metafile), null, 2)}\n`);

/** The folders of the packages that are in the bundle, relative to the project. */
function findLibraries({ outputs }: Metafile): readonly string[] {
  const used = Object.values(outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  );
  const folders = used.filter((path) => path.includes("node_modules/")).map(findPackageFolder);
  return [...new Set(folders)].sort();
}

// Folders inside a package have package.json files too, to say "type": those have no version.
function findPackageFolder(path: string): string {
  for (let folder = dirname(path); folder.includes("node_modules/"); folder = dirname(folder)) {
    const file = join(ROOT, folder, "package.json");
    if (existsSync(file) && "version" in JSON.parse(readFileSync(file, "utf8"))) return folder;
  }
  throw new Error(`Cannot tell which package "${path}" belongs to: no package.json above it has a version`);
}
