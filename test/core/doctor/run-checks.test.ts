// Each check with the condition that it is for, provoked in a node that is otherwise well.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedContainerd, RunningDaemon } from "../../../src/core/containerd-config/observed-containerd.ts";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";
import { type Check, doctorExitCode } from "../../../src/core/doctor/check.ts";
import type { DoctorFacts, EndpointFacts, HostFacts } from "../../../src/core/doctor/facts.ts";
import { runChecks } from "../../../src/core/doctor/run-checks.ts";
import type { Endpoint } from "../../../src/core/endpoint.ts";
import type { ObservedPlace, Places } from "../../../src/core/explain/hosts-folder.ts";
import { MANAGED_MARK } from "../../../src/core/hosts-toml.ts";
import { NO_PROXY_ENVIRONMENT } from "../../../src/core/proxy.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const DAY = 86_400_000;
const VERSION = { major: 1, minor: 7, patch: 24 };
const CONFIG_TOML = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/c"\n';

const folder = (text: string | null, names: readonly string[] = []): ObservedPlace => ({
  kind: "folder",
  names,
  hostsToml: text === null ? { kind: "missing" } : { kind: "text", text },
});
const HEADER = '[host."https://172.18.0.20:5000".header]\nAuthorization = "Basic c2VjcmV0"\n';
const OURS = folder(`${MANAGED_MARK}\nserver = "https://gcr.io"\n[host."https://172.18.0.20:5000"]\n${HEADER}`);

const DAEMON: RunningDaemon = {
  identity: "boot:1:1",
  pid: 1,
  startedAtMs: 0,
  version: VERSION,
  unit: { name: "containerd.service", killMode: "process" },
  workingFolder: "/",
  criProblem: null,
};

const CONTAINERD: ObservedContainerd = {
  socket: "/run/containerd/containerd.sock",
  daemon: DAEMON,
  binary: "/usr/bin/containerd",
  version: VERSION,
  managedBy: null,
  config: resolveConfig([{ path: "/etc/containerd/config.toml", text: CONFIG_TOML }], VERSION),
  configChangedAtMs: 0,
};

const MIRROR: Endpoint = {
  role: "mirror",
  url: "https://172.18.0.20:5000",
  tls: { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false },
  credentialPath: null,
  gcrKeyPath: null,
  resolveTags: true,
  dialTimeoutMs: null,
};

const answering = (days: number) => {
  const probe = { ok: true, isDeep: false, latencyMs: 2, certificateExpiresAtMs: NOW + days * DAY } as const;
  return probe;
};
const endpoint = (change: Partial<EndpointFacts> = {}): EndpointFacts => ({
  endpoint: MIRROR,
  probe: answering(90),
  credentialProblems: [],
  credentialWarnings: [],
  clockAheadMs: 0,
  ...change,
});

const HOST: HostFacts = {
  system: "Debian 12",
  disks: [{ path: "/var/lib/containerd", freeBytes: 2e10, totalBytes: 1e11, freeInodes: 9e5, totalInodes: 1e6 }],
  inotify: { maxWatches: 65_536, maxInstances: 128, usedInstances: 10 },
  kernel: "6.1.0-18-amd64",
  canAbortSockets: true,
  hasSs: true,
  programs: ["systemd", "containerd"],
  traces: [],
};

const WELL: DoctorFacts = {
  nowMs: NOW,
  config: { path: "/etc/mirror-agent/config.yaml", isValid: true, issues: [], registries: ["gcr.io"] },
  containerd: CONTAINERD,
  takeover: { kind: "settled", because: "containerd reads /c" },
  certs: {
    certsDir: "/c",
    places: new Map([["/c/gcr.io", OURS]]),
    modes: new Map([["/c/gcr.io/hosts.toml", 0o600]]),
    tlsFiles: new Map(),
  },
  endpoints: [endpoint()],
  proxy: NO_PROXY_ENVIRONMENT,
  images: [{ image: "gcr.io/app:1", isAtMirror: true, isAtUpstream: true, haveMirrorsAnswered: true, troubles: [] }],
  agent: {
    statusAtMs: NOW - 1000,
    falls: [],
    stateDir: "/s",
    stateDirMode: 0o700,
    restartOwed: false,
    restartFailed: null,
    freeing: { way: "end", problem: null },
  },
  host: HOST,
};

