import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { renderStatus } from "../../src/report/render-status.ts";
import { type Status, type StatusEndpoint, statusExitCode, summarise } from "../../src/report/status.ts";

process.env.TZ = "UTC";

const NOW = "2026-01-01T03:15:12.000Z";
const nowMs = Date.parse(NOW);

const up: StatusEndpoint = {
  endpoint: "https://172.18.0.20:5000/v2/team-a",
  role: "mirror",
  state: "up",
  since: "2025-12-31T23:10:12.000Z",
  reason: null,
  detail: null,
  latencyMs: 2.4,
  certificateExpiresAt: "2030-01-01T00:00:00.000Z",
  credential: null,
};
const down: StatusEndpoint = {
  ...up,
  endpoint: "https://172.18.0.21:5000/v2/a-very-very-long-namespace",
  state: "down",
  since: "2026-01-01T03:12:00.000Z",
  reason: "response-timeout",
  detail: "no answer within 2 s",
};
const upstream: StatusEndpoint = {
  ...up,
  endpoint: "https://gcr.io",
  role: "upstream",
  latencyMs: 41.7,
  certificateExpiresAt: "2026-01-06T03:15:12.000Z",
};

const HEALTHY: Status = {
  schema: 1,
  updatedAt: NOW,
  config: {
    path: "/etc/mirror-agent/config.yaml",
    state: "applied",
    issues: [],
    appliedAt: "2026-01-01T03:10:12.000Z",
  },
  containerd: { version: "1.7.24", inEffect: true, problem: null, restartOwed: false, lastRestartAt: null },
  endpoints: [up],
  routes: [
    {
      registry: "docker.io",
      endpoints: [up.endpoint],
      upstream: "https://registry-1.docker.io",
      failedOver: false,
      upstreamCredential: null,
    },
  ],
};

const BROKEN: Status = {
  ...HEALTHY,
  config: {
    ...HEALTHY.config,
    state: "rejected",
    issues: [{ severity: "error", line: 3, column: 5, at: "", message: '"hots" is not a key, did you mean "hosts"' }],
  },
  containerd: { ...HEALTHY.containerd, inEffect: false, problem: "config_path is not set" },
  endpoints: [
    up,
    down,
    { ...down, endpoint: "https://new", state: "unknown", reason: null, detail: null, latencyMs: null },
    upstream,
  ],
  routes: [
    ...HEALTHY.routes,
    { registry: "gcr.io", endpoints: [], upstream: "https://gcr.io", failedOver: true, upstreamCredential: null },
    {
      registry: "_default",
      endpoints: [up.endpoint],
      upstream: "https://registry-1.docker.io",
      failedOver: false,
      upstreamCredential: null,
    },
  ],
};

const plain = { colour: false, width: 80, nowMs };

test("renderStatus() shows a healthy node", () => {
  assert.equal(
    renderStatus(HEALTHY, plain),
    `\
1 mirror up

config      /etc/mirror-agent/config.yaml, applied 5 m ago
containerd  1.7.24, reads the routes

ENDPOINT                            STATE  FOR
https://172.18.0.20:5000/v2/team-a  up     4 h 5 m  2.4 ms

REGISTRY   PULLS GO TO
docker.io  https://172.18.0.20:5000/v2/team-a, https://registry-1.docker.io
`,
  );
});

test("renderStatus() shows everything that is wrong within 80 columns", () => {
  const text = renderStatus(BROKEN, plain);
  assert.equal(
    text,
    `\
1 mirror up, 1 down, 1 unknown
gcr.io fails over to upstream since 03:12
config rejected, the last good one is in force
containerd does not read the routes

config      /etc/mirror-agent/config.yaml, rejected
            line 3, column 5: "hots" is not a key, did you mean "hosts"
containerd  1.7.24, does not read the routes: config_path is not set

ENDPOINT                                     STATE    FOR
https://172.18.0.20:5000/v2/team-a           up       4 h 5 m   2.4 ms
172.18.0.21:5000…a-very-very-long-namespace  down     3 m 12 s  response-timeout
  no answer within 2 s
https://new                                  unknown  3 m 12 s
https://gcr.io (upstream)                    up       4 h 5 m   42 ms
  the certificate expires in 5 d

REGISTRY   PULLS GO TO
docker.io  https://172.18.0.20:5000/v2/team-a, https://registry-1.docker.io
gcr.io     https://gcr.io (failed over)
_default   https://172.18.0.20:5000/v2/team-a
`,
  );
});

