import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, rename, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { readContent, streamContent } from "../../src/push/content.ts";
import { blobsOf, manifestsOf } from "../../src/push/graph.ts";
import { loadImages } from "../../src/push/load-images.ts";
import { openPackage } from "../../src/push/open-package.ts";
import { buildImage, buildIndex } from "../lab/image.ts";
import { writeDockerSave, writeLayout } from "./layouts.ts";

const signal = new AbortController().signal;
const image = buildImage({ seed: "package", layerSizes: [70_000, 10] });
const other = buildImage({ seed: "package", layerSizes: [70_000, 10, 20], architecture: "arm64" });
const index = buildIndex({ amd64: image, arm64: other });
let folder = "";
const at = (name: string): string => join(folder, name);
const run = (program: string, ...args: string[]): void => void execFileSync(program, args, { cwd: folder });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "open-package-"));
  await mkdir(at("work"));
  await writeLayout(at("layout"), [
    { name: "gcr.io/a/multi:1.0", root: index, images: [image, other] },
    { name: "gcr.io/a/single:1.0", root: image.manifest, images: [image] },
  ]);
  run("tar", "-C", "layout", "-cf", "layout.tar", ".");
  await mkdir(at("saved"));
  await writeDockerSave(at("saved"), image, ["gcr.io/a/saved:2.0", "gcr.io/a/saved:2"]);
  run("tar", "-C", "saved", "-cf", "saved.tar", ".");
  await mkdir(at("nested/deep"), { recursive: true });
  await cp(at("layout"), at("nested/deep/layout"), { recursive: true });
  run("sh", "-c", "gzip -c saved.tar > nested/a-name-that-says-nothing");
  await writeFile(at("nested/README"), "no image");
  run("tar", "-cf", "nested.tar", "nested");
  run("xz", "-k", "nested.tar");
  run("sh", "-c", "gzip -c layout.tar > layout.gz");
});

after(() => rm(folder, { recursive: true, force: true }));

/** Names with the digests of all that is beneath them, each read and checked. */
async function contentsOf(name: string): Promise<Record<string, string[]>> {
  const images = await openPackage(at(name), { workdir: at("work"), signal });
  try {
    const { loaded, problems } = await loadImages(images);
    assert.deepEqual(problems, []);
    const named: Record<string, string[]> = {};
    for (const { image: found, graph } of loaded) {
      for (const { digest, content } of blobsOf(graph.root)) {
        assert.ok(content, `${digest} is missing`);
        assert.equal(
          `sha256:${createHash("sha256")
            .update(await readContent(content))
            .digest("hex")}`,
          digest,
        );
      }
      named[found.name ?? ""] = manifestsOf(graph.root).map((node) => node.digest);
    }
    return named;
  } finally {
    await images.close();
  }
}

const LAYOUT = {
  "gcr.io/a/multi:1.0": [image.manifest.digest, other.manifest.digest, index.digest],
  "gcr.io/a/single:1.0": [image.manifest.digest],
};

for (const name of ["layout", "layout.tar", "layout.gz"]) {
  test(`openPackage() reads an OCI layout given as ${name}`, async () => {
    assert.deepEqual(await contentsOf(name), LAYOUT);
  });
}

for (const name of ["nested", "nested.tar", "nested.tar.xz"]) {
  test(`openPackage() finds a layout and a compressed docker save in ${name}`, async () => {
    const found = await contentsOf(name);
    assert.deepEqual(
      Object.keys(found).sort(),
      [...Object.keys(LAYOUT), "gcr.io/a/saved:2", "gcr.io/a/saved:2.0"].sort(),
    );
  });
}

test("openPackage() leaves nothing in the work folder, not even while a package is open", async () => {
  const images = await openPackage(at("nested.tar.xz"), { workdir: at("work"), signal });
  assert.deepEqual(await readdir(at("work")), []);
  await images.close();
  assert.deepEqual(await readdir(at("work")), []);
});

test("openPackage() makes the same manifest of a docker save each time, with plain layers under their diff_ids", async () => {
  const images = await openPackage(at("saved.tar"), { workdir: at("work"), signal });
  const { loaded } = await loadImages(images);
  const root = loaded[0]?.graph.root;
  const { rootfs } = JSON.parse(image.config.bytes.toString());
  assert.deepEqual(
    root?.blobs.map(({ digest }) => digest),
    [image.config.digest, ...rootfs.diff_ids],
  );
  assert.equal(root?.mediaType, "application/vnd.oci.image.manifest.v1+json");
  assert.deepEqual(await contentsOf("saved"), await contentsOf("saved.tar"));
  await images.close();
});