const finding = (image: string, isAtMirror: boolean, isAtUpstream = false): DoctorFacts["images"][number] => ({
  ...{ image, isAtMirror, isAtUpstream, haveMirrorsAnswered: true, troubles: [] },
});

test("runChecks() takes an agent for one that runs that renews its status once a minute, not to the second", () => {
  const checks = runChecks({ ...WELL, agent: { ...WELL.agent, statusAtMs: NOW - 70_000 } });
  assert.ok(checks.some(({ id, state }) => id === "agent" && state === "ok"));
});

test("runChecks() says which config_path is loaded", () => {
  const takeover = { kind: "settled", because: "the running containerd has loaded it" } as const;
  const check = runChecks({ ...WELL, takeover }).find(({ id }) => id === "config-path");
  assert.equal(check?.found, 'config_path is "/c": the running containerd has loaded it');
});

test("runChecks() does not say that the mirrors have what nobody has", () => {
  const images = [finding("gcr.io/app:1", true), finding("gcr.io/app:2", false)];
  const checks = runChecks({ ...WELL, images }).filter(({ id }) => id === "images");
  assert.deepEqual(
    checks.map(({ state, found }) => [state, found]),
    [["ok", "the mirrors have 1 of 2 images that were looked for, and no upstream has the others"]],
  );
});

test("runChecks() finds nothing wrong with a node that is well", () => {
  const checks = runChecks(WELL);
  assert.deepEqual(
    checks.filter(({ state }) => state !== "ok"),
    [],
  );
  assert.ok(checks.length > 12);
  assert.equal(doctorExitCode(checks), 0);
});

const containerd = (change: Partial<ObservedContainerd>): Partial<DoctorFacts> => ({
  containerd: { ...CONTAINERD, ...change },
});
const daemon = (change: Partial<RunningDaemon>) => containerd({ daemon: { ...DAEMON, ...change } });
const host = (change: Partial<HostFacts>): Partial<DoctorFacts> => ({ host: { ...HOST, ...change } });
const agent = (change: Partial<DoctorFacts["agent"]>): Partial<DoctorFacts> => ({
  agent: { ...WELL.agent, ...change },
});
/** Of which no agent has tried what it can do. */
const oldKernel = (kernel: string, canAbortSockets: boolean | null): Partial<DoctorFacts> => ({
  ...host({ kernel, canAbortSockets }),
  ...agent({ freeing: null }),
});
const certs = (
  entries: Readonly<Record<string, ObservedPlace>>,
  modes: Readonly<Record<string, number>> = {},
): Partial<DoctorFacts> => {
  const places: Places = new Map([["/c/gcr.io", OURS], ...Object.entries(entries)]);
  return { certs: { ...WELL.certs, places, modes: new Map(Object.entries(modes)) } };
};
const failing = (
  reason: "refused" | "dns" | "certificate-expired",
  change: Partial<Endpoint> = {},
): Partial<DoctorFacts> => {
  const probe = { ok: false, reason, detail: "as it is", latencyMs: 1, certificateExpiresAtMs: null } as const;
  return { endpoints: [endpoint({ probe, endpoint: { ...MIRROR, ...change } })] };
};
const certificate = (days: number): Partial<DoctorFacts> => ({
  endpoints: [endpoint({ probe: answering(days) })],
});
const clocks = (...ahead: readonly number[]): Partial<DoctorFacts> => ({
  endpoints: ahead.map((clockAheadMs) => endpoint({ clockAheadMs })),
});
const hollow = (image: string) => ({
  ...{ image, isAtMirror: true, isAtUpstream: true, haveMirrorsAnswered: true },
  troubles: [{ endpoint: "https://m", part: "blob", found: "body-stall: it stops" } as const],
});
const fallen = (minutes: number) => ({ atMs: NOW - minutes * 60_000, endpoint: "https://m", reason: "refused" });
const DRAGONFLY = '[host."http://127.0.0.1:4001"]\ncapabilities = ["pull"]\n[host."http://127.0.0.1:4001"';
const disk = (change: Partial<HostFacts["disks"][number]>) =>
  host({ disks: [{ ...(HOST.disks[0] as HostFacts["disks"][number]), ...change }] });
