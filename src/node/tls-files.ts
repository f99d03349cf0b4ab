// Reads the CAs, client certificates and keys that the config names, and finds out whether containerd
// could use them: a `ca` or `client` file that is missing, or a key that does not fit its certificate,
// fails every pull of that registry with no further host tried (remotes/docker/config/hosts.go,
// updateTLSConfigFromHost). So they are checked here and copied before a hosts.toml names them.

import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsFile } from "../core/compile-node.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { readSmallFile, type SmallFile } from "./small-file.ts";

/** Something about one file, to be shown at `at`, the config path that names it. */
export interface FileProblem {
  readonly severity: "error" | "warning";
  readonly at: string;
  readonly message: string;
}

export interface TlsFiles {
  /** By source path; the valid ones. */
  readonly files: ReadonlyMap<string, TlsFile>;
  readonly problems: readonly FileProblem[];
}

interface Use {
  readonly at: string;
  readonly path: string;
  readonly kind: "ca" | "certificate" | "key";
}

const MAX_BYTES = 4_000_000;
const WARN_AHEAD_MS = 30 * 24 * 3_600_000;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Reads and checks every TLS file of the config; expiry is judged at `nowMs`. */
export async function readTlsFiles(config: MirrorConfig, nowMs: number): Promise<TlsFiles> {
  const uses = tlsUses(config);
  const texts = new Map(await Promise.all([...new Set(uses.map((use) => use.path))].map(readOne)));
  const checked = uses.map((use) => checkUse(use, texts.get(use.path) as SmallFile, nowMs));
  const pairs = config.mirrors.flatMap(({ tls }, index) =>
    checkPair(tls.clientCertPath, tls.clientKeyPath, { index, texts }),
  );
  const files = checked.flatMap(({ file }) => (file ? [[file.sourcePath, file] as const] : []));
  return { files: new Map(files), problems: [...checked.flatMap(({ problems }) => problems), ...pairs] };
}

/** The TLS files that a config names, each with the place in the config that names it. */
export function tlsUses(config: MirrorConfig): Use[] {
  const mirrors = config.mirrors.flatMap(({ tls }, index) => [
    use(`registryMirrors[${index}].caCertPath`, tls.caCertPath, "ca"),
    use(`registryMirrors[${index}].clientCertPath`, tls.clientCertPath, "certificate"),
    use(`registryMirrors[${index}].clientKeyPath`, tls.clientKeyPath, "key"),
  ]);
  const own = config.privateRegistries.map(({ caCertPath }, index) =>
    use(`privateRegistries[${index}].caCertPath`, caCertPath, "ca"),
  );
  const upstreams = Object.entries(config.upstreams).map(([registry, { caCertPath }]) =>
    use(`agent.upstreams["${registry}"].caCertPath`, caCertPath, "ca"),
  );
  return [...mirrors, ...own, ...upstreams].filter((entry) => entry !== null);
}

function use(at: string, path: string | null, kind: Use["kind"]): Use | null {
  return path === null ? null : { at, path, kind };
}

async function readOne(path: string): Promise<[string, SmallFile]> {
  return [path, await readSmallFile(path, MAX_BYTES)];
}

function checkUse(
  { at, path, kind }: Use,
  read: SmallFile,
  nowMs: number,
): { file: TlsFile | null; problems: FileProblem[] } {
  if ("problem" in read) return refused(at, `Cannot read "${path}": ${read.problem}`);
  const { text } = read;
  const problems = kind === "key" ? checkKey(text, { at, path }) : checkCertificates(text, { at, path, nowMs });
  if (problems.some((problem) => problem.severity === "error")) return { file: null, problems };
  const sha256 = createHash("sha256").update(text).digest("hex");
  return { file: { sourcePath: path, pem: text, sha256, secret: text.includes("PRIVATE KEY") }, problems };
}

function checkKey(text: string, { at, path }: { at: string; path: string }): FileProblem[] {
  if (parseKey({ text, mode: 0 })) return [];
  return [{ severity: "error", at, message: `"${path}" holds no private key in PEM form without a passphrase` }];
}

function checkCertificates(
  text: string,
  { at, path, nowMs }: { at: string; path: string; nowMs: number },
): FileProblem[] {
  const blocks = text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0) {
    return [
      { severity: "error", at, message: `"${path}" holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)` },
    ];
  }
  const parsed = blocks.map(parseCertificate);
  if (parsed.includes(null))
    return [{ severity: "error", at, message: `"${path}" holds a certificate that cannot be parsed` }];
  return checkExpiry(parsed as X509Certificate[], { at, path, nowMs });
}

// A bundle may hold old certificates beside the current ones; only its last one's end cuts it off.
function checkExpiry(
  certificates: X509Certificate[],
  { at, path, nowMs }: { at: string; path: string; nowMs: number },
): FileProblem[] {
  const endsAtMs = Math.max(...certificates.map((certificate) => Date.parse(certificate.validTo)));
  const day = new Date(endsAtMs).toISOString().slice(0, 10);
  if (endsAtMs <= nowMs) return [{ severity: "error", at, message: `"${path}" expired on ${day}` }];
  if (endsAtMs <= nowMs + WARN_AHEAD_MS) return [{ severity: "warning", at, message: `"${path}" expires on ${day}` }];
  return [];
}

// Go refuses a pair that does not match (crypto/tls, X509KeyPair), and containerd then fails the pull.
function checkPair(
  certPath: string | null,
  keyPath: string | null,
  { index, texts }: { index: number; texts: ReadonlyMap<string, SmallFile> },
): FileProblem[] {
  if (certPath === null) return [];
  const certificate = parseCertificate(firstCertificate(texts.get(certPath)));
  const key = parseKey(texts.get(keyPath ?? certPath));
  const at = `registryMirrors[${index}].${keyPath === null ? "clientCertPath" : "clientKeyPath"}`;
  if (certificate && !key && keyPath === null) {
    return [{ severity: "error", at, message: `"${certPath}" holds no private key, and clientKeyPath is not set` }];
  }
  if (!certificate || !key || certificate.checkPrivateKey(key)) return [];
  return [
    { severity: "error", at, message: `"${keyPath ?? certPath}" is not the key of the certificate in "${certPath}"` },
  ];
}

function firstCertificate(file: SmallFile | undefined): string {
  return file && "text" in file ? (file.text.match(CERTIFICATE)?.[0] ?? "") : "";
}

function parseCertificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

function parseKey(file: SmallFile | undefined): KeyObject | null {
  if (!file || "problem" in file) return null;
  try {
    return createPrivateKey(file.text);
  } catch {
    return null;
  }
}

function refused(at: string, message: string): { file: null; problems: FileProblem[] } {
  return { file: null, problems: [{ severity: "error", at, message }] };
}
