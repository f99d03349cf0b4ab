// The agent finds out what each registry takes and hands containerd the credentials of the files that its config
// names. Real containerds pull through every kind of mirror, and past it from every kind of upstream, while access
// tokens of seconds come and go; every server keeps what it was sent.

import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type LabAgent, startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Containerd, forgetImage, startContainerd } from "../lab/containerd.ts";
import {
  findStrays,
  type GooglePlace,
  type GuardedPlace,
  type GuardKind,
  startGooglePlace,
  startGuardedPlace,
  writeDockerConfig,
  writeSecretFile,
} from "../lab/credential-node.ts";
import { startGoogleServer } from "../lab/google-server.ts";
import { carrying, type GuardedRegistry, googleGuard } from "../lab/guarded-registry.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, type ContainerdVersion, labMissing } from "../lab/parts.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const files = makeImageFiles("lab/hello", "1.0");
const PROBE = "probe: { interval: 500ms, timeout: 500ms }";

/** What needs no edit of config.toml: that costs a restart, and is another scenario. */
const kindsFor = (version: ContainerdVersion): GuardKind[] =>
  version === "2.1"
    ? ["open", "passwords", "tokens-or-passwords", "tokens-alone"]
    : ["open", "passwords", "tokens-or-passwords"];

interface Route {
  readonly registry: string;
  readonly mirror: GuardedPlace;
  readonly upstream: GuardedPlace | GooglePlace;
}

interface Scene {
  readonly mirrors: readonly GuardedPlace[];
  readonly upstreams: readonly GuardedPlace[];
  readonly google: GooglePlace;
  readonly routes: readonly Route[];
  readonly config: string;
}

async function startScene(workspace: Workspace, version: ContainerdVersion): Promise<Scene> {
  const start = (role: "mirror" | "upstream") =>
    Promise.all(kindsFor(version).map((kind) => startGuardedPlace(workspace, { role, kind, tls, files })));
  const [mirrors, upstreams, google] = await Promise.all([
    start("mirror"),
    start("upstream"),
    startGooglePlace(workspace, { tls, files }),
  ]);
  google.google.lifetimeS = 4;
  const routes = mirrors.flatMap((mirror) => [
    ...upstreams.map((upstream) => ({ registry: `${mirror.name}.${upstream.name}.test`, mirror, upstream })),
    { registry: mirror === mirrors[0] ? "gcr.io" : `${mirror.name}.gcr.io`, mirror, upstream: google },
  ]);
  return {
    mirrors,
    upstreams,
    google,
    routes,
    config: await writeConfig(workspace, { mirrors, upstreams, google, routes }),
  };
}

async function writeConfig(
  workspace: Workspace,
  { mirrors, upstreams, google, routes }: Omit<Scene, "config">,
): Promise<string> {
  const ca = await workspace.file("ca.pem", authority?.cert ?? "");
  const listed = mirrors.map(async (mirror) => {
    const hosts = routes.filter((route) => route.mirror === mirror).map(({ registry }) => registry);
    const path = await writeDockerConfig(workspace, `${mirror.name}.json`, [mirror]);
    return `  - { endpoint: "${mirror.registry.url}", hosts: [${hosts}], caCertPath: ${ca}, pullCredentialConfigPath: ${path} }\n`;
  });
  const places = routes.map(
    ({ registry, upstream }) => `    ${registry}: { endpoint: "${upstream.registry.url}", caCertPath: ${ca} }\n`,
  );
  return [
    "registryMirrors:\n",
    ...(await Promise.all(listed)),
    `gcrKeyPath: ${await writeSecretFile(workspace, "key.json", google.google.keyJson)}\n`,
    `privateRegistryConfigPath: ${await writeDockerConfig(workspace, "upstreams.json", upstreams)}\n`,
    `agent:\n  ${PROBE}\n  upstreams:\n`,
    ...places,
  ].join("");
}