const proxied = { httpProxy: "", httpsProxy: "http://proxy:3128", noProxy: "" };
const issue = { severity: "error", line: 3, column: 5, at: "", message: "unknown key" } as const;
const colons = resolveConfig([{ path: "/etc/containerd/config.toml", text: CONFIG_TOML.replace("/c", "/a:/b") }], {
  major: 2,
  minor: 1,
  patch: 9,
});
const both = `${CONFIG_TOML}[plugins."io.containerd.grpc.v1.cri".registry.mirrors."gcr.io"]\nendpoint = ["https://m"]\n`;

const ROWS: readonly (readonly [string, Partial<DoctorFacts>, Check["state"], string, RegExp])[] = [
  [
    "a config that is not valid",
    { config: { ...WELL.config, issues: [issue] } },
    "fail",
    "config",
    /line 3, column 5: unknown key/,
  ],
  ["an agent that does not run", agent({ statusAtMs: NOW - 180_000 }), "warn", "agent", /does not run/],
  ["state that others can read", agent({ stateDirMode: 0o755 }), "fail", "agent", /mode 0755/],
  ["no containerd", containerd({ daemon: null, version: null, config: null }), "fail", "containerd", /no containerd/],
  ["an old containerd", containerd({ version: { major: 1, minor: 5, patch: 1 } }), "fail", "containerd", /too old/],
  ["a containerd that does not run", containerd({ daemon: null }), "fail", "containerd", /does not run/],
  [
    "a CRI that does not answer",
    daemon({ criProblem: "unknown service" }),
    "fail",
    "containerd",
    /serves no pulls: unknown service/,
  ],
  [
    "another program on disk",
    daemon({ version: { ...VERSION, patch: 1 } }),
    "warn",
    "containerd",
    /is 1\.7\.24, but 1\.7\.1 runs/,
  ],
  [
    "a unit that ends containers",
    daemon({ unit: { name: "containerd.service", killMode: "mixed" } }),
    "warn",
    "kill-mode",
    /KillMode=mixed/,
  ],
  [
    "mirrors beside config_path",
    containerd({ config: resolveConfig([{ path: "/x.toml", text: both }], VERSION) }),
    "fail",
    "config-toml",
    /registry\.mirrors/,
  ],
  ["several folders on 2.1", containerd({ config: colons }), "warn", "config-toml", /several folders/],
  [
    "routes that are not read",
    { takeover: { kind: "refused", because: "it is k3s's", mend: "use registries.yaml" } },
    "fail",
    "config-path",
    /k3s/,
  ],
  [
    "no config_path, no config",
    { takeover: null, ...containerd({ config: resolveConfig([], VERSION) }) },
    "warn",
    "config-path",
    /not set/,
  ],
  ["a restart that is owed", agent({ restartOwed: true }), "fail", "restart", /has to be restarted/],
  ["a restart that failed", agent({ restartFailed: "it did not come back" }), "fail", "restart", /did not come back/],
  [
    "a file that containerd ignores",
    certs({ "/c/a.io": folder("server = x") }),
    "fail",
    "certs-dir",
    /ignores "\/c\/a\.io\/hosts\.toml"/,
  ],
  [
    "a file without a host table",
    certs({ "/c/a.io": folder('server = "https://a"') }),
    "fail",
    "certs-dir",
    /no \[host\] table/,
  ],
  [
    "a file that names what is not there",
    certs({ "/c/a.io": folder('ca = "/no.pem"\n[host]\n') }),
    "fail",
    "certs-dir",
    /"\/no\.pem" cannot be read: no such file: every pull/,
  ],
  [
    "a folder that hides _default",
    certs({ "/c/a.io": folder(null), "/c/_default": OURS }),
    "warn",
    "certs-dir",
    /hides "\/c\/_default"/,
  ],
  ["a file in a folder's place", certs({ "/c/a.io": { kind: "file" } }), "fail", "certs-dir", /is a file/],
  [
    "a hosts.toml that is a folder",
    certs({
      "/c/a.io": { kind: "folder", names: [], hostsToml: { kind: "unreadable", problem: "it is a directory" } },
    }),
    "fail",
    "certs-dir",
    /every pull fails/,
  ],
  [
    "a path that is doubtful",
    certs({ "/c/a.io": folder('[host."https://m/v2/team"]\n') }),
    "warn",
    "certs-dir",
    /override_path/,
  ],
  [
    "a credential for all to read",
    certs(
      { "/c/a.io": folder('[host."https://m".header]\nAuthorization = "Basic c2VjcmV0"\n') },
      { "/c/a.io/hosts.toml": 0o644 },
    ),
    "fail",
    "certs-dir",
    /mode 0644/,
  ],
  [
    "somebody else's file in ours' place",
    certs({ "/c/gcr.io": folder("[host]\n") }),
    "fail",
    "shadow",
    /is not the agent's/,
  ],
  [
    "no file of ours",
    { certs: { ...WELL.certs, places: new Map() } },
    "fail",
    "shadow",
    /there is no "\/c\/gcr\.io\/hosts\.toml" yet/,
  ],
  ["k3s", containerd({ managedBy: "k3s" }), "fail", "others", /k3s/],
  ["Spegel, by its program", host({ programs: ["spegel"] }), "warn", "others", /Spegel/],
  ["dfinit, by its file", host({ traces: ["/etc/dragonfly/dfinit.yaml"] }), "warn", "others", /Dragonfly/],
  [
    "Spegel, by what it writes",
    certs({
      "/c/a.io": folder("[host.'http://127.0.0.1:30020']\ncapabilities = ['pull', 'resolve']\ndial_timeout = '200ms'"),
    }),
    "warn",
    "others",
    /Spegel writes hosts\.toml files too, and moves all that are there/,
  ],
  [
    "dfinit, by what it writes",
    certs({ "/c/a.io": folder(`${DRAGONFLY}.header]\nX-Dragonfly-Registry = "https://a.io"\n`) }),
    "warn",
    "others",
    /Dragonfly/,
  ],
  ["bmctl, by a comment", certs({ "/c/a.io": folder("# written by bmctl\n[host]\n") }), "warn", "others", /bmctl/],
  ["a mirror that is down", failing("refused"), "fail", "endpoint", /refused: nothing listens there \(as it is\)/],
  ["an upstream that is down", failing("dns", { role: "upstream" }), "warn", "endpoint", /dns/],
  ["a certificate that ended", certificate(-1), "fail", "certificate", /expired on 2025-12-31/],
  ["a certificate that ends soon", certificate(3), "warn", "certificate", /expires on 2026-01-04/],
  [
    "a credential that is refused",
    { endpoints: [endpoint({ credentialWarnings: ["it refuses the credential"] })] },
    "warn",
    "credential",
    /refuses/,
  ],
  [
    "a credential that cannot be read",
    { endpoints: [endpoint({ credentialProblems: ["Cannot read it"] })] },
    "fail",
    "credential",
    /Cannot read it/,
  ],
  ["a clock that is late", clocks(400_000), "fail", "clock", /400 s behind/],
  ["a clock that is early", clocks(-60_000), "warn", "clock", /60 s ahead of/],
  [
    "a mirror behind the proxy",
    { proxy: proxied },
    "warn",
    "proxy",
    /asks its proxy for https:\/\/172\.18\.0\.20:5000/,
  ],
  [
    "an image that only the upstream has",
    {
      images: [
        { image: "gcr.io/app:2", isAtMirror: false, isAtUpstream: true, haveMirrorsAnswered: true, troubles: [] },
      ],
    },
    "warn",
    "images",
    /only the upstream has gcr\.io\/app:2/,
  ],
  [
    "a mirror that lists images and does not deliver them",
    { images: [hollow("gcr.io/app:2"), hollow("gcr.io/app:3")] },
    "fail",
    "contents",
    /mirror https:\/\/m answers, but does not deliver gcr\.io\/app:2: its blob: body-stall.*; 1 other image fails there/,
  ],
  [
    "a mirror that comes and goes",
    agent({ falls: [1, 10, 20, 90].map((minutes) => fallen(minutes)) }),
    "warn",
    "flapping",
    /^https:\/\/m comes and goes: it went down 3 times in the last hour \(refused\)/,
  ],
  ["little space", disk({ freeBytes: 5e8 }), "warn", "space", /only 477 MiB/],
  ["no space", disk({ freeBytes: 5e7 }), "fail", "space", /only 48 MiB/],
  ["few inodes", disk({ freeInodes: 20_000 }), "warn", "inodes", /20000 inodes/],
  ["no inodes", disk({ freeInodes: 10 }), "fail", "inodes", /10 inodes/],
  ["a kernel that keeps connections", oldKernel("4.18.0-553.el8", false), "warn", "free-pulls", /kernel cannot close/],
  ["no ss", host({ hasSs: false }), "warn", "free-pulls", /no ss/],
  [
    "a sandbox that forbids it",
    agent({ freeing: { way: null, problem: "looking at connections is not permitted (AF_NETLINK)" } }),
    "warn",
    "free-pulls",
    /agent cannot free pulls that hang: .*AF_NETLINK/,
  ],
  [
    "inotify in use",
    host({ inotify: { maxWatches: 65_536, maxInstances: 128, usedInstances: 127 } }),
    "warn",
    "inotify",
    /127 of 128/,
  ],
  [
    "few watches",
    host({ inotify: { maxWatches: 100, maxInstances: 128, usedInstances: 1 } }),
    "warn",
    "inotify",
    /only 100 files/,
  ],
];

