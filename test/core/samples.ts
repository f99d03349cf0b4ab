// Small values that the core's tests share.

import type { Endpoint } from "../../src/core/endpoint.ts";
import type { AgentSettings, Mirror, MirrorConfig, TlsSettings } from "../../src/core/mirror-config.ts";

export const NO_TLS: TlsSettings = {
  caCertPath: null,
  clientCertPath: null,
  clientKeyPath: null,
  insecureSkipVerify: false,
};

export const AGENT_DEFAULTS: AgentSettings = {
  failover: "auto",
  probe: { intervalMs: 5000, timeoutMs: 2000, fall: 2, rise: 2 },
  jitter: { failoverMs: 2000, failbackMs: 30_000 },
  containerd: {
    configPath: null,
    certsDir: null,
    socket: null,
    binary: null,
    restart: "when-needed",
    restartOnHang: false,
    restartCommand: null,
  },
  logLevel: "info",
  metrics: { textfile: null, listen: null },
};

export function mirror(endpoint: string, settings: Partial<Mirror> = {}): Mirror {
  return {
    endpoint,
    hosts: ["gcr.io"],
    tls: NO_TLS,
    pullCredentialConfigPath: null,
    resolveTags: true,
    dialTimeoutMs: null,
    probe: { image: null, maxLatencyMs: null },
    ...settings,
  };
}

export function config(settings: Partial<MirrorConfig> = {}): MirrorConfig {
  return {
    mirrors: [],
    privateRegistries: [],
    upstreams: {},
    gcrKeyPath: null,
    privateRegistryConfigPath: null,
    agent: AGENT_DEFAULTS,
    ...settings,
  };
}

export function endpoint(url: string, settings: Partial<Endpoint> = {}): Endpoint {
  return {
    role: "mirror",
    url,
    tls: NO_TLS,
    credentialPath: null,
    gcrKeyPath: null,
    resolveTags: true,
    dialTimeoutMs: null,
    ...settings,
  };
}
