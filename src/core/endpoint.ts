// An endpoint is a URL at which a registry or its mirror answers: what hosts.toml names and what is probed.

import type { TlsSettings } from "./mirror-config.ts";

export interface Endpoint {
  readonly role: "mirror" | "upstream";
  /** Canonical: scheme, host, port if it is not the scheme's own, then nothing or "/v2/NAMESPACE". */
  readonly url: string;
  readonly tls: TlsSettings;
  /** Docker config file that holds this endpoint's credentials. */
  readonly credentialPath: string | null;
  /** Whether that file was named for an upstream alone, and so has to have an entry for it; a mirror's always is. */
  readonly isCredentialOwn?: boolean;
  /** Service-account key for this endpoint. */
  readonly gcrKeyPath: string | null;
  readonly resolveTags: boolean;
  readonly dialTimeoutMs: number | null;
}

/** As much of an endpoint as it takes to tell of it. */
export type NamedEndpoint = Pick<Endpoint, "role" | "url">;

/** Identifies an endpoint in health, credentials and status: a mirror may have the URL of another's upstream. */
export function endpointKey(endpoint: NamedEndpoint): string {
  return `${endpoint.role} ${endpoint.url}`;
}

/** The root of the server that answers for an endpoint, without path: "https://172.18.0.20:5000". */
export function serverRoot(url: string): string {
  return new URL(url).origin;
}
