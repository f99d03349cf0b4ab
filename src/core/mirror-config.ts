// The mirror config once it has been read: every default filled in, every name in its one canonical
// form. core/config makes it from YAML; everything behind that works on this value alone.

/** A registry as containerd names it: "gcr.io", "registry.corp:5000"; "*" stands for every registry. */
export type Registry = string;

export interface MirrorConfig {
  /** In the order of trying. */
  readonly mirrors: readonly Mirror[];
  readonly privateRegistries: readonly PrivateRegistry[];
  /** Where a registry is, if not at its own name; by registry. */
  readonly upstreams: Readonly<Record<Registry, UpstreamSettings>>;
  /** Service-account key for gcr.io, *.gcr.io and *.pkg.dev. */
  readonly gcrKeyPath: string | null;
  /** Docker config with the credentials of upstreams. */
  readonly privateRegistryConfigPath: string | null;
  readonly agent: AgentSettings;
}

export interface Mirror {
  /** Canonical: "https://172.18.0.20:5000" or "https://172.18.0.20:5000/v2/team-a". */
  readonly endpoint: string;
  readonly hosts: readonly Registry[];
  readonly tls: TlsSettings;
  readonly pullCredentialConfigPath: string | null;
  /** False: only digests are fetched here, tags are resolved upstream. */
  readonly resolveTags: boolean;
  readonly dialTimeoutMs: number | null;
  readonly probe: MirrorProbe;
}

/** What a mirror has to do to count as well, beyond answering. */
export interface MirrorProbe {
  /** Fetched by deep probes; null: an image that this node has. */
  readonly image: ProbeImage | null;
  /** A mirror whose answers take longer is down; null: however long they take. */
  readonly maxLatencyMs: number | null;
}

export interface ProbeImage {
  /** Null: the first that the mirror mirrors. */
  readonly registry: Registry | null;
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
}

export interface TlsSettings {
  readonly caCertPath: string | null;
  readonly clientCertPath: string | null;
  readonly clientKeyPath: string | null;
  readonly insecureSkipVerify: boolean;
}

export interface PrivateRegistry {
  readonly host: Registry;
  readonly caCertPath: string | null;
  readonly pullCredentialConfigPath: string | null;
}

export interface UpstreamSettings {
  readonly endpoint: string;
  readonly caCertPath: string | null;
}

export interface AgentSettings {
  /** "never": the upstream is not contacted, by containerd or by probes (air gap). */
  readonly failover: "auto" | "never";
  readonly probe: ProbeSettings;
  readonly jitter: JitterSettings;
  readonly containerd: ContainerdSettings;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly metrics: MetricsSettings;
}

/** Where metrics are shown; null: not there. */
export interface MetricsSettings {
  /** For node-exporter's textfile collector. */
  readonly textfile: string | null;
  readonly listen: ListenAddress | null;
}

/** An address that only this node can reach. */
export type ListenAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

export interface ProbeSettings {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failed probes in a row until an endpoint is down. */
  readonly fall: number;
  /** Good probes in a row until it is up. */
  readonly rise: number;
}

/** How long at most a node waits, by chance, so that not all nodes do the same at the same moment. */
export interface JitterSettings {
  readonly failoverMs: number;
  readonly failbackMs: number;
}

/** Null where the running daemon is to be asked. */
export interface ContainerdSettings {
  readonly configPath: string | null;
  readonly certsDir: string | null;
  readonly socket: string | null;
  readonly binary: string | null;
  readonly restart: "when-needed" | "never";
  /** Also when pulls hang that cannot be freed in any other way. */
  readonly restartOnHang: boolean;
  readonly restartCommand: readonly string[] | null;
}
