import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FSWatcher } from "chokidar";
import { FileWatch, type WatchedPaths, type WatchOptions } from "../../src/node/watch.ts";

// The slow timer is out of the way, unless a test is about it: what passes here, inotify saw.
const OUT_OF_THE_WAY_MS = 1e8;

interface Watching {
  readonly folder: string;
  readonly problems: Error[];
  readonly all: (readonly string[])[];
  /** What the next notification says. */
  next(): Promise<readonly string[]>;
  setPaths(paths: Partial<WatchedPaths>): void;
}

function makeFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "watch-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function startWatch(t: TestContext, folder: string, options: Partial<WatchOptions> = {}): Watching {
  const problems: Error[] = [];
  const all: (readonly string[])[] = [];
  const waiting: ((paths: readonly string[]) => void)[] = [];
  const unread: (readonly string[])[] = [];
  const onChange = (paths: readonly string[]): void => {
    all.push(paths);
    const waiter = waiting.shift();
    if (waiter === undefined) unread.push(paths);
    else waiter(paths);
  };
  const onProblem = (error: Error): void => void problems.push(error);
  const watch = new FileWatch({ onChange, onProblem, compareMs: OUT_OF_THE_WAY_MS, ...options });
  t.after(() => watch.close());
  const next = (): Promise<readonly string[]> => {
    const paths = unread.shift();
    return paths === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(paths);
  };
  return {
    folder,
    problems,
    all,
    next,
    setPaths: ({ files = [], folders = [] }) => watch.setPaths({ files, folders }),
  };
}

/** Watches one file and waits until an edit of it has been seen, so that the watch is known to be up. */
async function watchFile(
  t: TestContext,
  path: string,
  folder: string,
  options: Partial<WatchOptions> = {},
): Promise<Watching> {
  const watching = startWatch(t, folder, options);
  watching.setPaths({ files: [path] });
  appendFileSync(path, "# seen\n");
  assert.deepEqual(await watching.next(), [path]);
  return watching;
}

function countInotifyWatches(): number {
  const ids = readdirSync("/proc/self/fdinfo").filter((fd) => isInotify(fd));
  const texts = ids.map((fd) => readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"));
  return texts.join("").split("inotify wd:").length - 1;
}

function isInotify(fd: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:inotify";
  } catch {
    return false; // the descriptor that listed the others
  }
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

function swapLink(path: string, target: string): void {
  symlinkSync(target, `${path}_tmp`);
  renameSync(`${path}_tmp`, path);
}

const EDITS: Record<string, (path: string) => void> = {
  "in place": (path) => writeFileSync(path, "b"),
  "in place with as many bytes": (path) => writeFileSync(path, readFileSync(path, "utf8").replace("a", "b")),
  "by renaming another file over it": (path) => replaceFile(path, "b"),
  "by moving it away and writing it anew, as vim does": (path) => {
    renameSync(path, `${path}~`);
    writeFileSync(path, "b");
    rmSync(`${path}~`);
  },
  "by removing it": (path) => rmSync(path),
  "by removing it with its folder": (path) => rmSync(join(path, ".."), { recursive: true }),
  "by putting a link in its place": (path) => {
    writeFileSync(`${path}.other`, "b");
    swapLink(path, `${path}.other`);
  },
};

for (const [name, edit] of Object.entries(EDITS)) {
  test(`FileWatch sees a file changed ${name}, and the change after it`, async (t) => {
    const folder = makeFolder(t);
    const path = join(folder, "mirror-agent", "config.yaml");
    mkdirSync(join(folder, "mirror-agent"));
    writeFileSync(path, "a");
    // chokidar misses a folder that comes back about once in 200 times; then the slow timer sees it.
    const watching = await watchFile(t, path, folder, { compareMs: 5000 });
    for (let round = 0; round < 3; round++) {
      edit(path);
      assert.deepEqual(await watching.next(), [path]);
      mkdirSync(join(folder, "mirror-agent"), { recursive: true });
      replaceFile(path, "a again");
      assert.deepEqual(await watching.next(), [path]);
    }
  });
}

test("FileWatch sees the link swap by which Kubernetes changes a ConfigMap, again and again", async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, "config.yaml");
  for (const version of ["..1", "..2", "..3"]) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, "config.yaml"), version);
  }
  symlinkSync("..1", join(folder, "..data"));
  symlinkSync("..data/config.yaml", path);
  const watching = await watchFile(t, path, folder);
  for (const version of ["..2", "..3", "..1", "..2"]) {
    swapLink(join(folder, "..data"), version);
    assert.deepEqual(await watching.next(), [path]);
    appendFileSync(join(folder, version, "config.yaml"), "edited");
    assert.deepEqual(await watching.next(), [path]);
  }
});

