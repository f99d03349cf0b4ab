// Which keys the mirror config knows where, read from its schema, so that a new key needs no second list.

import * as z from "zod";
import type { ConfigPath } from "./config-path.ts";
import { findNearestKey } from "./nearest-key.ts";
import { configSchema } from "./schema.ts";

interface Section {
  /** For people: `agent.probe`, `registryMirrors[]`. */
  readonly name: string;
  readonly keys: readonly string[];
}

/** Words about a key that is not known at a path: the nearest that is, or the section where it belongs. */
export function explainUnknownKey(key: string, path: ConfigPath): string {
  if (path.length === 0 && (key === "kind" || key === "apiVersion")) {
    return "expected both apiVersion and kind in documents that are not meant for mirror-agent";
  }
  const section = schemaAt(configSchema, path);
  const here = keysOf(section);
  const nearest = findNearestKey(key, here);
  if (nearest !== null) return `the nearest is "${nearest}"`;
  const home = listSections(configSchema, "").find(({ keys }) => keys.includes(key));
  if (home !== undefined) return `it belongs ${home.name === "" ? "at the top of the file" : `in ${home.name}`}`;
  const used = here.filter((known) => !(schemaAt(section, [known]) instanceof z.ZodUnknown)); // not those that are ignored
  return `expected ${used.map((known) => `"${known}"`).join(", ")}`;
}

function schemaAt(schema: z.core.$ZodType, path: ConfigPath): z.core.$ZodType {
  let at = unwrap(schema);
  for (const step of path) {
    if (at instanceof z.ZodObject) at = unwrap(at.shape[step] ?? z.unknown());
    else if (at instanceof z.ZodArray) at = unwrap(at.element);
    else if (at instanceof z.ZodRecord) at = unwrap(at.valueType);
  }
  return at;
}

function listSections(schema: z.core.$ZodType, name: string): Section[] {
  const at = unwrap(schema);
  if (at instanceof z.ZodArray) return listSections(at.element, `${name}[]`);
  if (at instanceof z.ZodRecord) return listSections(at.valueType, `${name}[]`);
  if (!(at instanceof z.ZodObject)) return [];
  const inner = Object.entries(at.shape).flatMap(([key, value]) =>
    listSections(value as z.core.$ZodType, name === "" ? key : `${name}.${key}`),
  );
  return [{ name, keys: keysOf(at) }, ...inner];
}

function keysOf(schema: z.core.$ZodType): string[] {
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable) inner = inner.unwrap();
  return inner;
}
