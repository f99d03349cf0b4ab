// From what the file says to what the agent works on: every default is filled in here and nowhere else.

import type {
  AgentSettings,
  ContainerdSettings,
  JitterSettings,
  Mirror,
  MirrorConfig,
  MirrorProbe,
  ProbeSettings,
  Registry,
  UpstreamSettings,
} from "../mirror-config.ts";
import { defaultHosts } from "./default-hosts.ts";
import { JITTER_DEFAULTS, PROBE_DEFAULTS } from "./probe-defaults.ts";
import { parseRegistryName } from "./registry-name.ts";
import type { ConfigInput, MirrorInput } from "./schema.ts";

type AgentInput = NonNullable<ConfigInput["agent"]>;

/** Fills in the defaults of a valid file. */
export function compileConfig(input: ConfigInput): MirrorConfig {
  const privateRegistryConfigPath = pathOf(input.privateRegistryConfigPath);
  const hosts = defaultHosts(privateRegistryConfigPath !== null);
  const probe = compileMirrorProbe(input.agent?.probe ?? {}, { image: null, maxLatencyMs: null });
  return {
    mirrors: (input.registryMirrors ?? []).map((mirror) => compileMirror(mirror, { hosts, probe })),
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

function compileMirror(
  input: MirrorInput,
  { hosts, probe }: { hosts: readonly Registry[]; probe: MirrorProbe },
): Mirror {
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
    probe: compileMirrorProbe(input.probe ?? {}, probe),
  };
}

function compileMirrorProbe(input: NonNullable<MirrorInput["probe"]>, general: MirrorProbe): MirrorProbe {
  return { image: input.image ?? general.image, maxLatencyMs: input.maxLatency ?? general.maxLatencyMs };
}

function compileUpstreams(input: NonNullable<AgentInput["upstreams"]>): Record<Registry, UpstreamSettings> {
  const upstreams = Object.entries(input).map(([key, { endpoint, caCertPath }]) => {
    const registry = parseRegistryName(key);
    return [registry.ok ? registry.value : key, { endpoint, caCertPath: pathOf(caCertPath) }] as const;
  });
  return Object.fromEntries(upstreams);
}

function compileAgent(input: AgentInput): AgentSettings {
  const probe = compileProbe(input.probe ?? {});
  return {
    failover: input.failover ?? "auto",
    probe,
    jitter: compileJitter(input.jitter ?? {}, probe),
    containerd: compileContainerd(input.containerd ?? {}),
    logLevel: input.log?.level ?? "info",
    metrics: { textfile: pathOf(input.metrics?.textfile), listen: input.metrics?.listen ?? null },
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

function compileJitter(input: NonNullable<AgentInput["jitter"]>, { intervalMs }: ProbeSettings): JitterSettings {
  const { failoverMs, failoverIntervals, failbackMs, failbackIntervals } = JITTER_DEFAULTS;
  return {
    failoverMs: input.failover ?? Math.min(failoverMs, intervalMs * failoverIntervals),
    failbackMs: input.failback ?? Math.min(failbackMs, intervalMs * failbackIntervals),
  };
}

function compileContainerd(input: NonNullable<AgentInput["containerd"]>): ContainerdSettings {
  return {
    configPath: pathOf(input.configPath),
    certsDir: pathOf(input.certsDir),
    socket: pathOf(input.socket),
    binary: pathOf(input.binary),
    restart: input.restart === "never" ? "never" : "when-needed",
    restartOnHang: input.restart === "on-hang",
    restartCommand: input.restartCommand ?? null,
  };
}

function pathOf(input: string | false | null | undefined): string | null {
  return input === false || input === undefined ? null : input;
}
