// From what the file says to what the agent works on: every default is filled in here and nowhere else.

import type {
  AgentSettings,
  ContainerdSettings,
  Mirror,
  MirrorConfig,
  ProbeSettings,
  Registry,
  UpstreamSettings,
} from "../mirror-config.ts";
import { defaultHosts } from "./default-hosts.ts";
import { PROBE_DEFAULTS } from "./probe-defaults.ts";
import { parseRegistryName } from "./registry-name.ts";
import type { ConfigInput, MirrorInput } from "./schema.ts";

type AgentInput = NonNullable<ConfigInput["agent"]>;

/** Fills in the defaults of a valid file. */
export function compileConfig(input: ConfigInput): MirrorConfig {
  const privateRegistryConfigPath = pathOf(input.privateRegistryConfigPath);
  const hosts = defaultHosts(privateRegistryConfigPath !== null);
  return {
    mirrors: (input.registryMirrors ?? []).map((mirror) => compileMirror(mirror, hosts)),
    privateRegistries: (input.privateRegistries ?? []).map((registry) => ({
      host: registry.host,
      caCertPath: pathOf(registry.caCertPath),
      pullCredentialConfigPath: pathOf(registry.pullCredentialConfigPath),
    })),
    upstreams: compileUpstreams(input.agent?.upstreams ?? {}),
    gcrKeyPath: pathOf(input.gcrKeyPath),
    privateRegistryConfigPath,
    agent: compileAgent(input.agent ?? {}),
  };
}

function compileMirror(input: MirrorInput, hosts: readonly Registry[]): Mirror {
  return {
    endpoint: input.endpoint,
    hosts: [...new Set(input.hosts ?? hosts)],
    tls: {
      caCertPath: pathOf(input.caCertPath),
      clientCertPath: pathOf(input.clientCertPath),
      clientKeyPath: pathOf(input.clientKeyPath),
      insecureSkipVerify: input.insecureSkipVerify ?? false,
    },
    pullCredentialConfigPath: pathOf(input.pullCredentialConfigPath),
    resolveTags: input.resolveTags ?? true,
    dialTimeoutMs: input.dialTimeout ?? null,
  };
}

function compileUpstreams(input: NonNullable<AgentInput["upstreams"]>): Record<Registry, UpstreamSettings> {
  const upstreams = Object.entries(input).map(([key, { endpoint, caCertPath }]) => {
    const registry = parseRegistryName(key);
    return [registry.ok ? registry.value : key, { endpoint, caCertPath: pathOf(caCertPath) }] as const;
  });
  return Object.fromEntries(upstreams);
}

function compileAgent(input: AgentInput): AgentSettings {
  return {
    failover: input.failover ?? "auto",
    probe: compileProbe(input.probe ?? {}),
    containerd: compileContainerd(input.containerd ?? {}),
    logLevel: input.log?.level ?? "info",
  };
}

function compileProbe(input: NonNullable<AgentInput["probe"]>): ProbeSettings {
  const intervalMs = input.interval ?? PROBE_DEFAULTS.intervalMs;
  return {
    intervalMs,
    timeoutMs: input.timeout ?? Math.min(PROBE_DEFAULTS.timeoutMs, intervalMs),
    fall: input.fall ?? PROBE_DEFAULTS.fall,
    rise: input.rise ?? PROBE_DEFAULTS.rise,
  };
}

function compileContainerd(input: NonNullable<AgentInput["containerd"]>): ContainerdSettings {
  return {
    configPath: pathOf(input.configPath),
    certsDir: pathOf(input.certsDir),
    socket: pathOf(input.socket),
    binary: pathOf(input.binary),
    restart: input.restart ?? "when-needed",
    restartCommand: input.restartCommand ?? null,
  };
}

function pathOf(input: string | false | null | undefined): string | null {
  return input === false || input === undefined ? null : input;
}