for (const [name, change, state, id, found] of ROWS) {
  test(`runChecks() finds ${name}, and says what mends it`, () => {
    const checks = runChecks({ ...WELL, ...change });
    const check = checks.find((candidate) => candidate.id === id && found.test(candidate.found));
    assert.ok(
      check,
      JSON.stringify(
        checks.filter((candidate) => candidate.state !== "ok"),
        null,
        1,
      ),
    );
    assert.equal(check.state, state);
    assert.ok(check.mend);
    assert.equal(doctorExitCode(checks), state === "fail" ? 1 : 0);
    assert.doesNotMatch(JSON.stringify(checks), /c2VjcmV0/);
  });
}

for (const [name, change, found] of [
  ["the agent ends connections", agent({ freeing: { way: "end", problem: null } }), /agent can end/],
  ["the agent aborts connections", agent({ freeing: { way: "abort", problem: null } }), /agent can abort/],
  ["no agent runs, and the kernel can end", oldKernel("5.6.0", false), /kernel can close/],
  ["no agent runs, and the kernel can abort", oldKernel("5.5.19-200.fc31", true), /kernel can close/],
  ["no agent runs, and nothing is known", oldKernel("4.18.0-553.el8", null), /not known/],
] as const) {
  test(`runChecks() finds nothing wrong with freeing pulls where ${name}`, () => {
    const [check, ...others] = runChecks({ ...WELL, ...change }).filter(({ id }) => id === "free-pulls");
    assert.deepEqual([check?.state, others], ["ok", []]);
    assert.match(check?.found ?? "", found);
  });
}
