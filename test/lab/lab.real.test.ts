// The laboratory itself: what the other real tests rely on.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { openBlackHole } from "./black-hole.ts";
import { makeAuthority } from "./certificates.ts";
import { startContainer } from "./container.ts";
import { forgetImage, startContainerd } from "./containerd.ts";
import { startFaultyServer } from "./faulty-server.ts";
import { buildImage } from "./image.ts";
import { filesOf } from "./image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "./parts.ts";
import { pushImage } from "./push-image.ts";
import { startRegistry } from "./registry.ts";
import { basic, startTokenServer } from "./token-server.ts";
import { createWorkspace } from "./workspace.ts";

const skip = labMissing();
const IMAGE = "gcr.io/lab/hello:1.0";

for (const version of CONTAINERD_VERSIONS) {
  test(`startContainerd() ${version} pulls through the mirror in hosts.toml, each time anew after forgetImage()`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const authority = makeAuthority();
    const tls = authority.issue(["IP:127.0.0.1"]);
    const mirror = await startRegistry(workspace, "mirror", { tls });
    const upstream = await startRegistry(workspace, "upstream", { tls });
    const image = buildImage({ layerSizes: [1000, 200_000] });
    await pushImage(image, { url: mirror.url, repository: "lab/hello", tag: "1.0", ca: authority.cert });
    const pushed = (await mirror.requests()).length;

    const containerd = await startContainerd(workspace, { version });
    const ca = await workspace.file("ca.crt", authority.cert);
    await containerd.writeHosts("gcr.io", hostsToml({ ca, mirror: mirror.url, upstream: upstream.url }));

    for (const pull of [1, 2]) {
      assert.equal(await containerd.cri.pullImage(IMAGE), image.config.digest);
      const served = (await mirror.requests()).slice(pushed);
      const layers = served.filter(({ path, status }) => status === 200 && path.includes(`/blobs/`));
      assert.equal(layers.length, 3 * pull, JSON.stringify(served));
      assert.match(served[0]?.path ?? "", /^\/v2\/lab\/hello\/manifests\/1\.0\?ns=gcr\.io$/);
      assert.match(served[0]?.userAgent ?? "", RegExp(`^containerd/v?${version}`));
      await forgetImage(containerd, IMAGE);
    }
    assert.deepEqual(await upstream.requests(), []);
  });
}

for (const version of CONTAINERD_VERSIONS) {
  test(`forgetImage() ${version} drops a half-done download`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const image = buildImage({ layerSizes: [500_000] });
    await using mirror = await startFaultyServer({ source: { files: filesOf(image, "lab/hello", "1.0") } });
    const containerd = await startContainerd(workspace, { version });
    await containerd.writeHosts("gcr.io", `server = "${mirror.url}"\n\n[host]\n`);

    await mirror.become("blob-stall");
    const cut = containerd.cri.pullImage(IMAGE, { timeoutMs: 500 });
    await assert.rejects(cut, { name: "CriError", code: "DEADLINE_EXCEEDED", message: /no answer within 0.5 s$/ });
    await forgetImage(containerd, IMAGE);
    await mirror.become("healthy");
    await containerd.cri.pullImage(IMAGE);
    const ranges = mirror.requests.map(({ headers }) => headers.range);
    assert.deepEqual(new Set(ranges), new Set([undefined]));
  });

  test(`startContainerd() ${version} restarts and its containers live on; startRegistry() freezes, thaws, stops and starts`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const mirror = await startRegistry(workspace, "mirror");
    await pushImage(buildImage(), { url: mirror.url, repository: "lab/hello", tag: "1.0" });
    const containerd = await startContainerd(workspace, { version });
    await containerd.writeHosts("gcr.io", `server = "${mirror.url}"\n\n[host]\n`);

    mirror.freeze();
    await assert.rejects(containerd.cri.pullImage(IMAGE, { timeoutMs: 300 }), { code: "DEADLINE_EXCEEDED" });
    mirror.thaw();
    await mirror.stop();
    await assert.rejects(containerd.cri.pullImage(IMAGE), /connection refused/);
    await mirror.start();
    const sleeper = await startContainer(workspace, containerd);
    await containerd.restart();
    assert.equal(await readFile(`/proc/${sleeper}/comm`, "utf8"), "sleep\n");
    assert.deepEqual(await containerd.cri.listImages(), []);
    await containerd.cri.pullImage(IMAGE);
    assert.equal((await containerd.cri.listImages()).length, 1);
  });
}

test("startRegistry() tells who was let in, with htpasswd and with client certificates", { skip }, async () => {
  await using workspace = await createWorkspace();
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const auth = { kind: "basic", username: "puller", password: "secret" } as const;
  const registry = await startRegistry(workspace, "basic", { tls, auth, clientAuthority: authority });
  const client = authority.issue([], { client: true });
  const target = { url: registry.url, repository: "lab/hello", tag: "1.0", ca: authority.cert, ...client };
  const authorization = `Basic ${Buffer.from("puller:secret").toString("base64")}`;

  await assert.rejects(pushImage(buildImage(), target), /answered with 401/);
  await pushImage(buildImage(), { ...target, authorization });
  const answers = new Set((await registry.requests()).map((request) => `${request.status} ${request.authorized}`));
  assert.deepEqual(answers, new Set(["401 false", "202 true", "201 true"]));
  const { ca, repository, url, tag } = target;
  await assert.rejects(pushImage(buildImage(), { ca, repository, url, tag, authorization }), /certificate|socket/i);
});

test("startRegistry() with a token server lets containerd pull with a pull secret, and not without", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const account = { username: "puller", password: "secret" };
  const { realm, service, signerCert } = await startTokenServer(workspace, { tls: null, account });
  const auth = { kind: "token", realm, service, signerCert } as const;
  const registry = await startRegistry(workspace, "bearer", { auth });
  const scope = "repository:lab/hello:pull,push";
  const answer = await fetch(`${realm}?scope=${scope}`, { headers: { Authorization: basic(account) } });
  const { token } = (await answer.json()) as { token: string };
  const target = { url: registry.url, repository: "lab/hello", tag: "1.0" };
  await pushImage(buildImage(), { ...target, authorization: `Bearer ${token}` });

  for (const version of CONTAINERD_VERSIONS) {
    const containerd = await startContainerd(workspace, { version });
    await containerd.writeHosts("gcr.io", `server = "${registry.url}"\n\n[host]\n`);
    await assert.rejects(containerd.cri.pullImage(IMAGE), /401|authoriz/);
    await containerd.cri.pullImage(IMAGE, { auth: account });
  }
  assert.ok((await registry.requests()).some(({ status, authorized }) => status === 200 && authorized));
});

test("openBlackHole() swallows packets to one port until it is closed", { skip }, async () => {
  await using workspace = await createWorkspace();
  const registry = await startRegistry(workspace, "mirror");
  const target = { url: registry.url, repository: "lab/hello", tag: "1.0" };
  const hole = await openBlackHole(workspace, registry.port);
  const pushed = pushImage(buildImage(), target).then(() => "pushed");
  assert.equal(await Promise.race([pushed, delay(300, "silent")]), "silent");
  await hole.close();
  assert.equal(await pushed, "pushed"); // the kernel sends its SYN again
});

function hostsToml({ ca, mirror, upstream }: { ca: string; mirror: string; upstream: string }): string {
  return `server = "${upstream}"\nca = "${ca}"\n\n[host."${mirror}"]\n  ca = "${ca}"\n`;
}
