// What scripts/demo shows: the same containerd twice, with the agent and without it, before a mirror that
// hangs. The mirror and "gcr.io" are docker-registries on 127.0.0.1; before the mirror's stands a proxy that can
// be told to take requests and never answer them.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CriError } from "../src/node/cri.ts";
import { type Authority, makeAuthority } from "../test/lab/certificates.ts";
import { type Containerd, startContainerd } from "../test/lab/containerd.ts";
import { startDaemon } from "../test/lab/daemon.ts";
import { startFaultyServer } from "../test/lab/faulty-server.ts";
import { type Blob, buildImage, type Image } from "../test/lab/image.ts";
import { CONTAINERD_VERSIONS } from "../test/lab/parts.ts";
import { pushImage } from "../test/lab/push-image.ts";
import { type Registry, startRegistry } from "../test/lab/registry.ts";
import { createWorkspace, type Workspace } from "../test/lab/workspace.ts";

const CUT_OFF_MS = 60_000;
const MOMENTS = ["healthy", "hangs", "failed-over", "recovered"] as const;

type Moment = (typeof MOMENTS)[number];
type Side = "agent" | "without";

const version = CONTAINERD_VERSIONS.find((known) => known === process.argv[2]);
if (version === undefined) {
  console.error(
    `demo: "${process.argv[2]}" is none of the containerds that are here: ${CONTAINERD_VERSIONS.join(", ")}`,
  );
  process.exit(2);
}

await using workspace = await createWorkspace();
const authority = makeAuthority("demo authority");
const tls = authority.issue(["IP:127.0.0.1"]);
const ca = await workspace.file("ca.crt", authority.cert);
const upstream = await startRegistry(workspace, "upstream", { tls });
const behindMirror = await startRegistry(workspace, "mirror");
for (const registry of [behindMirror, upstream]) await fill(registry, authority);
await using mirror = await startFaultyServer({ tls, source: { upstream: behindMirror.url } });

say(`containerd ${version} twice, with mirror-agent and without; both have a mirror for gcr.io at ${mirror.url}`);
const withAgent = await startContainerd(workspace, { version });
const without = await startContainerd(workspace, { version });
const direct = `server = "${upstream.url}"\nca = "${ca}"\n`;
await without.writeHosts("gcr.io", `${direct}\n[host."${mirror.url}"]\n  ca = "${ca}"\n`);
await startAgent(workspace, withAgent);

const rows: Record<Moment, readonly string[]> = { healthy: [], hangs: [], "failed-over": [], recovered: [] };
await untilRoute(withAgent, { failedOver: false });
await pullBoth("healthy");

say("the mirror hangs now: it accepts connections and never answers");
await mirror.become("silent");
const hanging = pullBoth("hangs");
await untilRoute(withAgent, { failedOver: true });
await Promise.all([hanging, pullBoth("failed-over")]);

say("the mirror answers again");
await mirror.become("healthy");
await untilRoute(withAgent, { failedOver: false });
await pullBoth("recovered");

console.log(`\nSeconds to pull an image   ${"with mirror-agent".padEnd(26)}without`);
const titles = ["the mirror is healthy", "it has just begun to hang", "it has been hanging", "it has recovered"];
for (const [index, moment] of MOMENTS.entries()) {
  const [mine = "", other = ""] = rows[moment];
  console.log(`${titles[index]?.padEnd(27)}${mine.padEnd(26)}${other}`);
}

/** Every pull has an image of its own, so that nothing is there before and the registries' logs tell who served it. */
function imageFor(moment: Moment, side: Side): Image {
  return buildImage({ seed: `${moment} ${side}`, layerSizes: [100_000, 1_000_000] });
}

async function fill(registry: Registry, { cert }: Authority): Promise<void> {
  for (const moment of MOMENTS) {
    for (const side of ["agent", "without"] as const) {
      const target = { url: registry.url, repository: "demo/app", tag: `${moment}-${side}`, ca: cert };
      await pushImage(imageFor(moment, side), target);
    }
  }
}

async function startAgent(owner: Workspace, { dir }: Containerd): Promise<void> {
  const config = {
    registryMirrors: [{ endpoint: mirror.url, hosts: ["gcr.io"], caCertPath: ca }],
    agent: {
      upstreams: { "gcr.io": { endpoint: upstream.url, caCertPath: ca } },
      jitter: { failover: "0s", failback: "0s" }, // one node need not wait for others
    },
  };
  const file = await owner.file("config.yaml", JSON.stringify(config)); // JSON is YAML
  const command = [
    process.execPath,
    "--disable-warning=ExperimentalWarning", // node:ffi, which talks to systemd and frees pulls
    join(import.meta.dirname, "../src/main.ts"),
    "--config",
    file,
    "--root",
    dir,
    "run",
  ];
  const agent = await startDaemon(command, { onLine: (line) => console.log(`  mirror-agent | ${line}`) });
  owner.onEnd(() => agent.stop());
  void agent.ended.then(async (code) => {
    if (code === "SIGTERM" || code === 0) return;
    say(`mirror-agent ended with ${code}`);
    await owner[Symbol.asyncDispose]();
    process.exit(1);
  });
}

/** Resolves once the agent says so in its status. */
async function untilRoute({ dir }: Containerd, wanted: { failedOver: boolean }): Promise<void> {
  for (const deadline = Date.now() + CUT_OFF_MS; Date.now() < deadline; await delay(50)) {
    const text = await readFile(join(dir, "run/mirror-agent/status.json"), "utf8").catch(() => "{}");
    const { routes } = JSON.parse(text) as { routes?: readonly { failedOver: boolean }[] };
    if (routes?.[0]?.failedOver === wanted.failedOver) return;
  }
  throw new Error(`The agent's status does not say failedOver: ${wanted.failedOver}`);
}

async function pullBoth(moment: Moment): Promise<void> {
  say(`pulling an image from gcr.io with both`);
  rows[moment] = await Promise.all([timePull(withAgent, moment, "agent"), timePull(without, moment, "without")]);
}

async function timePull({ cri }: Containerd, moment: Moment, side: Side): Promise<string> {
  const start = performance.now();
  try {
    await cri.pullImage(`gcr.io/demo/app:${moment}-${side}`, { timeoutMs: CUT_OFF_MS });
  } catch (error) {
    if (error instanceof CriError && error.code === "DEADLINE_EXCEEDED") return `cut off at ${CUT_OFF_MS / 1000}`;
    throw error;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const { digest } = imageFor(moment, side).layers[1] as Blob;
  const fromUpstream = (await upstream.requests()).some(
    ({ method, path }) => method === "GET" && path.includes(digest),
  );
  return `${seconds} from the ${fromUpstream ? "upstream" : "mirror"}`;
}

function say(text: string): void {
  console.log(`${new Date().toISOString().slice(11, 23)} ${text}`);
}