async function pull(containerd: Containerd, registry: string): Promise<void> {
  const image = `${registry}/lab/hello:1.0`;
  await containerd.cri.pullImage(image, { timeoutMs: 10_000 });
  await forgetImage(containerd, image);
}

/** Pulls, and gives the servers of those that served blobs for it. */
async function pullFrom(
  containerd: Containerd,
  registry: string,
  servers: readonly GuardedRegistry[],
): Promise<readonly string[]> {
  const before = servers.map(countBlobs);
  await pull(containerd, registry);
  return servers.filter((server, index) => countBlobs(server) > (before[index] ?? 0)).map(({ url }) => url);
}

const countBlobs = ({ received }: GuardedRegistry): number =>
  received.filter(({ path }) => path.includes("/blobs/")).length;

/** Once every registry has said what it takes, the files are what they will be. */
async function untilSettled(agent: LabAgent): Promise<void> {
  await agent.untilStatus(
    ({ endpoints, routes }) =>
      endpoints.every(({ state, credential }) => state === "up" && !credential?.because.includes("not said")) &&
      routes.every(({ upstreamCredential }) => !upstreamCredential?.because.includes("not said")),
  );
}

for (const version of CONTAINERD_VERSIONS) {
  test(`run gives containerd ${version} the credentials of every mirror and upstream, and nobody else gets to see them`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const { mirrors, upstreams, google, routes, config } = await startScene(workspace, version);
    const servers = [...mirrors, ...upstreams, google].map(({ registry }) => registry);
    const containerd = await startContainerd(workspace, { version });
    const agent = await startAgent(workspace, { root: containerd.dir, config });
    await untilSettled(agent);
    for (const { registry, mirror } of routes) {
      assert.deepEqual(await pullFrom(containerd, registry, servers), [mirror.registry.url], registry);
    }

    for (const { registry } of mirrors) await registry.close();
    await agent.untilStatus((status) => status.routes.every(({ failedOver }) => failedOver));
    for (const { registry, upstream } of routes) {
      assert.deepEqual(await pullFrom(containerd, registry, servers), [upstream.registry.url], registry);
    }

    assert.ok(google.google.tokens.length >= 3, `${google.google.tokens.length} access tokens in the course of it`);
    assert.ok(!google.google.admits(google.google.tokens[0] ?? ""), "the first one has ended");
    const guarded = [...mirrors, ...upstreams];
    const all = [...guarded.flatMap(({ allowed }) => allowed), google.registry, google.google];
    assert.deepEqual(findStrays(guarded, all), []);
    const others = all.filter((server) => server !== google.registry && server !== google.google);
    const key = (JSON.parse(google.google.keyJson) as { private_key: string }).private_key.slice(100, 150);
    assert.deepEqual(
      all.flatMap((server) => carrying(server, key)),
      [],
    );
    for (const token of google.google.tokens) {
      assert.deepEqual(
        others.flatMap((server) => carrying(server, token)),
        [],
      );
    }
    for (const { secret } of guarded) assert.ok(!agent.lines.some((line) => line.includes(secret)));
  });
}

/** Milliseconds until a registry's hosts.toml holds a text. */
async function untilHostsHold(containerd: Containerd, registry: string, text: string): Promise<number> {
  const path = join(containerd.certsDir, registry, "hosts.toml");
  const start = performance.now();
  while (!(await readFile(path, "utf8")).includes(text)) {
    if (performance.now() - start > 5000) throw new Error(`${path} does not come to hold what it should`);
    await delay(5);
  }
  return performance.now() - start;
}

const headerOf = (place: GuardedPlace): string =>
  Buffer.from(`${place.tokens.account.username}:${place.tokens.account.password}`).toString("base64");

