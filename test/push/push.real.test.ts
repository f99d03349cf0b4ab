// Pushes into a real docker-registry and looks at what came of it with other people's eyes: skopeo, crane and the CRI
// of a real containerd. Packages are made by other people's tools as well.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { renderTarHeader, TAR_END, tarPadding } from "../../src/push/tar-writer.ts";
import { runCommand } from "../commands/run-command.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startContainerd } from "../lab/containerd.ts";
import { buildImage, buildIndex, sha256 } from "../lab/image.ts";
import { craneBinary, labMissing } from "../lab/parts.ts";
import { type Registry, type RegistryAuth, startRegistry } from "../lab/registry.ts";
import { startTokenServer } from "../lab/token-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { writeLayout } from "./layouts.ts";

const run = promisify(execFile);
const skip = labMissing();
const authority = makeAuthority();
const amd64 = buildImage({ seed: "real", layerSizes: [800_000, 3000], architecture: "amd64" });
const arm64 = buildImage({ seed: "real", layerSizes: [800_000, 3000, 40], architecture: "arm64" });
const index = buildIndex({ amd64, arm64 });
const ACCOUNT = { username: "ann", password: "secret" };

/** A folder with a package of one multi-architecture image and one of a single one. */
async function makePackage(workspace: Workspace): Promise<string> {
  const folder = await workspace.folder("package");
  await writeLayout(folder, [
    { name: "gcr.io/a/multi:1.0", root: index, images: [amd64, arm64] },
    { name: "gcr.io/a/single:1.0", root: amd64.manifest, images: [amd64] },
  ]);
  return folder;
}

const hostOf = ({ url }: Registry): string => new URL(url).host;

/** Everything that others can say about an image at a registry. */
async function assertValid(registry: Registry, name: string, { user = "", ca = "" } = {}): Promise<void> {
  const dir = join(ca, "..");
  const trust = ca === "" ? ["--tls-verify=false"] : [`--cert-dir=${dir}`];
  const creds = user === "" ? [] : [`--creds=${user}`];
  await run("skopeo", ["inspect", "--raw", ...trust, ...creds, `docker://${hostOf(registry)}/${name}`]);
  const copied = [
    "copy",
    "-q",
    "--all",
    ...trust.map((flag) => flag.replace("--", "--src-")),
    ...creds.map((flag) => flag.replace("--", "--src-")),
  ];
  const target = join(dir || "/tmp", `copy-${crypto.randomUUID()}`);
  await run("skopeo", [...copied, `docker://${hostOf(registry)}/${name}`, `dir:${target}`]);
  await run("rm", ["-r", target]);
  if (user === "" && existsSync(craneBinary)) {
    await run(craneBinary, ["validate", "--remote", `${hostOf(registry)}/${name}`], {
      env: { ...process.env, SSL_CERT_FILE: ca },
    });
  }
}

const AUTHS = ["nobody", "basic", "token"] as const;

for (const kind of AUTHS) {
  test(`push images into docker-registry with TLS of a private CA and ${kind} authentication`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const source = await makePackage(workspace);
    const tls = authority.issue(["IP:127.0.0.1"]);
    const ca = await workspace.file("trust/ca.crt", authority.cert);
    const auth: Record<typeof kind, () => Promise<RegistryAuth | undefined>> = {
      nobody: async () => undefined,
      basic: async () => ({ kind: "basic", ...ACCOUNT }),
      token: async () => {
        const server = await startTokenServer(workspace, { tls, account: ACCOUNT });
        return { kind: "token", realm: server.realm, service: server.service, signerCert: server.signerCert };
      },
    };
    const wanted = await auth[kind]();
    const registry = await startRegistry(workspace, "mirror", { tls, ...(wanted && { auth: wanted }) });
    const user = kind === "nobody" ? [] : [`--username=${ACCOUNT.username}`, "--password-stdin"];
    const args = [
      "push",
      "images",
      source,
      `--private-registry=${hostOf(registry)}/v2/team-a`,
      "--cacert",
      ca,
      ...user,
    ];
    const options = { env: { HOME: workspace.dir }, stdin: ACCOUNT.password };
    const { code, stdout, stderr } = await runCommand(args, options);
    assert.deepEqual([code, stderr], [0, ""], stdout);
    for (const name of ["team-a/a/multi:1.0", "team-a/a/single:1.0"]) {
      await assertValid(registry, name, {
        ca,
        user: kind === "nobody" ? "" : `${ACCOUNT.username}:${ACCOUNT.password}`,
      });
    }
    assert.match((await runCommand(args, options)).stdout, /^2 images: 2 there already; 0 B sent/m);
    if (kind === "nobody") return;
    const wrong = await runCommand(args, { ...options, stdin: "wrong" });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /Cannot reach the registry at|Cannot get a token from/);
  });
}

