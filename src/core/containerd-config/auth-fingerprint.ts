// Tells credentials in config.toml apart without keeping them: what is remembered of one is a keyed hash, so that a
// password that somebody could guess cannot be found from it. The key is made on the node and never leaves it.

import { createHmac } from "node:crypto";
import { tableAt } from "./legacy-registry.ts";
import { isMap, type TomlMap, valueAt } from "./toml-text.ts";

/** Fingerprints by host: as in `registry.configs."HOST".auth`. */
export type AuthFingerprints = Readonly<Record<string, string>>;

/** What an entry of a host holds, or is to hold; "" where it holds nothing. */
export function fingerprintAuth(fingerprintKey: string, host: string, auth: object | null): string {
  const entries = Object.entries(auth ?? {}).filter(([, value]) => value !== "");
  if (entries.length === 0) return "";
  const text = JSON.stringify([host, entries.sort(([a], [b]) => (a < b ? -1 : 1))]);
  return createHmac("sha256", fingerprintKey).update(text).digest("base64url");
}

/** All entries of a registry table that hold anything. */
export function fingerprintAuths(fingerprintKey: string, registry: TomlMap): AuthFingerprints {
  const found = Object.keys(tableAt(registry, "configs")).map(
    (host) => [host, fingerprintAuth(fingerprintKey, host, authAt(registry, host))] as const,
  );
  return Object.fromEntries(found.filter(([, fingerprint]) => fingerprint !== ""));
}

/** What is at `configs.HOST.auth` of a registry table; null if nothing is. */
export function authAt(registry: TomlMap, host: string): TomlMap | null {
  const auth = valueAt(registry, ["configs", host, "auth"]);
  return isMap(auth) ? auth : null;
}
