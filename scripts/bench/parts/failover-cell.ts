// One cell of the failover table: a containerd, a mirror, one fault. Pulls are made as kubelet makes them: one that
// fails is tried again after 10 s, then 20 s, and so on (kubelet's image back-off), and counts until it has succeeded.

import { appendFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CriError } from "../../../src/node/cri.ts";
import { type LabAgent, startAgent } from "../../../test/lab/agent.ts";
import { openBlackHole } from "../../../test/lab/black-hole.ts";
import type { KeyPair } from "../../../test/lab/certificates.ts";
import { type Containerd, startContainerd } from "../../../test/lab/containerd.ts";
import { type Behaviour, type FaultyServer, startFaultyServer } from "../../../test/lab/faulty-server.ts";
import { buildImage } from "../../../test/lab/image.ts";
import { filesOf } from "../../../test/lab/image-files.ts";
import type { Workspace } from "../../../test/lab/workspace.ts";
import type { CellKind, CellResult, Fault, Pair, Pulled } from "./failover-table.ts";
import { round } from "./results.ts";

/** What the cells of one containerd share. */
export interface Ground {
  readonly tls: KeyPair;
  readonly expiredTls: KeyPair;
  readonly upstream: FaultyServer;
  readonly ca: string;
  readonly boundMs: number;
  /** Of the agent's probes; null for its default. */
  readonly interval: string | null;
}

/** These stop what is under way; at the others an answer that has begun is finished. */
const STOPPING: ReadonlySet<Fault> = new Set([
  "silent",
  "tls-stalls",
  "blob-silent",
  "blob-stall",
  "flapping",
  "black-hole",
]);
const PAIRS = 4;
const paired = (tag: string): string[] => Array.from({ length: PAIRS + 1 }, (_, index) => `${tag}-${index}`);
const MOMENTS = ["warm", "at-strike", "in-flight", ...paired("once-known"), ...paired("direct")];
const BACK_OFF_MS = 10_000;
const LATER_MS = 15_000;
export const FAILBACK_MS = 45_000;
const FLAP_MS = 3000;
const IN_FLIGHT_MS = 30_000;

const isPaired = (tag: string): boolean => /^(once-known|direct)-/.test(tag);

// What is compared has to take longer than chance.
function layerSizesOf(tag: string): readonly number[] {
  if (tag === "in-flight-slow") return [800];
  return [200_000, isPaired(tag) ? 8_000_000 : 1_000_000, 50_000];
}

const imageOf = (tag: string) => buildImage({ seed: tag, layerSizes: layerSizesOf(tag) });

export const IMAGE_FILES = new Map(
  [...MOMENTS, "in-flight-slow"].flatMap((tag) => [...filesOf(imageOf(tag), `bench/${tag}`, "1")]),
);

export interface Cell {
  measure(): Promise<CellResult>;
}

/** Resolves when everything runs and pulls go through the mirror. */
export async function openCell(workspace: Workspace, kind: CellKind, ground: Ground): Promise<Cell> {
  const { tls, expiredTls, upstream, ca } = ground;
  const mirror = await startFaultyServer({ tls, expiredTls, source: { files: IMAGE_FILES } });
  workspace.onEnd(() => mirror.close());
  const containerd = await startContainerd(workspace, { version: kind.version });
  if (kind.version === "2.1") await widen(containerd);
  const direct = `server = "${upstream.url}"\nca = "${ca}"\n\n[host]\n`;
  await containerd.writeHosts("direct.test", direct);
  const agent = kind.mode === "agent" ? await startCellAgent(workspace, { containerd, mirror, ground }) : null;
  if (!agent) await containerd.writeHosts("gcr.io", plainHosts(kind, { mirror, ground }));
  await containerd.cri.pullImage("gcr.io/bench/warm:1", { timeoutMs: 20_000 });
  return { measure: () => new Measurement({ workspace, kind, ground, mirror, containerd, agent }).measure() };
}

// Pulls of one cell must not wait for each other's downloads: 2.1 has three for all pulls together.
async function widen(containerd: Containerd): Promise<void> {
  const more = '\n[plugins."io.containerd.transfer.v1.local"]\n  max_concurrent_downloads = 30\n';
  await appendFile(containerd.configPath, more);
  await containerd.restart();
}

interface Around {
  readonly mirror: FaultyServer;
  readonly ground: Ground;
}

function plainHosts({ mode }: CellKind, { mirror, ground: { upstream, ca } }: Around): string {
  const timeout = mode === "plain" ? "" : '  dial_timeout = "1s"\n';
  return `server = "${upstream.url}"\nca = "${ca}"\n\n[host."${mirror.url}"]\n  ca = "${ca}"\n${timeout}`;
}

async function startCellAgent(
  workspace: Workspace,
  { containerd, mirror, ground }: Around & { containerd: Containerd },
): Promise<LabAgent> {
  const { upstream, ca, interval } = ground;
  const config = {
    registryMirrors: [{ endpoint: mirror.url, hosts: ["gcr.io"], caCertPath: ca }],
    agent: {
      upstreams: { "gcr.io": { endpoint: upstream.url, caCertPath: ca } },
      ...(interval === null ? {} : { probe: { interval } }),
    },
  };
  const agent = await startAgent(workspace, { root: containerd.dir, config: JSON.stringify(config) });
  const isUp = (state: string) => state === "up";
  await agent.untilStatus(({ endpoints }) => isUp(endpoints[0]?.state ?? ""), { timeoutMs: 60_000 });
  return agent;
}

interface Parts {
  readonly workspace: Workspace;
  readonly kind: CellKind;
  readonly ground: Ground;
  readonly mirror: FaultyServer;
  readonly containerd: Containerd;
  readonly agent: LabAgent | null;
}

