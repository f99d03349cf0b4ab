// A node's status on an ordinary day, and on a bad one.

import type { Status, StatusEndpoint, StatusTransition } from "../../src/report/status.ts";

export const NOW = "2026-01-02T03:15:12.000Z";

const A = "https://172.18.0.20:5000/v2/team-a";
const B = "https://registry-mirror-01.frankfurt.example.com:5000/v2/platform-team";
const DOCKER = "https://registry-1.docker.io";

const up: StatusEndpoint = {
  endpoint: A,
  role: "mirror",
  state: "up",
  since: "2025-12-30T01:10:00.000Z",
  reason: null,
  detail: null,
  latencyMs: 2.4,
  certificateExpiresAt: "2030-01-01T00:00:00.000Z",
  credential: null,
};

const changes: readonly StatusTransition[] = [
  {
    at: "2026-01-01T22:05:10.000Z",
    endpoint: B,
    role: "mirror",
    from: "down",
    to: "up",
    reason: null,
    lastedMs: 195_000,
  },
  {
    at: "2026-01-01T22:01:55.000Z",
    endpoint: B,
    role: "mirror",
    from: "up",
    to: "down",
    reason: "server-error",
    lastedMs: 3 * 86_400_000,
  },
  {
    at: "2025-12-30T01:10:00.000Z",
    endpoint: A,
    role: "mirror",
    from: "unknown",
    to: "down",
    reason: "refused",
    lastedMs: null,
  },
];

const credential = {
  kind: "header",
  because: "the registry takes basic credentials directly",
  problem: null,
} as const;

export const ORDINARY: Status = {
  schema: 1,
  updatedAt: "2026-01-02T03:15:08.000Z",
  config: {
    path: "/etc/mirror-agent/config.yaml",
    state: "applied",
    issues: [],
    appliedAt: "2025-12-30T01:09:58.000Z",
  },
  containerd: { version: "1.7.24", inEffect: true, problem: null, restartOwed: false, lastRestartAt: null },
  endpoints: [
    { ...up, credential },
    { ...up, endpoint: B, since: "2026-01-01T22:05:10.000Z", latencyMs: 11.7 },
  ],
  routes: [
    { registry: "gcr.io", endpoints: [A, B], upstream: "https://gcr.io", failedOver: false, upstreamCredential: null },
    { registry: "docker.io", endpoints: [B], upstream: DOCKER, failedOver: false, upstreamCredential: null },
  ],
  transitions: changes,
};

export const BAD_DAY: Status = {
  ...ORDINARY,
  config: {
    ...ORDINARY.config,
    state: "rejected",
    issues: [{ severity: "error", line: 3, column: 5, at: "", message: '"hots" is not a key, did you mean "hosts"' }],
  },
  containerd: {
    ...ORDINARY.containerd,
    inEffect: false,
    problem: 'config_path is not set in "/etc/containerd/config.toml"; restart containerd when it suits you',
    restartOwed: true,
  },
  endpoints: [
    { ...up, certificateExpiresAt: "2026-01-06T03:15:12.000Z" },
    {
      ...up,
      endpoint: B,
      state: "down",
      since: "2026-01-02T03:14:30.000Z",
      reason: "response-timeout",
      detail: "no answer to the request within 2000 ms",
    },
    { ...up, endpoint: "https://10.0.0.7:8443/v2/spare", state: "unknown", latencyMs: null },
    { ...up, endpoint: DOCKER, role: "upstream", since: "2026-01-02T03:14:28.000Z", latencyMs: 41.7 },
  ],
  routes: [
    { registry: "gcr.io", endpoints: [A], upstream: "https://gcr.io", failedOver: false, upstreamCredential: null },
    { registry: "docker.io", endpoints: [], upstream: DOCKER, failedOver: true, upstreamCredential: null },
  ],
  transitions: [
    {
      at: "2026-01-02T03:14:30.000Z",
      endpoint: B,
      role: "mirror",
      from: "up",
      to: "down",
      reason: "response-timeout",
      lastedMs: 5 * 3_600_000,
    },
    ...changes,
  ],
};