test("push images is pulled over the CRI with the digest that the package has", { skip }, async () => {
  await using workspace = await createWorkspace();
  const source = await makePackage(workspace);
  const registry = await startRegistry(workspace, "mirror");
  await runCommand(["push", "images", source, `--private-registry=${hostOf(registry)}/team-a`, "--plain-http"], {
    env: { HOME: workspace.dir },
  });
  const containerd = await startContainerd(workspace, { version: "1.7" });
  const host = `[host."${registry.url}/v2/team-a"]\n  capabilities = ["pull", "resolve"]\n  override_path = true\n`;
  await containerd.writeHosts("gcr.io", host);
  await containerd.cri.pullImage("gcr.io/a/multi:1.0");
  const [image] = await containerd.cri.listImages();
  assert.deepEqual(image?.repoDigests, [`gcr.io/a/multi@${index.digest}`]);
  const config = `registryMirrors:\n  - endpoint: ${registry.url}/v2/team-a\n    hosts: [gcr.io]\nagent:\n  containerd:\n    socket: ${containerd.socket}\n`;
  const path = await workspace.file("config.yaml", config);
  const verified = await runCommand(["--config", path, "verify", "images", "--node"], {
    env: { HOME: workspace.dir },
  });
  assert.deepEqual([verified.code, verified.stderr], [0, ""], verified.stdout);
  assert.match(verified.stdout, /^ok +gcr.io\/a\/multi:1.0 at http:/m);
});

interface Maker {
  readonly name: string;
  readonly program: string;
  /** Makes a package out of an image at a registry, and returns its path. */
  readonly make: (image: string, workspace: Workspace) => Promise<string>;
  /** Where the image then is. */
  readonly place: string;
  /** Whether every digest is kept. */
  readonly exact: boolean;
}

const skopeo = (...args: string[]) => run("skopeo", ["copy", "-q", "--src-tls-verify=false", ...args]);
const at = (workspace: Workspace, name: string): string => join(workspace.dir, name);

