import assert from "node:assert/strict";
import { test } from "node:test";
import { endpointKey } from "../../src/core/endpoint.ts";
import { compileRoutes, decideRoute, type Route, upstreamsThatMatter } from "../../src/core/routes.ts";
import { AGENT_DEFAULTS, config, endpoint, mirror } from "./samples.ts";

const urls = (endpoints: readonly { url: string }[]) => endpoints.map(({ url }) => url);

test("compileRoutes() keeps the order of the file for each registry", () => {
  const routes = compileRoutes(
    config({
      mirrors: [
        mirror("https://a:5000", { hosts: ["gcr.io", "docker.io"] }),
        mirror("https://b:5000", { hosts: ["docker.io"] }),
        mirror("https://c:5000/v2/team", { hosts: ["gcr.io"] }),
      ],
    }),
  );
  assert.deepEqual(
    routes.map((route) => [route.registry, urls(route.mirrors), route.upstream?.url]),
    [
      ["gcr.io", ["https://a:5000", "https://c:5000/v2/team"], "https://gcr.io"],
      ["docker.io", ["https://a:5000", "https://b:5000"], "https://registry-1.docker.io"],
    ],
  );
});

test('compileRoutes() gives "*" mirrors to named registries in file order, and to _default', () => {
  const routes = compileRoutes(
    config({ mirrors: [mirror("https://all", { hosts: ["*"] }), mirror("https://g", { hosts: ["gcr.io"] })] }),
  );
  assert.deepEqual(
    routes.map((route) => [route.registry, urls(route.mirrors)]),
    [
      ["gcr.io", ["https://all", "https://g"]],
      ["_default", ["https://all"]],
    ],
  );
});

test("compileRoutes() leaves a private registry without mirrors even when another mirror serves all", () => {
  const routes = compileRoutes(
    config({
      mirrors: [mirror("https://all", { hosts: ["*"] })],
      privateRegistries: [{ host: "corp:5000", caCertPath: "/ca.pem", pullCredentialConfigPath: null }],
    }),
  );
  const own = routes.find((route) => route.registry === "corp:5000");
  assert.deepEqual(own?.mirrors, []);
  assert.equal(own?.upstream?.tls.caCertPath, "/ca.pem");
});

test("compileRoutes() tells a credential file that a registry names from the one that all share", () => {
  const own = { host: "corp:5000", caCertPath: null, pullCredentialConfigPath: "/own.json" };
  const shared = { ...own, host: "other:5000", pullCredentialConfigPath: null };
  const routes = compileRoutes(config({ privateRegistries: [own, shared], privateRegistryConfigPath: "/shared.json" }));
  const found = routes.map(({ upstream }) => [upstream?.credentialPath, upstream?.isCredentialOwn]);
  assert.deepEqual(found, [
    ["/own.json", true],
    ["/shared.json", undefined],
  ]);
});

test("compileRoutes() names no upstream when failover is never", () => {
  const [route] = compileRoutes(
    config({ mirrors: [mirror("https://a")], agent: { ...AGENT_DEFAULTS, failover: "never" } }),
  );
  assert.equal(route?.upstream, null);
});

test("compileRoutes() leads to a private registry without mirrors also when failover is never, and to no other", () => {
  const agent = { ...AGENT_DEFAULTS, failover: "never" } as const;
  const own = { host: "corp:5000", caCertPath: "/ca.pem", pullCredentialConfigPath: null };
  const routes = compileRoutes(config({ privateRegistries: [own], gcrKeyPath: "/key.json", agent }));
  assert.deepEqual(
    routes.map(({ registry, upstream }) => [registry, upstream?.url, upstream?.tls.caCertPath]),
    [["corp:5000", "https://corp:5000", "/ca.pem"]],
  );
});

for (const [registry, upstream] of [
  ["localhost:5000", "http://localhost:5000"],
  ["127.0.0.1:5000", "http://127.0.0.1:5000"],
  ["[::1]:5000", "http://[::1]:5000"],
  ["localhost.corp", "https://localhost.corp"],
] as const) {
  test(`compileRoutes() finds the upstream of ${registry} at ${upstream}`, () => {
    const [route] = compileRoutes(config({ mirrors: [mirror("https://a", { hosts: [registry] })] }));
    assert.equal(route?.upstream?.url, upstream);
  });
}

