// The TLS files of an endpoint, as the probes need them: by content.

import type { TlsFile } from "../core/compile-node.ts";
import type { TlsSettings } from "../core/mirror-config.ts";
import type { TlsMaterial } from "../registry/tls-material.ts";

/** A file that is not among `files` counts as not set. */
export function tlsMaterialOf(tls: TlsSettings, files: ReadonlyMap<string, TlsFile>): TlsMaterial {
  const pemAt = (path: string | null): string | null => (path === null ? null : (files.get(path)?.pem ?? null));
  return {
    ca: pemAt(tls.caCertPath),
    clientCert: pemAt(tls.clientCertPath),
    clientKey: pemAt(tls.clientKeyPath ?? tls.clientCertPath),
    insecureSkipVerify: tls.insecureSkipVerify,
  };
}
