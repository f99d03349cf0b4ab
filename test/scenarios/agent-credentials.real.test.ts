// The agent finds out what each registry takes and hands containerd the credentials of the files that its config
// names. Real containerds pull through every kind of mirror, and past it from every kind of upstream, while access
// tokens of seconds come and go; every server keeps what it was sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startContainerd } from "../lab/containerd.ts";
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
import { carrying } from "../lab/guarded-registry.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, type ContainerdVersion, labMissing } from "../lab/parts.ts";
import { pullFrom, untilSettled } from "../lab/pull-from.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const files = makeImageFiles("lab/hello", "1.0");
const PROBE = "probe: { interval: 1s, timeout: 1s }";

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
  google.google.lifetimeS = 8;
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

    while (google.google.admits(google.google.tokens[0] ?? "")) await delay(100);
    assert.deepEqual(await pullFrom(containerd, "gcr.io", servers), [google.registry.url], "the first token has ended");
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