test("openPackage() follows the links that docker save makes of equal layers", async () => {
  await cp(at("saved"), at("linked"), { recursive: true });
  await rename(at("linked/layer-0"), at("linked/real"));
  await mkdir(at("linked/layer-0"));
  await symlink("../real/layer.tar", at("linked/layer-0/layer.tar"));
  run("tar", "-C", "linked", "-cf", "linked.tar", ".");
  assert.deepEqual(await contentsOf("linked.tar"), await contentsOf("saved"));
});

test("openPackage() prefers index.json where docker save writes both", async () => {
  await cp(at("layout"), at("both"), { recursive: true });
  await writeDockerSave(at("both"), image, ["gcr.io/a/saved:2.0"]);
  assert.deepEqual(await contentsOf("both"), LAYOUT);
});

test("openPackage() reads gzip layers of a docker archive under their own digests, as crane writes them", async () => {
  await mkdir(at("crane"));
  const layers = image.layers.map((layer) => ({ name: `${layer.digest.slice(7)}.tar.gz`, bytes: layer.bytes }));
  for (const { name, bytes } of layers) await writeFile(join(at("crane"), name), bytes);
  await writeFile(join(at("crane"), image.config.digest), image.config.bytes);
  const entry = { Config: image.config.digest, RepoTags: ["a/b:1"], Layers: layers.map(({ name }) => name) };
  await writeFile(at("crane/manifest.json"), JSON.stringify([entry]));
  const images = await openPackage(at("crane"), { workdir: at("work"), signal });
  const { loaded } = await loadImages(images);
  const root = loaded[0]?.graph.root;
  assert.equal(root?.mediaType, "application/vnd.docker.distribution.manifest.v2+json");
  assert.deepEqual(
    root?.blobs.slice(1).map(({ digest }) => digest),
    image.layers.map(({ digest }) => digest),
  );
  await images.close();
});

test("openPackage() says what cannot be unpacked for want of space before it writes anything", async () => {
  const { bavail, bsize } = await statfs(folder);
  const frame = zstdCompressSync(Buffer.alloc(600));
  // Frame_Content_Size in the header: 8 bytes, more than any disk has.
  const header = Buffer.alloc(13);
  header.writeUInt32LE(0xfd2fb528, 0);
  header[4] = 0xe0;
  header.writeBigUInt64LE(BigInt(bavail * bsize) * 2n, 5);
  await writeFile(at("huge.zst"), Buffer.concat([header, frame]));
  const opening = openPackage(at("huge.zst"), { workdir: at("work"), signal });
  await assert.rejects(
    opening,
    /Cannot unpack ".*huge.zst": it needs [\d.]+ GB, ".*work" has [\d.]+ GB; choose another --workdir/,
  );
});

test("openPackage() says that a compressed package is damaged", async () => {
  run("sh", "-c", "head -c 3000 nested.tar.xz > cut.xz");
  await assert.rejects(openPackage(at("cut.xz"), { workdir: at("work"), signal }), /Cannot unpack ".*cut.xz" into/);
  assert.deepEqual(await readdir(at("work")), []);
});

test("openPackage() stops unpacking when it is aborted", async () => {
  const stop = AbortSignal.abort();
  await assert.rejects(openPackage(at("nested.tar.xz"), { workdir: at("work"), signal: stop }), { name: "AbortError" });
});

test("loadImages() reports a manifest that is damaged and keeps the other images", async () => {
  await cp(at("layout"), at("damaged"), { recursive: true });
  await writeFile(join(at("damaged"), "blobs", index.digest.replace(":", "/")), "{}");
  const images = await openPackage(at("damaged"), { workdir: at("work"), signal });
  const { loaded, problems } = await loadImages(images);
  assert.deepEqual(
    loaded.map((one) => one.image.name),
    ["gcr.io/a/single:1.0"],
  );
  assert.match(
    problems[0]?.message ?? "",
    new RegExp(`Cannot read manifest ${index.digest}: it is damaged, its bytes are sha256:`),
  );
  await images.close();
});

test("streamContent() starts anywhere and says when a file is too short", async () => {
  await writeFile(at("bytes"), "0123456789");
  const content = { kind: "file", path: at("bytes"), offset: 2, size: 5 } as const;
  const pieces: Uint8Array[] = [];
  for await (const piece of streamContent(content, 3)) pieces.push(piece);
  assert.equal(Buffer.concat(pieces).toString(), "56");
  await assert.rejects(readContent({ ...content, size: 20 }), /the file ends 12 bytes too early/);
});
