// The agent finds out what each registry takes and hands containerd the credentials of the files that its config
// names. Real containerds pull through every kind of mirror, and past it from every kind of upstream, while access
// tokens of seconds come and go; every server keeps what it was sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
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
import { startSupervised } from "../node/supervised-containerd.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const files = makeImageFiles("lab/hello", "1.0");
const R2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
const PATIENT = { timeoutMs: 60_000 };
const PROBE = "probe: { interval: 1s, timeout: 1s }";

const KINDS: readonly GuardKind[] = ["open", "passwords", "tokens-or-passwords", "tokens-alone"];

/** Before 2.1 tokens alone need an edit of config.toml, and a restart. */
const startsOf = (version: ContainerdVersion): number => (version === "2.1" ? 1 : 2);

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

async function startScene(workspace: Workspace, restartCommand: readonly string[]): Promise<Scene> {
  const start = (role: "mirror" | "upstream") =>
    Promise.all(KINDS.map((kind) => startGuardedPlace(workspace, { role, kind, tls, files })));
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
    config: await writeConfig(workspace, { mirrors, upstreams, google, routes, restartCommand }),
  };
}

async function writeConfig(
  workspace: Workspace,
  scene: Omit<Scene, "config"> & { readonly restartCommand: readonly string[] },
): Promise<string> {
  const { mirrors, upstreams, google, routes, restartCommand } = scene;
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
    `agent:\n  ${PROBE}\n  containerd: { restartCommand: ${JSON.stringify(restartCommand)} }\n  upstreams:\n`,
    ...places,
  ].join("");
}

for (const version of CONTAINERD_VERSIONS) {
  test(`run gives containerd ${version} the credentials of every mirror and upstream, and nobody else gets to see them`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const configToml = (etc: string) => `version = 2\n${R2}  config_path = "${etc}/certs.d"\n`;
    const containerd = await startSupervised(workspace, { version, configToml });
    const { mirrors, upstreams, google, routes, config } = await startScene(workspace, containerd.restartCommand);
    const servers = [...mirrors, ...upstreams, google].map(({ registry }) => registry);
    const agent = await startAgent(workspace, { root: containerd.dir, config });
    const isRestarted = startsOf(version) > 1;
    await agent.untilStatus((status) => (status.containerd.lastRestartAt !== null) === isRestarted, PATIENT);
    await untilSettled(agent, PATIENT);
    assert.equal(await containerd.starts(), startsOf(version));
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
    assert.equal(await containerd.starts(), startsOf(version), "renewed tokens restart nothing");
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