const MAKERS: readonly Maker[] = [
  {
    name: "skopeo copy to oci",
    program: "/usr/bin/skopeo",
    make: async (image, workspace) => {
      await skopeo("--all", `docker://${image}`, `oci:${at(workspace, "sk")}:gcr.io/a/multi:1.0`);
      return at(workspace, "sk");
    },
    place: "a/multi:1.0",
    exact: true,
  },
  {
    name: "skopeo copy to oci-archive",
    program: "/usr/bin/skopeo",
    make: async (image, workspace) => {
      await skopeo("--all", `docker://${image}`, `oci-archive:${at(workspace, "sk.tar")}:gcr.io/a/multi:1.0`);
      return at(workspace, "sk.tar");
    },
    place: "a/multi:1.0",
    exact: true,
  },
  {
    name: "skopeo copy to docker-archive",
    program: "/usr/bin/skopeo",
    make: async (image, workspace) => {
      await skopeo(`docker://${image}`, `docker-archive:${at(workspace, "sk.tar")}:gcr.io/a/multi:1.0`);
      return at(workspace, "sk.tar");
    },
    place: "a/multi:1.0",
    exact: false,
  },
  {
    name: "crane pull to a tarball",
    program: craneBinary,
    make: async (image, workspace) => {
      await run(craneBinary, ["pull", "--insecure", "--platform=linux/amd64", image, at(workspace, "crane.tar")]);
      return at(workspace, "crane.tar");
    },
    place: "from/a/multi:1.0",
    exact: false,
  },
  {
    name: "crane pull to a layout",
    program: craneBinary,
    make: async (image, workspace) => {
      await run(craneBinary, ["pull", "--insecure", "--format=oci", "--annotate-ref", image, at(workspace, "crane")]);
      return at(workspace, "crane");
    },
    place: "from/a/multi:1.0",
    exact: true,
  },
  {
    name: "umoci on a layout of skopeo's",
    program: "/usr/bin/umoci",
    make: async (image, workspace) => {
      await skopeo(
        "--override-os=linux",
        "--override-arch=amd64",
        `docker://${image}`,
        `oci:${at(workspace, "multi")}:0.9`,
      );
      await run("umoci", ["tag", "--image", `${at(workspace, "multi")}:0.9`, "1.0"]);
      return at(workspace, "multi");
    },
    place: "library/multi:1.0",
    exact: false,
  },
];

for (const { name, program, make, place, exact } of MAKERS) {
  const missing = skip || (existsSync(program) ? false : `needs "${program}"`);
  test(`push images reads a package made by ${name}`, { skip: missing }, async () => {
    await using workspace = await createWorkspace();
    const registry = await startRegistry(workspace, "mirror");
    const env = { HOME: workspace.dir };
    const source = await makePackage(workspace);
    await runCommand(["push", "images", source, `--private-registry=${hostOf(registry)}/from`, "--plain-http"], {
      env,
    });
    const made = await make(`${hostOf(registry)}/from/a/multi:1.0`, workspace);
    const pushed = await runCommand(
      ["push", "images", made, `--private-registry=${hostOf(registry)}/to`, "--plain-http"],
      { env },
    );
    assert.equal(pushed.code, 0, pushed.stdout + pushed.stderr);
    const { stdout } = await run("skopeo", [
      "inspect",
      "--raw",
      "--tls-verify=false",
      `docker://${hostOf(registry)}/to/${place}`,
    ]);
    if (exact) assert.equal(stdout, index.bytes.toString());
    await skopeo(`docker://${hostOf(registry)}/to/${place}`, `dir:${at(workspace, "checked")}`);
    assert.ok((await readdir(at(workspace, "checked"))).length > 3);
  });
}

test("push images mends a registry that lost a blob, which docker-registry itself does not notice", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const source = await makePackage(workspace);
  const registry = await startRegistry(workspace, "mirror");
  const to = [`--private-registry=${hostOf(registry)}/team-a`, "--plain-http"];
  const env = { HOME: workspace.dir };
  await runCommand(["push", "images", source, ...to], { env });
  const hex = amd64.layers[0]?.digest.slice(7) ?? "";
  await run("rm", [
    "-r",
    join(workspace.dir, "registry-mirror/content/docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex),
  ]);
  const lost = await runCommand(["verify", "images", source, ...to], { env });
  assert.equal(lost.code, 1);
  assert.match(lost.stdout, new RegExp(`^incomplete gcr.io/a/single:1.0 at .*: lost blob sha256:${hex}$`, "m"));
  assert.equal((await runCommand(["push", "images", source, ...to, "--recheck"], { env })).code, 0);
  const mended = await runCommand(["verify", "images", source, ...to, "--deep"], { env });
  assert.equal(mended.code, 0, mended.stdout);
});

