// Servers that send their clients on to another origin, as registries with blobs in a bucket do. Whatever is asked
// there, by the agent or by containerd, no credential comes along.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { forgetImage, startContainerd } from "../lab/containerd.ts";
import {
  type GuardedPlace,
  startGooglePlace,
  startGuardedPlace,
  writeDockerConfig,
  writeSecretFile,
} from "../lab/credential-node.ts";
import { carrying, type GuardedRegistry } from "../lab/guarded-registry.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { type Received, startRecordingServer } from "../lab/recording-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
// Another name and not only another port: containerd's HTTP client takes all ports of one host for one origin.
const tls = authority?.issue(["IP:127.0.0.1", "DNS:localhost"]) ?? null;
const files = makeImageFiles("lab/hello", "1.0");

/** An origin that takes everything it is given, and serves the image to whoever asks. */
async function startElsewhere(workspace: Workspace, pair = tls) {
  const server = await startRecordingServer(workspace, pair, ({ path }, response) => {
    const file = files.get(new URL(path, "http://x").pathname);
    response.writeHead(200, { "Content-Type": file?.type ?? "application/json" }).end(file?.body ?? '{"token":"t"}');
  });
  return { ...server, url: server.url.replace("127.0.0.1", "localhost") };
}

/** Answers requests for these paths with a redirect, after it has looked at the credential. */
function redirect(registry: GuardedRegistry, to: string, paths: RegExp): void {
  registry.redirect = ({ path }: Received) => (paths.test(path) ? `${to}${path}` : null);
}

interface Line {
  readonly place: GuardedPlace;
  readonly registry: string;
}

async function mirrorLine(workspace: Workspace, { place, registry }: Line, ca: string): Promise<string> {
  const path = await writeDockerConfig(workspace, `${registry}.json`, [place]);
  return `  - { endpoint: "${place.registry.url}", hosts: [${registry}], caCertPath: ${ca}, pullCredentialConfigPath: ${path} }\n`;
}

for (const version of CONTAINERD_VERSIONS) {
  test(`No credential follows a redirect of a probe, a token server or a pull, with containerd ${version}`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const elsewhere = await startElsewhere(workspace);
    const options = { role: "mirror", tls, files } as const;
    const [bucket, moved, tokens, google] = await Promise.all([
      startGuardedPlace(workspace, { ...options, kind: "passwords" }),
      startGuardedPlace(workspace, { ...options, kind: "passwords" }),
      startGuardedPlace(workspace, { ...options, kind: "tokens-alone" }),
      startGooglePlace(workspace, { tls, files }),
    ]);
    redirect(bucket.registry, elsewhere.url, /\/blobs\//);
    redirect(google.registry, elsewhere.url, /\/blobs\//);
    tokens.tokens.redirect = ({ path }) => `${elsewhere.url}${path}`;
    const ca = await workspace.file("ca.pem", authority?.cert ?? "");
    const lines = [
      { place: bucket, registry: "bucket.gcr.io" },
      { place: moved, registry: "moved.gcr.io" },
      { place: tokens, registry: "tokens.gcr.io" },
    ];
    const key = await writeSecretFile(workspace, "key.json", google.google.keyJson);
    const upstreams = [...lines.map(({ registry }) => registry), "gcr.io"].map(
      (registry) => `    ${registry}: { endpoint: "${google.registry.url}", caCertPath: ${ca} }\n`,
    );
    const config = [
      "registryMirrors:\n",
      ...(await Promise.all(lines.map((line) => mirrorLine(workspace, line, ca)))),
      `gcrKeyPath: ${key}\nagent:\n  probe: { interval: 500ms, timeout: 500ms }\n  upstreams:\n`,
      ...upstreams,
    ].join("");
    const containerd = await startContainerd(workspace, { version });
    const agent = await startAgent(workspace, { root: containerd.dir, config });
    await agent.untilStatus(
      ({ endpoints, routes }) =>
        endpoints.slice(0, 2).every(({ state, credential }) => state === "up" && credential?.kind === "header") &&
        routes.some(({ upstreamCredential }) => upstreamCredential?.because.includes("bearer credentials directly")),
    );

    for (const image of ["bucket.gcr.io/lab/hello:1.0", "gcr.io/lab/hello:1.0"]) {
      const before = elsewhere.received.length;
      await containerd.cri.pullImage(image, { timeoutMs: 30_000 });
      await forgetImage(containerd, image);
      assert.ok(elsewhere.received.length > before, `${image} came from elsewhere`);
    }
    redirect(moved.registry, elsewhere.url, /^\/v2\/$/);
    const probes = elsewhere.received.length;
    await untilReceived(elsewhere.received, probes + 3);
    await agent.untilStatus(({ endpoints }) => endpoints[2]?.state === "down");
    await containerd.cri.pullImage("tokens.gcr.io/lab/hello:1.0", { timeoutMs: 30_000 }).catch(() => {});

    assert.ok(tokens.tokens.received.length > 0, "the token server was asked");
    const secrets = [bucket, moved, tokens].map(({ secret }) => secret);
    for (const secret of [...secrets, ...google.google.tokens]) {
      assert.deepEqual(carrying(elsewhere, secret), []);
    }
    assert.deepEqual(
      elsewhere.received.filter(({ authorization }) => authorization !== null),
      [],
    );
  });
}

test("No signed assertion follows a redirect of a key's token server", { skip }, async () => {
  await using workspace = await createWorkspace();
  const elsewhere = await startElsewhere(workspace, null);
  const google = await startGooglePlace(workspace, { tls, files });
  google.google.redirect = ({ path }) => `${elsewhere.url}${path}`;
  const key = await writeSecretFile(workspace, "key.json", google.google.keyJson);
  const containerd = await startContainerd(workspace, { version: "1.7" });
  const config = `gcrKeyPath: ${key}\nagent: { upstreams: { gcr.io: { endpoint: "${google.registry.url}" } } }\n`;
  const agent = await startAgent(workspace, { root: containerd.dir, config });
  await agent.waitForLine((line) => line.includes("Cannot get an access token"));
  assert.ok(google.google.received.length > 0);
  assert.deepEqual(elsewhere.received, []);
});

async function untilReceived(received: readonly Received[], count: number): Promise<void> {
  const end = performance.now() + 30_000;
  while (received.length < count && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(received.length >= count, "requests came");
}
