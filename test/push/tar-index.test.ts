import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFile, mkdir, mkdtemp, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type FileContent, readContent } from "../../src/push/content.ts";
import { indexTar } from "../../src/push/tar-index.ts";
import { renderTarHeader, TAR_END } from "../../src/push/tar-writer.ts";

const signal = new AbortController().signal;
const LONG = `${"long-folder/".repeat(12)}${"x".repeat(120)}`;
let folder = "";

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tar-index-"));
  const tree = join(folder, "tree");
  await mkdir(join(tree, "a/b"), { recursive: true });
  await mkdir(join(tree, LONG, ".."), { recursive: true });
  await writeFile(join(tree, "a/b/file"), "content of file");
  await writeFile(join(tree, LONG), "content of a long name");
  await writeFile(join(tree, "empty"), "");
  await symlink("b/file", join(tree, "a/link"));
  await symlink("link", join(tree, "a/link-to-link"));
  execFileSync("ln", [join(tree, "a/b/file"), join(tree, "hard")]);
});

after(() => rm(folder, { recursive: true, force: true }));

async function fileContent(path: string): Promise<FileContent> {
  return { kind: "file", path, offset: 0, size: (await stat(path)).size };
}

async function texts(path: string): Promise<Record<string, string>> {
  const tree = await indexTar(await fileContent(path), signal);
  const entries = [...tree].map(async ([name, content]) => [name, Buffer.from(await readContent(content)).toString()]);
  return Object.fromEntries(await Promise.all(entries));
}

// v7 has neither prefix nor extension, so it cannot hold the long name.
for (const format of ["v7", "ustar", "oldgnu", "gnu", "pax"]) {
  test(`indexTar() finds every file and link of a tar in ${format} format`, async () => {
    const path = join(folder, `${format}.tar`);
    const long = format === "v7" || format === "ustar" ? ["--exclude=long-folder"] : [];
    execFileSync("tar", ["-C", join(folder, "tree"), `--format=${format}`, ...long, "-cf", path, "."]);
    assert.deepEqual(await texts(path), {
      "a/b/file": "content of file",
      "a/link": "content of file",
      "a/link-to-link": "content of file",
      hard: "content of file",
      empty: "",
      ...(long.length === 0 && { [LONG]: "content of a long name" }),
    });
  });
}

test("indexTar() reads a long ustar name from prefix and name", async () => {
  const path = join(folder, "prefix.tar");
  const short = LONG.slice(0, LONG.length - 60);
  await writeFile(join(folder, "tree", short), "short");
  execFileSync("tar", ["-C", join(folder, "tree"), "--format=ustar", "-cf", path, short]);
  assert.deepEqual(await texts(path), { [short]: "short" });
});

test("indexTar() reads a size of more than 8 GiB in base 256", async () => {
  const path = join(folder, "large.tar");
  const size = 9 * 1024 ** 3;
  await writeFile(path, renderTarHeader("large", size));
  await truncate(path, 512 + size);
  await appendFile(path, Buffer.concat([renderTarHeader("next", 2), Buffer.from("ok"), Buffer.alloc(510), TAR_END]));
  const tree = await indexTar(await fileContent(path), signal);
  assert.equal(renderTarHeader("large", size)[124], 0x80, "it is in base 256");
  assert.deepEqual(tree.get("large"), { kind: "file", path, offset: 512, size });
  assert.equal(Buffer.from(await readContent(tree.get("next") as FileContent)).toString(), "ok");
});

test("indexTar() indexes a tar that lies inside of another", async () => {
  const inner = join(folder, "gnu.tar");
  execFileSync("tar", ["-C", join(folder, "tree"), "-cf", inner, "a"]);
  const outer = join(folder, "outer.tar");
  execFileSync("tar", ["-C", folder, "-cf", outer, "gnu.tar"]);
  const found = (await indexTar(await fileContent(outer), signal)).get("gnu.tar") as FileContent;
  const tree = await indexTar(found, signal);
  assert.equal(Buffer.from(await readContent(tree.get("a/b/file") as FileContent)).toString(), "content of file");
});

test("indexTar() takes the later of two files of the same name", async () => {
  const path = join(folder, "twice.tar");
  const entry = (text: string) => [renderTarHeader("same", text.length), Buffer.from(text.padEnd(512, "\0"))];
  await writeFile(path, Buffer.concat([...entry("first"), ...entry("second"), TAR_END]));
  assert.deepEqual(await texts(path), { same: "second" });
});

test("indexTar() says where a tar is cut short or damaged", async () => {
  const path = join(folder, "cut.tar");
  await writeFile(path, renderTarHeader("cut", 5000));
  await assert.rejects(
    texts(path),
    new RegExp(`Cannot read the tar in "${path}": it ends 5000 bytes before the end of "cut"`),
  );
  await writeFile(path, Buffer.concat([renderTarHeader("a", 0), Buffer.alloc(512, "x")]));
  await assert.rejects(texts(path), /no valid header at byte 512, it is damaged/);
});

test("indexTar() refuses sparse files, whose bytes are not where they seem to be", async () => {
  const path = join(folder, "sparse.tar");
  const holes = join(folder, "holes");
  await writeFile(holes, "x");
  await truncate(holes, 10_000_000);
  execFileSync("tar", ["-C", folder, "--sparse", "--format=gnu", "-cf", path, "holes"]);
  await assert.rejects(texts(path), /"holes" is sparse; pack it again without --sparse/);
});
