// Every metric that there is, once: names and units as Prometheus asks (prometheus.io/docs/practices/naming), and what
// each tells. docs/operations.md lists them; the alert rules and the dashboard in packaging/monitoring use no others.

/** What stands for endpoints or registries that share a series: the one that needs attention. */
export type Merge = "least" | "most";

interface MetricBase {
  readonly help: string;
  readonly labels: readonly string[];
}

export type Metric = MetricBase &
  (
    | { readonly type: "counter" }
    | { readonly type: "gauge"; readonly merge: Merge }
    | { readonly type: "histogram"; readonly buckets: readonly number[] }
  );

const ENDPOINT = ["endpoint", "role"];
const REGISTRY = ["registry"];
/** From a mirror in the same rack to the longest sensible time for a probe. */
const PROBE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5];

export const METRIC_PREFIX = "mirror_agent_";

/** By name without METRIC_PREFIX. */
export const METRICS = {
  build_info: gauge("The program and its runtime; always 1.", ["version", "node_version"]),
  start_timestamp_seconds: gauge("When the agent started."),
  last_pass_success_timestamp_seconds: gauge(
    "When config and node were last gone through without an error, which is every minute at the latest.",
    [],
    "least",
  ),
  passes_failed_total: counter("Passes that ended with an error, because the node could not be read or written."),

  endpoint_up: gauge(
    "1 while the endpoint is up, 0 while it is down; absent while neither is known.",
    ENDPOINT,
    "least",
  ),
  endpoint_state_timestamp_seconds: gauge("When the endpoint came up or went down.", ENDPOINT, "most"),
  endpoint_transitions_total: counter("How often the endpoint went down, for which reason, and came up again.", [
    ...ENDPOINT,
    "to",
    "reason",
  ]),
  probe_duration_seconds: histogram("How long probes of the endpoint took, also those that failed.", ENDPOINT),
  probes_failed_total: counter("Probes of the endpoint that failed, by reason.", [...ENDPOINT, "reason"]),
  certificate_expiry_timestamp_seconds: gauge(
    'When the certificate that the endpoint shows ("server") ends, or the last one in a file that the config names for it ("ca", "client").',
    [...ENDPOINT, "certificate"],
    "least",
  ),
  credential_ok: gauge(
    "1 if the credential that the config names for the endpoint can be used, else 0; absent where it names none.",
    ENDPOINT,
    "least",
  ),
  token_expiry_timestamp_seconds: gauge(
    "When the access token for the endpoint ends; it is renewed at half of its life.",
    ENDPOINT,
    "least",
  ),
  pulls_freed_total: counter(
    "Connections of containerd to the endpoint that made no progress and were closed, so that pulls go on.",
    ENDPOINT,
  ),

  registry_failed_over: gauge(
    "1 while the mirrors of the registry are left out and the upstream alone serves it.",
    REGISTRY,
    "most",
  ),
  registry_unserved: gauge(
    "1 while mirrors that are down stay in use for the registry, since nothing else is known to answer.",
    REGISTRY,
    "most",
  ),
  registry_mirrors_used: gauge("How many mirrors pulls of the registry are sent to.", REGISTRY, "least"),
  failovers_total: counter("How often pulls of the registry left its mirrors for the upstream.", REGISTRY),
  failed_over_seconds_total: counter("How long the upstream alone served the registry.", REGISTRY),

  config_state: gauge('1 for the state that the config is in: "applied", "rejected" or "pending".', ["state"]),
  config_applied_timestamp_seconds: gauge("When the config in force was put into force."),
  containerd_reads_routes: gauge("1 while containerd reads the routes that the agent writes, else 0."),
  containerd_restart_owed: gauge("1 while containerd has to be restarted, which the agent leaves to you, else 0."),
  containerd_restarts_total: counter("Restarts of containerd by the agent that went well."),
  containerd_restarts_failed_total: counter(
    "Changes of containerd's configuration that it did not come back with, and that were undone.",
  ),
  containerd_last_restart_timestamp_seconds: gauge("When the agent last restarted containerd."),
  drift_repairs_total: counter("Files of the agent that something else had changed and that were repaired."),
  drift_given_up_total: counter("Files of the agent that something else changed again and again, until it gave up."),
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
type NamesOf<Type extends Metric["type"]> = {
  [Name in MetricName]: (typeof METRICS)[Name] extends { type: Type } ? Name : never;
}[MetricName];
export type CounterName = NamesOf<"counter">;
export type GaugeName = NamesOf<"gauge">;

export type Labels = Readonly<Record<string, string>>;

/** The value of a gauge now. */
export interface Sample {
  readonly name: GaugeName;
  readonly labels: Labels;
  readonly value: number;
}

/** So much more on a counter; `by: 0` only shows it. */
export interface Increment {
  readonly name: CounterName;
  readonly labels: Labels;
  readonly by: number;
}

function counter(help: string, labels: readonly string[] = []) {
  return { type: "counter", help, labels } as const;
}

function gauge(help: string, labels: readonly string[] = [], merge: Merge = "most") {
  return { type: "gauge", help, labels, merge } as const;
}

function histogram(help: string, labels: readonly string[]) {
  return { type: "histogram", help, labels, buckets: PROBE_SECONDS } as const;
}