test("FileWatch sees a link swapped while it only begins to watch it", async (t) => {
  const folder = makeFolder(t);
  for (const version of ["a", "b"]) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, "config.yaml"), version);
  }
  symlinkSync("a", join(folder, "..data"));
  const path = join(folder, "config.yaml");
  symlinkSync("..data/config.yaml", path);
  // On a busy machine chokidar speaks of a link long before it watches it; here it says no more than that it watches all.
  const { emit } = FSWatcher.prototype;
  t.mock.method(FSWatcher.prototype, "emit", function (this: FSWatcher, ...args: Parameters<typeof emit>) {
    if (args[0] !== "ready") return false;
    swapLink(join(folder, "..data"), "b");
    return emit.apply(this, args);
  });
  const watching = startWatch(t, folder);
  watching.setPaths({ files: [path] });
  assert.deepEqual(await watching.next(), [path]);
});

test("FileWatch sees a linked folder above the file led elsewhere", async (t) => {
  const folder = makeFolder(t);
  for (const version of ["a", "b"]) {
    mkdirSync(join(folder, version));
    writeFileSync(join(folder, version, "config.yaml"), version);
  }
  symlinkSync(join(folder, "a"), join(folder, "etc"));
  const path = join(folder, "etc", "config.yaml");
  const watching = await watchFile(t, path, folder);
  swapLink(join(folder, "etc"), join(folder, "b"));
  assert.deepEqual(await watching.next(), [path]);
  appendFileSync(join(folder, "b", "config.yaml"), "edited");
  assert.deepEqual(await watching.next(), [path]);
});

test("FileWatch sees a file appear whose folders were missing, and then its changes", async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, "x", "y", "z", "ca.pem");
  const watching = startWatch(t, folder);
  watching.setPaths({ files: [path] });
  mkdirSync(join(folder, "x", "y", "z"), { recursive: true });
  writeFileSync(path, "1");
  assert.deepEqual(await watching.next(), [path]);
  for (const text of ["12", "123"]) {
    writeFileSync(path, text);
    assert.deepEqual(await watching.next(), [path]);
  }
  rmSync(join(folder, "x"), { recursive: true });
  assert.deepEqual(await watching.next(), [path]);
  mkdirSync(join(folder, "x", "y", "z"), { recursive: true });
  writeFileSync(path, "1");
  assert.deepEqual(await watching.next(), [path]);
});

test("FileWatch makes one notification of a hundred writes in one go", async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, "config.yaml");
  writeFileSync(path, "a");
  const watching = await watchFile(t, path, folder);
  const before = watching.all.length;
  for (let i = 0; i < 100; i++) writeFileSync(path, `text ${i}`);
  assert.deepEqual(await watching.next(), [path]);
  writeFileSync(path, "after the burst");
  assert.deepEqual(await watching.next(), [path]);
  assert.equal(watching.all.length, before + 2);
});

