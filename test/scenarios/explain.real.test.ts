// What `explain` says before a pull is what the pull then does, on every real containerd: who serves it, whether it
// fails, whether it hangs.

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { explainImage } from "../../src/agent/explain-image.ts";
import type { ObservedContainerd } from "../../src/core/containerd-config/observed-containerd.ts";
import type { Explanation } from "../../src/core/explain/explanation.ts";
import { parseImageReference } from "../../src/core/image-reference.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { observeContainerd } from "../../src/node/containerd.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { openBlackHole } from "../lab/black-hole.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Containerd, startContainerd } from "../lab/containerd.ts";
import { type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage, buildIndex } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { EXPLAIN_CASES, type ExplainCase, type Scene } from "./explain-cases.ts";

const skip = labMissing();
const PULL_TIMEOUT_MS = 3000;
const ASK_TIMEOUT_MS = 1500;
/** More, and the servers of this very process take longer than that. */
const AT_ONCE = 8;

const authority = skip ? null : makeAuthority();
const tls = authority?.issue(["IP:127.0.0.1"]);
const expiredTls = authority?.issue(["IP:127.0.0.1"], { expired: true });
const client = authority?.issue([], { client: true });

interface Stage {
  readonly subject: ExplainCase;
  readonly image: string;
  readonly mirror: FaultyServer;
  readonly upstream: FaultyServer;
  readonly explanation: Explanation;
}

async function serve(
  workspace: Workspace,
  { name, tls: wantsTls, mirror: behaviour }: ExplainCase,
): Promise<[FaultyServer, FaultyServer, string]> {
  // An image of its own for each case: what one pull fetched, another would not ask for.
  const image = buildImage({ seed: name, layerSizes: [50] });
  const foreign = buildIndex({ s390x: image });
  const files = new Map([
    ...["lab/hello", "library/hello"].flatMap((repository) =>
      ["1.0", "latest"].flatMap((tag) => [...filesOf(image, repository, tag)]),
    ),
    ...["foreign", foreign.digest].map(
      (name) => [`/v2/lab/hello/manifests/${name}`, { type: foreign.mediaType, body: foreign.bytes }] as const,
    ),
  ]);
  const options = { source: { files }, ...(wantsTls && tls && expiredTls ? { tls, expiredTls } : {}) };
  // The port of a server that refuses is free for others: on an address of its own it stays so.
  const host = behaviour === "refused" ? "127.0.0.2" : "127.0.0.1";
  const [mirror, upstream] = [await startFaultyServer({ ...options, host }), await startFaultyServer(options)];
  workspace.onEnd(() => mirror.close());
  workspace.onEnd(() => upstream.close());
  return [mirror, upstream, image.manifest.digest];
}

async function lay(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    const isFolder = text === "" && !path.endsWith("/hosts.toml");
    if (isFolder) await mkdir(join(root, path), { recursive: true });
    else {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
  }
}

interface Node {
  readonly containerd: Containerd;
  readonly observed: ObservedContainerd;
}

async function prepare(workspace: Workspace, { containerd, observed }: Node, subject: ExplainCase): Promise<Stage> {
  const [mirror, upstream, digest] = await serve(workspace, subject);
  const scene: Scene = {
    mirror: mirror.url,
    upstream: upstream.url,
    mirrorHost: hostOf(mirror),
    upstreamHost: hostOf(upstream),
    ca: await workspace.file("ca.pem", authority?.cert ?? ""),
    pair: await workspace.file("pair.pem", `${client?.cert}${client?.key}`),
    digest,
  };
  const registry =
    subject.registry?.(scene) ?? `${`x ${subject.name}`.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase()}.test`;
  if (subject.name === "hosts.toml is a folder")
    await mkdir(join(containerd.certsDir, registry, "hosts.toml"), { recursive: true });
  else await lay(containerd.certsDir, subject.files(scene, registry));
  if (subject.mirror === "black-hole") await openBlackHole(workspace, mirror.port);
  else await mirror.become(subject.mirror ?? "healthy");
  await upstream.become(subject.upstream ?? "healthy");
  const image = `${registry}${subject.object?.(scene) ?? "/lab/hello:1.0"}`;
  const explanation = await explain(observed, image);
  return { subject, image, mirror, upstream, explanation };
}

async function explain(observed: ObservedContainerd, image: string): Promise<Explanation> {
  const parsed = parseImageReference(image);
  assert.ok(parsed.ok, image);
  const { signal } = new AbortController();
  const client = new HttpClient();
  const settings = {
    observed,
    inEffect: null,
    proxy: NO_PROXY_ENVIRONMENT,
    client,
    architecture: "amd64",
    timeoutMs: ASK_TIMEOUT_MS,
  };
  return explainImage(parsed.reference, settings, signal).finally(() => client.close());
}

const hostOf = (server: FaultyServer): string => new URL(server.url).host;

type Outcome = "fails" | "does not end in time" | `served by ${string}`;

function predicted({ explanation: { forecast, hosts } }: Stage): Outcome {
  if (forecast.kind === "hangs" || forecast.delayMs > PULL_TIMEOUT_MS) return "does not end in time";
  return forecast.kind === "fails" ? "fails" : `served by ${new URL(hosts[forecast.by]?.endpoint ?? "").host}`;
}