test("push images keeps a signature findable at docker-registry, which knows no referrers", { skip }, async () => {
  await using workspace = await createWorkspace();
  const registry = await startRegistry(workspace, "mirror");
  const source = await workspace.folder("signed");
  const { mediaType, digest, bytes } = amd64.manifest;
  const config = {
    mediaType: "application/vnd.test.signature",
    digest: amd64.config.digest,
    size: amd64.config.bytes.length,
  };
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config,
    layers: [],
    subject: { mediaType, digest, size: bytes.length },
  };
  const text = Buffer.from(JSON.stringify(manifest));
  const signed = { mediaType, bytes: text, digest: sha256(text) };
  await writeLayout(source, [
    { name: "gcr.io/a/single:1.0", root: amd64.manifest, images: [amd64] },
    { name: null, root: signed, images: [] },
  ]);
  const args = ["push", "images", source, `--private-registry=${hostOf(registry)}/team-a`, "--plain-http"];
  assert.equal((await runCommand(args, { env: { HOME: workspace.dir } })).code, 0);
  const tag = digest.replace(":", "-");
  const { stdout } = await run("skopeo", [
    "inspect",
    "--raw",
    "--tls-verify=false",
    `docker://${hostOf(registry)}/team-a/a/single:${tag}`,
  ]);
  assert.deepEqual(
    JSON.parse(stdout).manifests.map((entry: { digest: string }) => entry.digest),
    [signed.digest],
  );
});

/** Peak resident memory of a push of so many layers of 20 MB each, in a process of its own. */
async function peakOfPush(workspace: Workspace, registry: Registry, layers: number): Promise<number> {
  const path = join(workspace.dir, `${layers}.tar`);
  const file = await open(path, "w");
  const parts: { digest: string; size: number }[] = [];
  const add = async (name: string, bytes: Buffer): Promise<void> => {
    for (const piece of [renderTarHeader(name, bytes.length), bytes, tarPadding(bytes.length)])
      await file.appendFile(piece);
  };
  for (let layer = 0; layer < layers; layer++) {
    const bytes = randomBytes(20_000_000);
    parts.push({ digest: sha256(bytes), size: bytes.length });
    await add(`blobs/${sha256(bytes).replace(":", "/")}`, bytes);
  }
  const OCI = "application/vnd.oci.image";
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }),
  );
  const describe = (mediaType: string, bytes: Buffer) => ({ mediaType, digest: sha256(bytes), size: bytes.length });
  const entries = parts.map((part) => ({ mediaType: `${OCI}.layer.v1.tar`, ...part }));
  const value = {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: describe(`${OCI}.config.v1+json`, config),
    layers: entries,
  };
  const manifest = Buffer.from(JSON.stringify(value));
  for (const bytes of [config, manifest]) await add(`blobs/${sha256(bytes).replace(":", "/")}`, bytes);
  const named = {
    ...describe(`${OCI}.manifest.v1+json`, manifest),
    annotations: { "org.opencontainers.image.ref.name": `a/large:${layers}` },
  };
  await add("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  await add("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [named] })));
  await file.appendFile(TAR_END);
  await file.close();
  const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
  const measure = `data:text/javascript,process.on("exit",()=>console.error(process.resourceUsage().maxRSS))`;
  const args = [
    "--import",
    measure,
    main,
    "push",
    "images",
    path,
    `--private-registry=${hostOf(registry)}`,
    "--plain-http",
  ];
  const { stderr } = await run(process.execPath, args, { env: { ...process.env, HOME: workspace.dir } });
  return Number(stderr.trim()) / 1024;
}

test("push images needs no more memory for 600 MB than for 20 MB", { skip }, async () => {
  await using workspace = await createWorkspace();
  const registry = await startRegistry(workspace, "mirror");
  const small = await peakOfPush(workspace, registry, 1);
  const large = await peakOfPush(workspace, registry, 30);
  assert.ok(large - small < 40, `${small} MiB became ${large} MiB`);
});