test("compileRoutes() opens Google's registries with the service-account key, others with the Docker config", () => {
  const routes = compileRoutes(
    config({
      mirrors: [mirror("https://a", { hosts: ["gcr.io", "eu.gcr.io", "us-docker.pkg.dev", "docker.io", "notgcr.io"] })],
      gcrKeyPath: "/key.json",
      privateRegistryConfigPath: "/docker.json",
    }),
  );
  assert.deepEqual(
    routes.map(({ upstream }) => upstream?.gcrKeyPath ?? upstream?.credentialPath),
    ["/key.json", "/key.json", "/key.json", "/docker.json", "/docker.json"],
  );
});

const A = endpoint("https://a");
const B = endpoint("https://b");
const UPSTREAM = endpoint("https://gcr.io", { role: "upstream" });
const ROUTE: Route = { registry: "gcr.io", mirrors: [A, B], upstream: UPSTREAM };

interface Row {
  name: string;
  states: readonly ["up" | "down" | "unknown", "up" | "down" | "unknown", "up" | "down" | "unknown"];
  wasOut?: readonly string[];
  mirrors: readonly string[];
  failedOver?: boolean;
  doubted?: boolean;
  upstream?: null;
}

const rows: Row[] = [
  { name: "uses all mirrors while all are up", states: ["up", "up", "unknown"], mirrors: ["https://a", "https://b"] },
  { name: "uses unknown mirrors", states: ["unknown", "unknown", "unknown"], mirrors: ["https://a", "https://b"] },
  { name: "leaves a down mirror out while another is up", states: ["down", "up", "down"], mirrors: ["https://b"] },
  { name: "keeps the order of those left", states: ["up", "down", "unknown"], mirrors: ["https://a"] },
  {
    name: "does not trust an unknown mirror to replace a down one",
    states: ["down", "unknown", "unknown"],
    mirrors: ["https://a", "https://b"],
    doubted: true,
  },
  {
    name: "goes to the upstream when every mirror is down",
    states: ["down", "down", "up"],
    mirrors: [],
    failedOver: true,
  },
  {
    name: "stays when nothing answers",
    states: ["down", "down", "down"],
    mirrors: ["https://a", "https://b"],
    doubted: true,
  },
  {
    name: "stays failed over when the upstream dies as well",
    states: ["down", "down", "down"],
    wasOut: ["mirror https://a", "mirror https://b"],
    mirrors: [],
    failedOver: true,
    doubted: true,
  },
  {
    name: "stays on the other mirror when that dies as well",
    states: ["down", "down", "down"],
    wasOut: ["mirror https://a"],
    mirrors: ["https://b"],
    doubted: true,
  },
  {
    name: "takes a mirror back",
    states: ["up", "down", "up"],
    wasOut: ["mirror https://a", "mirror https://b"],
    mirrors: ["https://a"],
  },
  {
    name: "keeps down mirrors when there is no upstream to go to",
    states: ["down", "down", "up"],
    upstream: null,
    mirrors: ["https://a", "https://b"],
    doubted: true,
  },
  {
    name: "takes down mirrors back when there is no upstream to go to any more",
    states: ["down", "down", "up"],
    wasOut: ["mirror https://a", "mirror https://b"],
    upstream: null,
    mirrors: ["https://a", "https://b"],
    doubted: true,
  },
];

for (const { name, states, wasOut = [], mirrors, failedOver = false, doubted = false, upstream } of rows) {
  test(`decideRoute() ${name}`, () => {
    const byKey = new Map([A, B, UPSTREAM].map((each, index) => [endpointKey(each), states[index]]));
    const decision = decideRoute(upstream === null ? { ...ROUTE, upstream } : ROUTE, {
      stateOf: (each) => byKey.get(endpointKey(each)) ?? "unknown",
      wasOut: new Set(wasOut),
    });
    assert.deepEqual(urls(decision.mirrors), mirrors);
    assert.equal(decision.failedOver, failedOver);
    assert.equal(decision.doubted, doubted);
    assert.deepEqual([...decision.mirrors, ...decision.out].length, 2);
  });
}

test("upstreamsThatMatter() names an upstream once, and only beside a mirror in need", () => {
  const routes = [ROUTE, { ...ROUTE, registry: "k8s.gcr.io" }, { ...ROUTE, registry: "x", upstream: null }];
  assert.deepEqual(
    upstreamsThatMatter(routes, (each) => each.url === "https://b"),
    [UPSTREAM],
  );
  assert.deepEqual(
    upstreamsThatMatter(routes, () => false),
    [],
  );
});