test("FileWatch keeps silent about files that were not named or are not named any more", async (t) => {
  const folder = makeFolder(t);
  const [first, second, foreign] = ["first", "second", "foreign"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const watching = startWatch(t, folder);
  watching.setPaths({ files: [first] });
  writeFileSync(first, "a");
  assert.deepEqual(await watching.next(), [first]);
  watching.setPaths({ files: [second] });
  writeFileSync(first, "b");
  writeFileSync(foreign, "b");
  writeFileSync(second, "b");
  assert.deepEqual(await watching.next(), [second]);
});

test("FileWatch sees what changes in a folder and its folders, new ones as well", async (t) => {
  const folder = makeFolder(t);
  const certs = join(folder, "containerd", "certs.d");
  const watching = startWatch(t, folder);
  watching.setPaths({ folders: [certs] });
  mkdirSync(join(certs, "gcr.io"), { recursive: true });
  assert.deepEqual(await watching.next(), [certs]);
  for (const registry of ["gcr.io", "docker.io"]) {
    mkdirSync(join(certs, registry), { recursive: true });
    writeFileSync(join(certs, registry, "hosts.toml"), "a");
    assert.ok((await watching.next()).some((path) => path.startsWith(join(certs, registry))));
    replaceFile(join(certs, registry, "hosts.toml"), "b");
    assert.ok((await watching.next()).includes(join(certs, registry, "hosts.toml")));
  }
  renameSync(join(certs, "gcr.io"), join(certs, "gcr.io.old"));
  mkdirSync(join(certs, "gcr.io"));
  assert.ok((await watching.next()).includes(join(certs, "gcr.io")));
  writeFileSync(join(certs, "gcr.io", "hosts.toml"), "c");
  assert.deepEqual(await watching.next(), [join(certs, "gcr.io", "hosts.toml")]);
  rmSync(certs, { recursive: true });
  assert.ok((await watching.next()).includes(certs));
  mkdirSync(join(certs, "gcr.io"), { recursive: true });
  assert.ok((await watching.next()).includes(certs));
  writeFileSync(join(certs, "gcr.io", "hosts.toml"), "d");
  assert.deepEqual(await watching.next(), [join(certs, "gcr.io", "hosts.toml")]);
});

test("FileWatch bears links that lead to themselves, folders given as files and files above what was named", async (t) => {
  const folder = makeFolder(t);
  const certs = join(folder, "certs.d");
  mkdirSync(certs);
  symlinkSync("loop", join(certs, "loop"));
  symlinkSync("loop", join(folder, "loop"));
  writeFileSync(join(folder, "file"), "a");
  const files = ["loop", "loop/ca.pem", "file/ca.pem", ".", "config.yaml"].map((name) => join(folder, name));
  const watching = startWatch(t, folder);
  watching.setPaths({ files, folders: [certs] });
  rmSync(join(certs, "loop"));
  while (!(await watching.next()).includes(join(certs, "loop")));
  symlinkSync("loop", join(certs, "again"));
  while (!(await watching.next()).includes(join(certs, "again")));
  assert.deepEqual(watching.problems, []);
});

test("FileWatch does not watch what is in a folder that was given as a file", async (t) => {
  const folder = makeFolder(t);
  for (let i = 0; i < 100; i++) mkdirSync(join(folder, "etc", `${i}`), { recursive: true });
  const other = join(folder, "other");
  const watching = startWatch(t, folder);
  watching.setPaths({ files: [join(folder, "etc"), other] });
  // Some rounds, in which a watch on all of them would have come up.
  for (let round = 0; round < 5; round++) {
    writeFileSync(other, `${round}`);
    while (!(await watching.next()).includes(other));
  }
  const watches = countInotifyWatches();
  assert.ok(watches > 0 && watches < 50, `has ${watches} watches`);
});

test("FileWatch sees by its slow timer what it was not told", async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, "ca.pem");
  mkdirSync(path);
  const watching = startWatch(t, folder, { compareMs: 30 });
  watching.setPaths({ files: [path] });
  rmSync(path, { recursive: true });
  writeFileSync(path, "a");
  assert.deepEqual(await watching.next(), [path]);
});

test("FileWatch notifies within 40 ms of the last byte", async (t) => {
  const folder = makeFolder(t);
  const path = join(folder, "config.yaml");
  writeFileSync(path, "a");
  const watching = await watchFile(t, path, folder);
  const tookMs: number[] = [];
  const inTime = () => tookMs.filter((ms) => ms >= 19 && ms < 40);
  // A busy machine is late, often for longer than it is in time.
  for (let round = 0; round < 9 || (inTime().length === 0 && round < 50); round++) {
    replaceFile(path, `${round}`);
    const writtenMs = performance.now();
    await watching.next();
    tookMs.push(performance.now() - writtenMs);
  }
  const early = tookMs.filter((ms) => ms < 19); // with the burst of the change before
  assert.ok(inTime().length > 0 && early.length < 5, `took ${tookMs.map((ms) => ms.toFixed(1))}`);
});

test("FileWatch falls back to the slow timer where inotify has no watches left, and says so once", (t) => {
  const folder = makeFolder(t);
  const module = new URL("../../src/node/watch.ts", import.meta.url).href;
  const script = `
    import { mkdirSync, writeFileSync } from "node:fs";
    import { FileWatch } from ${JSON.stringify(module)};
    const [folder] = process.argv.slice(1);
    mkdirSync(folder + "/certs.d/gcr.io", { recursive: true });
    const files = [folder + "/config.yaml", folder + "/certs.d/gcr.io/hosts.toml"];
    const seen = [folder + "/config.yaml", folder + "/certs.d"];
    const step = (paths) => {
      if (!paths.includes(seen[0])) return;
      console.log(seen.shift());
      files.shift();
      if (files.length > 0) writeFileSync(files[0], "a"); else watch.close();
    };
    const watch = new FileWatch({ onChange: step, onProblem: (error) => console.log(error.message), compareMs: 30 });
    watch.setPaths({ files: [folder + "/config.yaml"], folders: [folder + "/certs.d"] });
    writeFileSync(files[0], "a");
  `;
  const run = `echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"`;
  const node = [process.execPath, "--input-type=module", "--eval", script, folder];
  const { stdout, stderr, status } = spawnSync("unshare", ["-Ur", "sh", "-c", run, "sh", ...node], {
    encoding: "utf8",
  });
  if (stderr.includes("unshare failed")) return t.skip("no user namespaces here");
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n"), [
    "Cannot watch all files: no inotify watches are left (sysctl fs.inotify.max_user_watches); changes are seen within 0.03 s until mirror-agent is restarted",
    join(folder, "config.yaml"),
    join(folder, "certs.d"),
  ]);
});