/** Whom containerd got the last blob from tells who served it. */
async function pull(containerd: Containerd, { image, mirror, upstream }: Stage): Promise<Outcome> {
  try {
    await containerd.cri.pullImage(image, { timeoutMs: PULL_TIMEOUT_MS });
  } catch (error) {
    return (error as { code?: string }).code === "DEADLINE_EXCEEDED" ? "does not end in time" : "fails";
  }
  const blobs = ({ requests }: FaultyServer) =>
    requests.filter(({ url, headers }) => url.includes("/blobs/") && headers["user-agent"]?.startsWith("containerd/"));
  const server = blobs(upstream).length > 0 ? upstream : mirror;
  return `served by ${hostOf(server)}`;
}

describe("explain and pulls", { concurrency: 1 }, () => {
  for (const version of CONTAINERD_VERSIONS) {
    test(`explainImage() says what a pull of containerd ${version} then does`, { skip }, async () => {
      await using workspace = await createWorkspace();
      const containerd = await startContainerd(workspace, { version });
      const places = { socket: containerd.socket, configPath: null, binary: null };
      const node = { containerd, observed: await observeContainerd(places, new AbortController().signal) };
      const differences: string[] = [];
      const compare = async (stage: Stage, isSecondLook = false): Promise<void> => {
        const [said, done] = [predicted(stage), await pull(containerd, stage)];
        if (said === done) return;
        // Both have a time limit, and a busy machine may cross either: what differs is looked at once more, alone.
        if (!isSecondLook && !stage.subject.name.startsWith("hosts.toml")) {
          const subject = { ...stage.subject, name: `${stage.subject.name}, second look` };
          return compare(await prepare(workspace, node, subject), true);
        }
        const { forecast } = stage.explanation;
        differences.push(`${stage.subject.name}: said "${said}" (${JSON.stringify(forecast)}), then "${done}"`);
      };
      // `_default` and docker.io are one for all: these go alone.
      const alone = EXPLAIN_CASES.filter(({ name }) => /_default|docker\.io/.test(name));
      const others = EXPLAIN_CASES.filter((subject) => !alone.includes(subject));
      const stages: Stage[] = [];
      while (stages.length < others.length) {
        const some = others.slice(stages.length, stages.length + AT_ONCE);
        stages.push(...(await Promise.all(some.map((subject) => prepare(workspace, node, subject)))));
      }
      const isQuick = (stage: Stage): boolean => predicted(stage) !== "does not end in time";
      for (const stage of stages.filter(isQuick)) await compare(stage);
      for (const subject of alone) await compare(await prepare(workspace, node, subject));
      // Pulls that hang take containerd's slots for downloads, so they come last, together.
      await Promise.all(stages.filter((stage) => !isQuick(stage)).map((stage) => compare(stage)));
      assert.deepEqual(differences, []);
    });
  }

  for (const version of CONTAINERD_VERSIONS) {
    test(`explainImage() reads config.toml as containerd ${version}: several folders, and mirrors of the old kind`, {
      skip,
    }, async () => {
      await using workspace = await createWorkspace();
      const containerd = await startContainerd(workspace, { version });
      const usual = await readFile(containerd.configPath, "utf8");
      const line = `config_path = "${containerd.certsDir}"`;
      const several = usual.replace(line, `config_path = "${containerd.certsDir}:/etc/docker/certs.d"`);
      const old = (registry: string, mirror: string) =>
        usual.replace(
          line,
          `[plugins."io.containerd.grpc.v1.cri".registry.mirrors."${registry}"]\nendpoint = ["${mirror}"]`,
        );
      // From 2.1 on it is the number of downloads that makes it pull in the way that takes the list apart.
      const local = several.replace(
        `[plugins."io.containerd.grpc.v1.cri".registry]`,
        `[plugins."io.containerd.grpc.v1.cri"]\n  max_concurrent_downloads = 4\n$&`,
      );
      for (const kind of ["several", "local", "old"] as const) {
        const subject: ExplainCase = {
          name: `${version} ${kind}`,
          registry: ({ upstreamHost }) => upstreamHost,
          files: ({ mirror, upstreamHost }) =>
            kind === "old" ? {} : { [`${upstreamHost}/hosts.toml`]: `[host."${mirror}"]\n` },
        };
        const places = { socket: containerd.socket, configPath: null, binary: null };
        const before = await observeContainerd(places, new AbortController().signal);
        const stage = await prepare(workspace, { containerd, observed: before }, subject);
        const [registry = ""] = stage.image.split("/");
        const texts = { several, local, old: old(registry, stage.mirror.url) };
        await writeFile(containerd.configPath, texts[kind]);
        await containerd.restart();
        const observed = await observeContainerd(places, new AbortController().signal);
        const explanation = await explain(observed, stage.image);
        assert.equal(predicted({ ...stage, explanation }), await pull(containerd, stage), kind);
        const isIgnored = kind === "several" && version === "2.1";
        assert.equal(explanation.source.kind, kind === "old" ? "legacy" : isIgnored ? "none" : "hosts.toml");
      }
    });
  }
});
