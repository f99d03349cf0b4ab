// The `agent` section of the mirror config: everything that is ours and not bmctl's. All of it is optional.

import * as z from "zod";
import {
  choice,
  count,
  duration,
  endpoint,
  image,
  list,
  listenAddress,
  metricsFile,
  oneFolder,
  path,
  registryKey,
  section,
  wrong,
} from "./schema-parts.ts";

const upstreamSchema = section("an upstream with its endpoint", {
  endpoint: endpoint.meta({ description: "URL of the registry.", examples: ["https://gcr.io"] }),
  caCertPath: path("upstream-ca.crt").meta({ description: "CA of the registry's certificate, PEM." }),
});

/** What may stand in `probe` of one mirror as well as in `agent.probe`. */
export const mirrorProbeKeys = {
  image: image.meta({
    description:
      "Image that is fetched now and then, with tag or digest; a mirror that does not serve it is down. " +
      "Without registry it is of the first that the mirror mirrors. Default: an image that this node has.",
    examples: ["gcr.io/google-containers/pause:3.2"],
  }),
  maxLatency: duration({ least: "1ms", most: "1m" }).meta({
    description: "A mirror whose answers take longer, in the median of the last five, is down. Default: no limit.",
  }),
};

const probeSchema = section("a map of probe settings", {
  interval: duration({ least: "100ms", most: "1h" }).meta({ description: "Time between two probes. Default: 5s." }),
  timeout: duration({ least: "50ms", most: "1m" }).meta({
    description: "Time for one probe, at most the interval. Default: 2s, or the interval if that is shorter.",
  }),
  fall: count.meta({ description: "Failed probes in a row until an endpoint is down. Default: 2." }),
  rise: count.meta({ description: "Good probes in a row until an endpoint is up again. Default: 2." }),
  ...mirrorProbeKeys,
});

const jitterSchema = section("a map with failover and failback", {
  failover: duration({ least: "0s", most: "1m" }).meta({
    description:
      "Longest wait, by chance, before pulls leave a mirror. Default: 2s, or two fifths of a short interval.",
  }),
  failback: duration({ least: "0s", most: "1h" }).meta({
    description: "Longest wait, by chance, before pulls return to a mirror. Default: 30s, or six short intervals.",
  }),
});

const containerdSchema = section("a map of containerd settings", {
  configPath: path("config.toml", "/etc/containerd").meta({
    description: "containerd's config.toml. Default: the running daemon's.",
  }),
  certsDir: oneFolder("/etc/containerd/certs.d").meta({
    description: "Folder of the hosts.toml files. Default: the running daemon's.",
  }),
  socket: path("containerd.sock", "/run/containerd").meta({
    description: "containerd's socket. Default: the running daemon's.",
  }),
  binary: path("containerd", "/usr/bin").meta({ description: "containerd's binary. Default: the running daemon's." }),
  restart: choice(["when-needed", "never", "on-hang"]).meta({
    description:
      "Whether containerd may be restarted where nothing else will do: when its configuration has to change, and " +
      "with on-hang also when pulls hang at a mirror that is down and cannot be freed. Default: when-needed.",
  }),
  restartCommand: list(
    "a list of words such as [systemctl, restart, containerd.service]",
    z.string(wrong("a text")).min(1, wrong("a text")),
    1,
  ).meta({
    description: "What restarts containerd, without a shell. Default: through systemd.",
    examples: [["systemctl", "restart", "containerd.service"]],
  }),
});

const logSchema = section("a map of log settings", {
  level: choice(["debug", "info", "warn", "error"]).meta({
    description: "Least urgent lines that are logged. Default: info.",
  }),
});

const metricsSchema = section("a map with textfile and listen", {
  textfile: metricsFile("/var/lib/prometheus/node-exporter/mirror-agent.prom").meta({
    description: "File for the textfile collector of Prometheus' node-exporter. Default: none.",
  }),
  listen: listenAddress.meta({
    description: "Loopback address or unix socket where Prometheus may ask for metrics. Default: none.",
    examples: ["127.0.0.1:9464", "unix:/run/mirror-agent/metrics.sock"],
  }),
});

/** All keys of `agent`. */
export const agentSchema = section("a map of settings", {
  failover: choice(["auto", "never"]).meta({
    description: "never: the upstream is never contacted (air gap). Default: auto.",
  }),
  upstreams: z
    .record(registryKey, upstreamSchema, wrong("a map from registry to upstream"))
    .nullish()
    .meta({
      description: "Where registries are, if not at their own names.",
      examples: [{ "gcr.io": { endpoint: "https://gcr.io" } }],
    }),
  probe: probeSchema.nullish().meta({ description: "How endpoints are probed." }),
  jitter: jitterSchema.nullish().meta({ description: "How nodes avoid to change their routes all at once." }),
  containerd: containerdSchema.nullish().meta({ description: "Where containerd is and how it is restarted." }),
  log: logSchema.nullish().meta({ description: "What is logged." }),
  metrics: metricsSchema.nullish().meta({ description: "Metrics for Prometheus. Default: none." }),
})
  .nullish()
  .meta({ description: "Settings of mirror-agent itself." });
