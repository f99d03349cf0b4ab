// Sets or removes `registry.configs."HOST".auth`, the only place where containerd 1.x takes a user name and a password,
// and any containerd a refresh token, for a registry that hands out tokens. Nothing else in the file changes, and
// credentials of another kind (`auth`, a user name and a password in one) are left alone.

import { findPlace, type Refusal } from "./find-edit.ts";
import type { ResolvedConfig } from "./resolve-config.ts";
import {
  appendTable,
  applySplice,
  chooseSplice,
  proposeRemove,
  proposeRemoveEmptyTable,
  proposeSet,
  type Splice,
} from "./toml-edit.ts";
import {
  isMap,
  isSameValue,
  parseToml,
  renderTomlString,
  type TomlMap,
  valueAt,
  withoutEmptyTables,
  withValueAt,
} from "./toml-text.ts";
import type { ContainerdVersion } from "./versions.ts";

/** By containerd's own keys (v1.7.34:pkg/cri/config/config.go, AuthConfig). */
export type RegistryAuth =
  | { readonly username: string; readonly password: string }
  | { readonly identitytoken: string };

const KEYS: readonly string[] = ["username", "password", "identitytoken"];

export interface AuthWish {
  /** As containerd looks it up: the host, with its port if the URL has one. */
  readonly host: string;
  /** Null to have none. */
  readonly auth: RegistryAuth | null;
}

export type AuthEdit =
  | { readonly ok: true; readonly path: string; readonly oldText: string; readonly newText: string }
  | Refusal;

/** The edit after which the effective auth of `host` is as wished. Both texts hold passwords. */
export function findAuthEdit(
  config: ResolvedConfig,
  { version, host, auth }: AuthWish & { version: ContainerdVersion },
): AuthEdit {
  const key = ["configs", host, "auth"];
  const want = withoutEmptyTables(withValueAt(config.registry, key, auth ? { ...auth } : undefined), key);
  const found = findPlace(config, {
    version,
    key,
    edit: (text, plugin) => editAuth(text, { plugin, host, auth }),
    isWanted: (registry) => isSameValue(withoutEmptyTables(registry, key), want),
  });
  if (!found.ok) return found;
  return { ok: true, path: found.file.path, oldText: found.file.text, newText: found.result.text };
}

/** The same in one text. */
export function editAuth(text: string, { plugin, host, auth }: AuthWish & { plugin: string }) {
  const parsed = parseToml(text);
  if (!parsed.ok) return refuse(`line ${parsed.line}, column ${parsed.column}: ${parsed.message}`);
  const path = ["plugins", plugin, "registry", "configs", host, "auth"];
  const present = valueAt(parsed.value, path);
  const others = isMap(present) ? Object.keys(present).filter((key) => !KEYS.includes(key)) : [];
  if (others.length > 0) return refuse(`registry.configs."${host}".auth holds "${others[0]}", which is not ours`);
  const after = auth === null ? removeAuth(text, path) : setAuth(text, path, auth);
  return after === null
    ? refuse(`no edit was found that changes only the auth of "${host}"`)
    : ({ ok: true, text: after } as const);
}

function setAuth(text: string, path: readonly string[], auth: RegistryAuth): string | null {
  const entries = Object.entries(auth).map(([key, value]) => [key, renderTomlString(value)] as const);
  const values = valuesOf(text);
  const want = withValueAt(values, path, { ...auth });
  if (valueAt(values, path) === undefined) {
    const lines = entries.map(([key, raw]) => `${key} = ${raw}`);
    const chosen = chooseSplice(text, [appendTable(text, path, lines)], want);
    if (chosen) return applySplice(text, chosen);
  }
  let edited: string | null = text;
  for (const [key, raw] of entries) edited = edited && setKey(edited, [...path, key], raw);
  for (const key of KEYS.filter((other) => !Object.hasOwn(auth, other)))
    edited = edited && firstThatParses(edited, proposeRemove(edited, [...path, key]));
  return edited !== null && isSameValue(valuesOf(edited), want) ? edited : null;
}

function setKey(text: string, path: readonly string[], raw: string): string | null {
  const want = withValueAt(valuesOf(text), path, valueAt(valuesOf(`v = ${raw}`), ["v"]));
  const chosen = chooseSplice(text, proposeSet(text, path, raw), want);
  return chosen && applySplice(text, chosen);
}

function removeAuth(text: string, path: readonly string[]): string | null {
  const want = withoutEmptyTables(withValueAt(valuesOf(text), path, undefined), path);
  let edited = text;
  for (const key of KEYS) edited = firstThatParses(edited, proposeRemove(edited, [...path, key]));
  // The tables of the host go with it, if the auth was all that was in them.
  for (const length of [path.length, path.length - 1]) {
    const table = path.slice(0, length);
    edited = firstThatParses(edited, proposeRemoveEmptyTable(edited, table));
    if (isEmptyTable(valueAt(valuesOf(edited), table))) edited = firstThatParses(edited, proposeRemove(edited, table));
  }
  return isSameValue(withoutEmptyTables(valuesOf(edited), path), want) ? edited : null;
}

function firstThatParses(text: string, splices: readonly Splice[]): string {
  return splices.map((splice) => applySplice(text, splice)).find((after) => parseToml(after).ok) ?? text;
}

function isEmptyTable(value: unknown): boolean {
  return isMap(value) && Object.keys(value).length === 0;
}

function valuesOf(text: string): TomlMap {
  const parsed = parseToml(text);
  return parsed.ok ? parsed.value : {};
}

function refuse(because: string): Refusal {
  return { ok: false, because };
}