test("run brings a changed password and a replaced key to containerd within a second, and restarts nothing", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const mirror = await startGuardedPlace(workspace, { role: "mirror", kind: "passwords", tls, files });
  const empty = await startGuardedPlace(workspace, { role: "mirror", kind: "passwords", tls, files: new Map() });
  const google = await startGooglePlace(workspace, { tls, files });
  const ca = await workspace.file("ca.pem", authority?.cert ?? "");
  const key = await writeSecretFile(workspace, "key.json", google.google.keyJson);
  const [first, second] = [
    await writeDockerConfig(workspace, "empty.json", [empty]),
    await writeDockerConfig(workspace, "mirror.json", [mirror]),
  ];
  const config = `registryMirrors:
  - { endpoint: "${empty.registry.url}", caCertPath: ${ca}, pullCredentialConfigPath: ${first} }
  - { endpoint: "${mirror.registry.url}", caCertPath: ${ca}, pullCredentialConfigPath: ${second} }
gcrKeyPath: ${key}
agent:
  ${PROBE}
  containerd: { restartCommand: [touch, ${workspace.dir}/restarted] }
  upstreams: { gcr.io: { endpoint: "${google.registry.url}", caCertPath: ${ca} } }
`;
  const containerd = await startContainerd(workspace, { version: "1.7" });
  const agent = await startAgent(workspace, { root: containerd.dir, config });
  const servers = [mirror, google].map(({ registry }) => registry);
  const assertPullsFrom = async (url: string) => assert.deepEqual(await pullFrom(containerd, "gcr.io", servers), [url]);
  await untilSettled(agent);
  await assertPullsFrom(mirror.registry.url);
  assert.ok(
    empty.registry.received.some(({ path }) => path.includes("/manifests/")),
    "the first one was tried first",
  );
  assert.deepEqual(
    findStrays([mirror, empty], [...servers, empty.registry, mirror.tokens, empty.tokens, google.google]),
    [],
  );

  mirror.tokens.account = { username: "mirror", password: `secret-${crypto.randomUUID()}` };
  mirror.registry.guard = { ...mirror.registry.guard, admits: (header) => header === `Basic ${headerOf(mirror)}` };
  const refused = await agent.untilStatus(({ endpoints }) => endpoints[1]?.state === "down");
  assert.equal(refused.endpoints[1]?.reason, "unauthorized");
  assert.match(refused.endpoints[1]?.credential?.problem ?? "", /refuses the credential; correct it in the file/);
  await agent.waitForLine((line) => line.includes(`${mirror.registry.url} is down: unauthorized`));
  await agent.waitForLine((line) => line.includes(`Cannot authenticate at ${mirror.registry.url}: `));
  await assertPullsFrom(google.registry.url);

  await writeDockerConfig(workspace, "mirror.json", [mirror]);
  await agent.untilStatus(({ endpoints }) => endpoints[1]?.state === "up" && endpoints[1].credential?.problem === null);
  await untilHostsHold(containerd, "gcr.io", headerOf(mirror));
  await assertPullsFrom(mirror.registry.url);

  empty.tokens.account = { username: "mirror", password: `secret-${crypto.randomUUID()}` };
  await writeDockerConfig(workspace, "empty.json", [empty]);
  const passwordMs = await untilHostsHold(containerd, "gcr.io", headerOf(empty));
  assert.ok(passwordMs < 1000, `a password took ${passwordMs} ms`);

  const other = await startGoogleServer(workspace, null);
  google.registry.guard = googleGuard(other);
  await writeSecretFile(workspace, "key.json", other.keyJson);
  const start = performance.now();
  while (other.tokens[0] === undefined && performance.now() - start < 5000) await delay(5);
  await untilHostsHold(containerd, "gcr.io", other.tokens[0] ?? "no token");
  const keyMs = performance.now() - start;
  assert.ok(keyMs < 1000, `a key took ${keyMs} ms`);
  await assertPullsFrom(mirror.registry.url);
  await assert.rejects(stat(`${workspace.dir}/restarted`), "containerd was not restarted");
});
