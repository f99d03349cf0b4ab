// The laboratory itself: what the other real tests rely on.

import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAuthority } from "./certificates.ts";
import { forgetImage, startContainerd } from "./containerd.ts";
import { buildImage } from "./image.ts";
import { CONTAINERD_VERSIONS, labMissing } from "./parts.ts";
import { pushImage } from "./push-image.ts";
import { startRegistry } from "./registry.ts";
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

function hostsToml({ ca, mirror, upstream }: { ca: string; mirror: string; upstream: string }): string {
  return `server = "${upstream}"\nca = "${ca}"\n\n[host."${mirror}"]\n  ca = "${ca}"\n`;
}
