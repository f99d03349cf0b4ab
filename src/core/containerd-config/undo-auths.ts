// Takes the credentials that are ours out of a file that somebody may have changed since. One that has another value
// than the one we wrote is somebody else's by now.

import { type AuthFingerprints, authAt, fingerprintAuth } from "./auth-fingerprint.ts";
import { editAuth } from "./edit-auth.ts";
import type { UndoResult } from "./edit-config-path.ts";
import { CRI_PLUGINS } from "./resolve-config.ts";
import { isMap, parseToml, valueAt } from "./toml-text.ts";

interface Ours {
  readonly auths: AuthFingerprints;
  readonly fingerprintKey: string;
}

/** The hosts whose entry in `text` is ours; none if it does not parse. */
export function findOurAuths(text: string, ours: Ours): readonly string[] {
  return findEntries(text, ours).map(({ host }) => host);
}

/** The text without them; byte for byte the old one where nothing else has changed. */
export function undoAuths(text: string, ours: Ours): UndoResult {
  const entries = findEntries(text, ours);
  if (entries.length === 0) return { kind: "gone" };
  let undone = text;
  for (const { host, plugin } of entries) {
    const edited = editAuth(undone, { host, plugin, auth: null });
    if (!edited.ok) return { kind: "refused", because: edited.because };
    undone = edited.text;
  }
  return { kind: "text", text: undone };
}

// The last that was added is the first to go, so that blank lines between them go too.
function findEntries(text: string, { auths, fingerprintKey }: Ours): { host: string; plugin: string }[] {
  const parsed = parseToml(text);
  if (!parsed.ok) return [];
  const isOurs = (host: string, plugin: string) => {
    const registry = valueAt(parsed.value, ["plugins", plugin, "registry"]);
    return isMap(registry) && fingerprintAuth(fingerprintKey, host, authAt(registry, host)) === auths[host];
  };
  const hosts = Object.keys(auths).toReversed();
  return CRI_PLUGINS.flatMap((plugin) => hosts.map((host) => ({ host, plugin }))).filter(({ host, plugin }) =>
    isOurs(host, plugin),
  );
}
