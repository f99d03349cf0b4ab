// Reads a Docker config.json (podman's auth.json and kubelet's .dockerconfigjson have the same shape) and
// finds what it says about one registry. Outside facts: docker/cli cli/config (a helper of the registry
// before the store, the store before "auths"; "auth" before "username"), containers-auth.json(5) (keys
// with a path, the longest fits best), Go's encoding/json and base64 (null is as if it were not there, line breaks
// count for nothing). Messages never quote the file: JSON.parse's own do.

import * as z from "zod";
import { type Credential, NO_CREDENTIAL } from "./credential.ts";
import { addressFit, DOCKER_HUB_KEY, hostAndPort, parseRegistryAddress } from "./registry-address.ts";
import { Secret } from "./secret.ts";

const text = z.string().nullish();
const entrySchema = z.object({ auth: text, username: text, password: text, identitytoken: text, registrytoken: text });
const configSchema = z.object({
  auths: z.record(z.string(), entrySchema.nullable()).nullish(),
  credHelpers: z.record(z.string(), text).nullish(),
  credsStore: text,
});

type Entry = z.infer<typeof entrySchema>;

export interface DockerConfig {
  readonly auths: Readonly<Record<string, Entry | null>>;
  readonly credHelpers: Readonly<Record<string, string | null | undefined>>;
  readonly credsStore: string | null;
}

/** What a config holds for one registry. */
export type FoundCredential =
  | { readonly kind: "found"; readonly credential: Credential }
  | { readonly kind: "absent" }
  | { readonly kind: "problem"; readonly problem: string }
  /** `docker-credential-NAME` knows it; `otherwise` is what holds where it knows nothing. */
  | {
      readonly kind: "helper";
      readonly helper: string;
      readonly serverAddress: string;
      readonly otherwise: Exclude<FoundCredential, { kind: "helper" }>;
    };

/** The config, or one clause on why it is none, which never quotes it. */
export function parseDockerConfig(json: string): DockerConfig | string {
  let value: unknown;
  try {
    value = JSON.parse(json.replace(/^\uFEFF/, ""));
  } catch (error) {
    return `it is not JSON${placeOf(error)}`;
  }
  const parsed = configSchema.safeParse(value);
  if (!parsed.success) return `it is not a Docker config: ${shapeProblem(parsed.error)}`;
  const { auths, credHelpers, credsStore } = parsed.data;
  return { auths: auths ?? {}, credHelpers: credHelpers ?? {}, credsStore: credsStore || null };
}

/** Finds the credential of a registry, given as its endpoint's URL, "host:port" or "host:port/namespace". */
export function findCredential(config: DockerConfig, registry: string): FoundCredential {
  const key = bestKey(Object.keys(config.auths), registry);
  const otherwise = key === null ? ({ kind: "absent" } as const) : readEntry(config.auths[key] ?? {}, key);
  const helperKey = bestKey(Object.keys(config.credHelpers), registry);
  const helper = helperKey === null ? config.credsStore : config.credHelpers[helperKey];
  if (helper === null || helper === undefined || helper === "") return otherwise;
  return { kind: "helper", helper, serverAddress: helperKey ?? key ?? helperAddress(registry), otherwise };
}

function readEntry(entry: Entry, key: string): Exclude<FoundCredential, { kind: "helper" }> {
  if (entry.registrytoken) return found({ kind: "registryToken", token: new Secret(entry.registrytoken) });
  if (entry.identitytoken) return found({ kind: "identityToken", token: new Secret(entry.identitytoken) });
  if (entry.auth) return readAuth(entry.auth, key);
  if (!entry.username && !entry.password) return { kind: "absent" };
  return found({ kind: "basic", username: entry.username ?? "", password: new Secret(entry.password ?? "") });
}

function readAuth(auth: string, key: string): Exclude<FoundCredential, { kind: "helper" }> {
  const decoded = decodeBase64(auth);
  const colon = decoded?.indexOf(":") ?? -1;
  if (decoded === null || colon < 0) {
    return { kind: "problem", problem: `"auth" of "${key}" is not base64 of user:password` };
  }
  // Docker cuts NULs off the end: old versions padded with them.
  const password = decoded.slice(colon + 1).replace(/\0+$/, "");
  if (colon === 0 && password === "") return found(NO_CREDENTIAL);
  return found({ kind: "basic", username: decoded.slice(0, colon), password: new Secret(password) });
}

// Buffer skips what is not base64, and half a password is worse than none.
function decodeBase64(encoded: string): string | null {
  const trimmed = encoded.replace(/[\r\n]/g, "").trim();
  if (!/^(?:[\w+/]{4})*(?:[\w+/]{2,3}={0,2})?$/.test(trimmed)) return null;
  return Buffer.from(trimmed, "base64").toString("utf8");
}

function found(credential: Credential): { kind: "found"; credential: Credential } {
  return { kind: "found", credential };
}

function bestKey(keys: readonly string[], registry: string): string | null {
  const wanted = parseRegistryAddress(registry);
  const fits = keys.map((key) => ({ key, fit: addressFit(parseRegistryAddress(key), wanted) }));
  const best = fits.filter(({ fit }) => fit >= 0).sort((a, b) => b.fit - a.fit || oddity(a.key) - oddity(b.key));
  return best[0]?.key ?? null;

  // Docker looks for the key that it writes itself before it compares hosts (config/configfile, GetAuthConfig).
  function oddity(key: string): number {
    if (key === helperAddress(registry)) return 0;
    return key.includes("://") ? 2 : 1;
  }
}

function helperAddress(registry: string): string {
  const address = hostAndPort(parseRegistryAddress(registry));
  return address === "docker.io" ? DOCKER_HUB_KEY : address;
}

function placeOf(error: unknown): string {
  const place = /\(line \d+ column \d+\)/.exec(error instanceof Error ? error.message : "");
  return place === null ? "" : ` ${place[0]}`;
}

function shapeProblem(error: z.ZodError): string {
  const issue = error.issues[0];
  const where =
    issue?.path
      .map((step) => `"${String(step)}"`)
      .reverse()
      .join(" of ") ?? "";
  const expected = issue?.code === "invalid_type" ? `expected ${issue.expected}` : "unexpected value";
  return where === "" ? expected : `${expected} in ${where}`;
}
