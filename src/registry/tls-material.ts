// TLS as containerd does it for one host: the system's roots plus the host's own CA, and a client certificate
// (core/remotes/docker/config/hosts.go). The system's roots are Go's, not Node's: Go reads the first of a list
// of bundles (crypto/x509/root_linux.go), Node brings roots of its own that the host's administrator never sees.

import { readFileSync } from "node:fs";
import { createSecureContext, type SecureContext } from "node:tls";

/** Contents, not paths. The key is a secret. */
export interface TlsMaterial {
  /** PEM, one certificate or several, trusted beside the system's roots. */
  readonly ca: string | null;
  readonly clientCert: string | null;
  readonly clientKey: string | null;
  readonly insecureSkipVerify: boolean;
}

export const PLAIN_TLS: TlsMaterial = { ca: null, clientCert: null, clientKey: null, insecureSkipVerify: false };

const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Reads the first bundle that can be read, as PEM; "" where there is none. */
export function readSystemRoots(bundles: readonly string[] = BUNDLES): string {
  for (const path of bundles) {
    try {
      return readFileSync(path, "utf8");
    } catch {}
  }
  return "";
}

// A context holds its own copy of all roots: about 1 MB and 9 ms. Endpoints usually share one CA.
const CONTEXTS_KEPT = 32;

/** Makes each TLS context once, however many connections and endpoints use it. */
export class TlsContexts {
  readonly #contexts = new Map<string, SecureContext>();
  #systemRoots: string | null;

  /** `systemRoots` is PEM; null reads the system's when a context first needs them. */
  constructor(systemRoots: string | null = null) {
    this.#systemRoots = systemRoots;
  }

  /** Throws the TLS library's error when the PEM cannot be used. */
  find(material: TlsMaterial): SecureContext {
    const key = JSON.stringify([material.ca, material.clientCert, material.clientKey]);
    const context = this.#contexts.get(key) ?? this.#make(material);
    this.#contexts.delete(key);
    this.#contexts.set(key, context);
    const [oldest] = this.#contexts.keys();
    if (this.#contexts.size > CONTEXTS_KEPT && oldest !== undefined) this.#contexts.delete(oldest);
    return context;
  }

  #make({ ca, clientCert, clientKey }: TlsMaterial): SecureContext {
    this.#systemRoots ??= readSystemRoots();
    const trusted = [this.#systemRoots, ca ?? ""].filter((pem) => pem !== "");
    // containerd takes a `client` file that holds certificate and key in one.
    const client = clientCert === null ? {} : { cert: clientCert, key: clientKey ?? clientCert };
    // Go takes every certificate of its pool as an anchor, also an intermediate one or the server's own.
    return createSecureContext({ ca: trusted, allowPartialTrustChain: true, ...client });
  }
}
