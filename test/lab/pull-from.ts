// What real containerds pull from which registry, and when the agent knows what each of them takes.

import type { LabAgent } from "./agent.ts";
import { type Containerd, forgetImage } from "./containerd.ts";
import { PATIENCE_MS } from "./daemon.ts";
import type { GuardedRegistry } from "./guarded-registry.ts";

/** Any containerd of the laboratory. */
type Puller = Pick<Containerd, "cri" | "dir">;

async function pull(containerd: Puller, registry: string): Promise<void> {
  const image = `${registry}/lab/hello:1.0`;
  await containerd.cri.pullImage(image, { timeoutMs: PATIENCE_MS });
  await forgetImage(containerd, image);
}

/** Pulls, and gives the servers of those that served blobs for it. */
export async function pullFrom(
  containerd: Puller,
  registry: string,
  servers: readonly GuardedRegistry[],
): Promise<readonly string[]> {
  const before = servers.map(countBlobs);
  await pull(containerd, registry);
  return servers.filter((server, index) => countBlobs(server) > (before[index] ?? 0)).map(({ url }) => url);
}

const countBlobs = ({ received }: GuardedRegistry): number =>
  received.filter(({ path }) => path.includes("/blobs/")).length;

/** Once every registry has said what it takes, the files are what they will be. */
export async function untilSettled(agent: LabAgent, options: { timeoutMs?: number } = {}): Promise<void> {
  await agent.untilStatus(
    ({ endpoints, routes }) =>
      endpoints.every(({ state, credential }) => state === "up" && !credential?.because.includes("not said")) &&
      routes.every(
        ({ upstreamCredential, failedOver }) => !failedOver && !upstreamCredential?.because.includes("not said"),
      ),
    options,
  );
}