test("renderStatus() keeps within a narrower terminal", () => {
  const lines = renderStatus(BROKEN, { ...plain, width: 60 }).split("\n");
  const table = lines.slice(lines.findIndex((line) => line.startsWith("ENDPOINT")));
  assert.ok(table.every((line) => line.length <= 60));
});

test("renderStatus() says when the status is old", () => {
  assert.match(
    renderStatus(HEALTHY, { ...plain, nowMs: nowMs + 300_000 }),
    /\nThis is 5 m old: mirror-agent is not running, or hangs\n/,
  );
});

test("renderStatus() keeps 1,000 registries on one screen", () => {
  const routes = Array.from({ length: 1000 }, (_, i) => ({
    registry: `r${i}.io`,
    endpoints: [up.endpoint],
    upstream: null,
    failedOver: false,
    upstreamCredential: null,
  }));
  const text = renderStatus({ ...HEALTHY, routes }, plain);
  assert.match(text, /\nr0\.io, r1\.io, r2\.io and 997 more {2}https:\/\/172/);
  assert.ok(text.split("\n").length < 24);
});

test("renderStatus() colours the same text", () => {
  const text = renderStatus(BROKEN, { ...plain, colour: true });
  assert.ok(text.includes("\x1b[31mdown"));
  assert.equal(stripVTControlCharacters(text), renderStatus(BROKEN, plain));
});

const SUMMARIES: Record<string, readonly [Status, string]> = {
  "a healthy node": [HEALTHY, "1 mirror up"],
  "no mirrors": [{ ...HEALTHY, endpoints: [] }, "no mirrors"],
  "a config that was rejected while none is in force": [
    { ...BROKEN, endpoints: [], routes: [], containerd: HEALTHY.containerd },
    "no mirrors; config rejected, none is in force",
  ],
  "failover on another day": [
    { ...HEALTHY, endpoints: [{ ...down, since: "2025-12-31T22:05:00.000Z" }], routes: BROKEN.routes },
    "0 mirrors up, 1 down; gcr.io fails over to upstream since 2025-12-31 22:05",
  ],
};

for (const [name, [status, text]] of Object.entries(SUMMARIES)) {
  test(`summarise() tells ${name}`, () => assert.equal(summarise(status), text));
}

test("statusExitCode() is 1 when something is down, rejected or not in effect", () => {
  const worse: readonly Status[] = [
    { ...HEALTHY, endpoints: [down] },
    { ...HEALTHY, config: { ...HEALTHY.config, state: "rejected" } },
    { ...HEALTHY, containerd: { ...HEALTHY.containerd, inEffect: false } },
  ];
  assert.equal(statusExitCode(HEALTHY), 0);
  assert.deepEqual(worse.map(statusExitCode), [1, 1, 1]);
});

test("renderStatus() shows how credentials reach containerd, the upstream's too, and what is wrong with one", () => {
  const direct = { kind: "header", because: "the registry takes basic credentials directly", problem: null } as const;
  const lost = {
    kind: "anonymous",
    because: "no credential is configured",
    problem: 'Cannot read "/x": gone',
  } as const;
  const status: Status = {
    ...HEALTHY,
    endpoints: [{ ...up, credential: direct }],
    routes: HEALTHY.routes.map((route) => ({ ...route, upstreamCredential: lost })),
  };
  const text = renderStatus(status, plain);
  assert.match(text, /^1 mirror up\n1 credential does not work\n/);
  assert.ok(
    text.endsWith(`
CREDENTIAL
https://172.18.0.20:5000/v2/team-a
  in hosts.toml: the registry takes basic credentials directly
https://registry-1.docker.io
  Cannot read "/x": gone
`),
    text,
  );
  assert.equal(statusExitCode(status), 1);
  assert.equal(statusExitCode({ ...status, routes: HEALTHY.routes }), 0);
});
