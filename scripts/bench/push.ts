// How long a package of 24 images takes into docker-registry: this program beside `crane push` and `skopeo copy` of each
// image, and beside curl, which only uploads the unique blobs. A first and a second push, time and memory; --rounds N.

import { spawnSync } from "node:child_process";
import { readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { craneBinary } from "../../test/lab/parts.ts";
import { startRegistry } from "../../test/lab/registry.ts";
import { createWorkspace } from "../../test/lab/workspace.ts";
import { bundleSources } from "./parts/agent-node.ts";
import { type Measured, measureRuns } from "./parts/measured-run.ts";
import { makeBenchPackage } from "./parts/push-package.ts";
import { quantile, type Row, round, tell } from "./parts/results.ts";

const THREADS = 8;
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, save: { type: "boolean", default: false } },
});

await using workspace = await createWorkspace();
process.env.XDG_STATE_HOME = workspace.dir;
const { main } = await bundleSources(workspace);
const bundle = makeBenchPackage(await workspace.folder("package"));
const tar = join(workspace.dir, "package.tar");
spawnSync("tar", ["-C", bundle.all, "-cf", tar, "."]);
spawnSync("xz", ["-k", "-0", "-T0", "--block-size=16MiB", tar]);

const push = (source: string, host: string): string[][] => [
  [
    process.execPath,
    main,
    "push",
    "images",
    `--source=${source}`,
    `--private-registry=${host}`,
    "--plain-http",
    `--threads=${THREADS}`,
  ],
];
const METHODS: Readonly<Record<string, (host: string) => string[][]>> = {
  "mirror-agent, folder": (host) => push(bundle.all, host),
  "mirror-agent, .tar": (host) => push(tar, host),
  "mirror-agent, .tar.xz": (host) => push(`${tar}.xz`, host),
  "crane push": (host) =>
    bundle.each.map(({ name, folder }) => [craneBinary, "push", "--insecure", folder, `${host}/${name}`]),
  "skopeo copy": (host) =>
    bundle.each.map(({ name, folder }) => [
      "skopeo",
      "copy",
      "-q",
      "--dest-tls-verify=false",
      `oci:${folder}`,
      `docker://${host}/${name}`,
    ]),
  "curl, unique blobs": curlUploads,
};

const found = new Map<string, { first: Measured; second: Measured | null }[]>();
for (let round = 0; round < Number(values.rounds); round++) {
  // Side by side within a round, so that all see the same machine.
  for (const [method, commands] of Object.entries(METHODS)) {
    const registry = await startRegistry(workspace, `${method.replace(/\W+/g, "-")}-${round}`);
    const host = new URL(registry.url).host;
    const first = await measureRuns(commands(host));
    const second = method.startsWith("curl") ? null : await measureRuns(commands(host));
    found.set(method, [...(found.get(method) ?? []), { first, second }]);
    await registry.stop();
  }
}

const mb = (bytes: number): number => Math.round(bytes / 1e6);
const title = `${bundle.each.length} images, ${mb(bundle.uniqueBytes)} MB unique, ${mb(bundle.referencedBytes)} MB referenced, ${THREADS} at once, median of ${values.rounds}`;
tell("push", { [title]: Object.keys(METHODS).map(describe) });

function describe(method: string): Row {
  const runs = found.get(method) ?? [];
  const median = (of: (run: (typeof runs)[number]) => number): number => quantile(runs.map(of), 0.5);
  const second = median(({ second: again }) => again?.seconds ?? Number.NaN);
  return {
    method,
    "first push, s": round(
      median(({ first }) => first.seconds),
      2,
    ),
    "second push, s": Number.isNaN(second) ? "" : round(second, 2),
    "peak memory, MiB": Math.round(Math.max(...runs.map(({ first }) => first.peakMiB))),
    "disk, MB": mb(Math.max(...runs.map(({ first }) => first.unnamedBytes))),
  };
}

/** One curl opens all uploads, a second one sends all blobs, both with connections that stay open. */
function curlUploads(host: string): string[][] {
  const folder = join(bundle.all, "blobs/sha256");
  const hexes = readdirSync(folder).toSorted((a, b) => statSync(join(folder, b)).size - statSync(join(folder, a)).size);
  const posts = hexes.map(
    (hex) =>
      `url = "http://${host}/v2/curl/blobs/uploads/"\nrequest = "POST"\nheader = "Content-Length: 0"\noutput = "/dev/null"\ndump-header = "${workspace.dir}/${hex}.head"\n`,
  );
  writeFileSync(join(workspace.dir, "posts"), posts.join("next\nsilent\n"));
  const puts = `for head in ${workspace.dir}/*.head; do hex=$(basename $head .head); printf 'url = "%s&digest=sha256:%s"\\nupload-file = "${folder}/%s"\\noutput = "/dev/null"\\nheader = "Content-Type: application/octet-stream"\\nnext\\n' "$(sed -n 's/^[Ll]ocation: //p' $head | tr -d '\\r')" $hex $hex; done | sed '$d' > ${workspace.dir}/puts`;
  const parallel = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", `${THREADS}`, "--config"];
  return [
    [...parallel, join(workspace.dir, "posts")],
    ["sh", "-c", puts],
    [...parallel, join(workspace.dir, "puts")],
  ];
}
