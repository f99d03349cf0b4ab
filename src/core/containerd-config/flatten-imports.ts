// A configuration of several files laid out anew in one folder, to be tried before it is in place: the first file
// imports the others by name in the order of loading, and they import nothing.

import type { ConfigFile } from "./resolve-config.ts";
import { applySplice, chooseSplice, proposeRemove, proposeSet } from "./toml-edit.ts";
import { parseToml, withValueAt } from "./toml-text.ts";

/** The files with their new paths in `folder`; all must exist and parse. */
export function flattenImports(files: readonly ConfigFile[], folder: string): readonly ConfigFile[] {
  const paths = files.map((_, index) => `${folder}/${String(index).padStart(4, "0")}.toml`);
  return files.map((file, index) => {
    const imports = index === 0 ? paths.slice(1) : [];
    return { path: paths[index] ?? "", text: withImports(file.text ?? "", imports) };
  });
}

function withImports(text: string, imports: readonly string[]): string {
  const parsed = parseToml(text);
  if (!parsed.ok || (imports.length === 0 && parsed.value.imports === undefined)) return text;
  const raw = JSON.stringify(imports);
  const wanted = imports.length === 0 ? undefined : imports;
  const splices = wanted ? proposeSet(text, ["imports"], raw) : proposeRemove(text, ["imports"]);
  const splice = chooseSplice(text, splices, withValueAt(parsed.value, ["imports"], wanted));
  if (splice) return applySplice(text, splice);
  throw new Error("Cannot lay out a configuration for a trial: its imports are written in a way we do not edit");
}