class Measurement {
  readonly #parts: Parts;
  #struckAtMs = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async measure(): Promise<CellResult> {
    const { kind, containerd } = this.#parts;
    const inFlight = this.#pull(await this.#beginInFlight(), { from: () => this.#struckAtMs });
    inFlight.catch(() => {}); // where it does not come under way, nobody waits for it
    await this.#untilInFlight();
    const heal = await this.#strike();
    this.#struckAtMs = performance.now();
    const atStrike = this.#pull("gcr.io/bench/at-strike:1");
    const known = this.#untilKnown();
    // Where nobody comes to know of the fault, the later pull begins at one and the same moment for all.
    await Promise.race([delay(LATER_MS), ...(this.#parts.agent ? [known] : [])]);
    const laterAt = this.#since(this.#struckAtMs);
    const onceKnown = await this.#pull("gcr.io/bench/once-known-0:1");
    const pulls = { atStrike: await atStrike, onceKnown, inFlight: await inFlight };
    const pairs = await this.#pullPairs(onceKnown);
    const detection = await known;
    await heal();
    const failback = await this.#untilBack(detection !== null);
    return {
      ...kind,
      pairs,
      ...pulls,
      laterAt,
      detection,
      failback,
      restarts: containerd.log.filter((line) => line.includes("containerd successfully booted")).length - 1,
    };
  }

  // By turns, so that what the machine is busy with strikes both alike, and not beside pulls that are just freed.
  async #pullPairs(onceKnown: Pulled): Promise<readonly Pair[]> {
    const pairs: Pair[] = [];
    if (onceKnown.seconds === null || onceKnown.failures > 0) return pairs;
    for (let index = 1; index <= PAIRS; index += 1) {
      const pullDirect = () => this.#pull(`direct.test/bench/direct-${index}:1`);
      const before = index % 2 === 0 ? await pullDirect() : null;
      const later = await this.#pull(`gcr.io/bench/once-known-${index}:1`);
      const direct = before ?? (await pullDirect());
      if (later.seconds !== null && direct.seconds !== null)
        pairs.push({ later: later.seconds, direct: direct.seconds });
    }
    return pairs;
  }

  async #beginInFlight(): Promise<string> {
    const { kind, mirror } = this.#parts;
    const stops = STOPPING.has(kind.fault);
    await mirror.become(stops ? "blob-stall" : "slow-drip");
    return stops ? "gcr.io/bench/in-flight:1" : "gcr.io/bench/in-flight-slow:1";
  }

  async #untilInFlight(): Promise<void> {
    const { mirror } = this.#parts;
    const isAsked = () => mirror.requests.filter(({ url }) => /in-flight.*\/blobs\//.test(url)).length > 0;
    for (const end = performance.now() + IN_FLIGHT_MS; !isAsked(); await delay(20)) {
      if (performance.now() > end) throw new Error(`Cannot strike: no blob was asked for in ${IN_FLIGHT_MS / 1000} s`);
    }
  }

  /** Switches the fault on; gives the way back. */
  async #strike(): Promise<() => Promise<void>> {
    const { workspace, kind, mirror } = this.#parts;
    if (kind.fault === "black-hole") {
      const hole = await openBlackHole(workspace, mirror.port);
      await mirror.become("healthy");
      return () => hole.close();
    }
    if (kind.fault !== "flapping") {
      await mirror.become(kind.fault satisfies Behaviour);
      return () => mirror.become("healthy");
    }
    await mirror.become("silent");
    const flap = () => void mirror.become(mirror.behaviour === "silent" ? "healthy" : "silent");
    const timer = setInterval(flap, FLAP_MS);
    workspace.onEnd(() => clearInterval(timer));
    return async () => {
      clearInterval(timer);
      await mirror.become("healthy");
    };
  }

  /** Seconds until the agent has failed over; null if it did not within the bound, or there is none. */
  async #untilKnown(): Promise<number | null> {
    const { agent, ground } = this.#parts;
    if (!agent) return null;
    const known = agent.untilStatus(({ routes }) => routes[0]?.failedOver === true, { timeoutMs: ground.boundMs });
    return known.then(() => this.#since(this.#struckAtMs)).catch(() => null);
  }

  async #untilBack(wasKnown: boolean): Promise<number | null> {
    const { agent } = this.#parts;
    if (!agent || !wasKnown) return null;
    const healedAtMs = performance.now();
    const back = agent.untilStatus(({ routes }) => routes[0]?.failedOver === false, { timeoutMs: FAILBACK_MS });
    return back.then(() => this.#since(healedAtMs)).catch(() => null);
  }

  async #pull(image: string, { from = (): number => 0 } = {}): Promise<Pulled> {
    const { containerd, ground } = this.#parts;
    const startedAtMs = performance.now();
    // What was under way is counted from the strike, which comes soon after its begin.
    const begin = () => Math.max(startedAtMs, from());
    const leftMs = () => begin() + ground.boundMs - performance.now();
    for (let failures = 0; ; failures += 1) {
      const outcome = await containerd.cri
        .pullImage(image, { timeoutMs: Math.max(1, Math.ceil(leftMs())) })
        .then(() => "pulled" as const, failureOf);
      if (outcome === "pulled") return { seconds: this.#since(begin()), failures };
      const waitMs = BACK_OFF_MS * 2 ** failures;
      if (outcome === "cut off") return { seconds: null, failures };
      if (waitMs >= leftMs()) return { seconds: null, failures: failures + 1 };
      await delay(waitMs);
    }
  }

  #since(atMs: number): number {
    return round((performance.now() - atMs) / 1000, 2);
  }
}

function failureOf(error: unknown): "failed" | "cut off" {
  if (!(error instanceof CriError)) throw error;
  return error.code === "DEADLINE_EXCEEDED" ? "cut off" : "failed";
}
