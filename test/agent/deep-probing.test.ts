// Probes of a mirror whose /v2/ always answers, by the images that it serves.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Probing } from "../../src/agent/probing.ts";
import type { NodeImage } from "../../src/core/canary.ts";
import { parseConfig } from "../../src/core/config/parse-config.ts";
import { type EndpointHealth, foldProbe, unknownHealth } from "../../src/core/health.ts";
import type { MirrorConfig } from "../../src/core/mirror-config.ts";
import type { ProbeResult } from "../../src/core/probe-result.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { createSend } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import { endpoint } from "../core/samples.ts";
import { type Behaviour, type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage } from "../lab/image.ts";
import { filesOf } from "../lab/image-files.ts";

const IMAGE = buildImage();
const ON_NODE: NodeImage = { repoDigests: [`gcr.io/team/app@${IMAGE.manifest.digest}`], size: 1000 };
const ELSEWHERE: NodeImage = { repoDigests: [`gcr.io/team/other@${IMAGE.manifest.digest}`], size: 1 };

interface Seen {
  readonly result: ProbeResult;
  readonly health: EndpointHealth;
  /** How many requests the probe made. */
  readonly requests: number;
}

interface Scene {
  readonly mirror: FaultyServer;
  readonly first: Seen;
  /** Waits for so many more probes. */
  next(probes: number): Promise<Seen[]>;
}

interface SceneOptions {
  /** Null: containerd cannot be asked. */
  readonly images?: readonly NodeImage[] | null;
  /** Whether pulls are served elsewhere while the mirror is down. */
  readonly isServed?: boolean;
  /** The registries of each entry that lists the mirror. */
  readonly hosts?: readonly string[];
  /** The clock that probes go by. */
  readonly nowMs?: () => number;
  readonly probeImage?: string;
  readonly role?: "mirror" | "upstream";
}

/** Probing one endpoint, faster than a config could ask for. */
class Watcher {
  readonly #mirror: FaultyServer;
  #health = unknownHealth(0);
  #counted = 0;
  #seen: Seen[] = [];
  #wanted = 1;
  #waiting = Promise.withResolvers<Seen[]>();

  constructor(mirror: FaultyServer) {
    this.#mirror = mirror;
  }

  start(
    { images = [], role = "mirror", isServed = true, nowMs = Date.now }: SceneOptions,
    { config, text }: { config: MirrorConfig; text: string },
  ): Probing {
    const client = new HttpClient();
    const send = createSend(client, { tls: PLAIN_TLS, proxy: NO_PROXY_ENVIRONMENT, timeoutMs: 5000 });
    const auth = new EndpointAuth({ origin: this.#mirror.url, send, nowMs: Date.now });
    const probing = new Probing({
      client,
      authOf: () => auth,
      healthOf: () => this.#health,
      onProbe: (_, result) => this.#onProbe(result, config),
      proxy: () => NO_PROXY_ENVIRONMENT,
      listImages: async () => images,
      isServedWithout: () => isServed,
      nowMs,
    });
    const inForce = { text, config, issues: [], tlsFiles: new Map(), names: [] };
    probing.follow({ inForce, endpoints: [endpoint(this.#mirror.url, { role })] });
    return probing;
  }

  seen(): Promise<Seen[]> {
    return this.#waiting.promise;
  }

  next(probes: number): Promise<Seen[]> {
    this.#seen = [];
    this.#wanted = probes;
    this.#waiting = Promise.withResolvers();
    return this.seen();
  }

  #onProbe(result: ProbeResult, config: MirrorConfig): void {
    const { requests } = this.#mirror;
    this.#health = foldProbe(this.#health, result, { settings: config.agent.probe, nowMs: Date.now() });
    this.#seen.push({ result, health: this.#health, requests: requests.length - this.#counted });
    this.#counted = requests.length;
    if (this.#seen.length === this.#wanted) this.#waiting.resolve(this.#seen);
  }
}

async function withScene(options: SceneOptions, use: (scene: Scene) => Promise<void>): Promise<void> {
  await using mirror = await startFaultyServer({ source: { files: filesOf(IMAGE, "team/app", "1.0") } });
  const image = options.probeImage === undefined ? "" : `image: "${options.probeImage}"`;
  const entries = (options.hosts ?? ["gcr.io"]).map((host) => `{ endpoint: "${mirror.url}", hosts: [${host}] }`);
  const text = `registryMirrors: [${entries.join(", ")}]\nagent: { probe: { ${image} } }\n`;
  const { config } = parseConfig(text);
  assert.ok(config);
  const agent = {
    ...config.agent,
    probe: { intervalMs: 20, timeoutMs: 2000, fall: 2, rise: 2 },
    jitter: { failoverMs: 0, failbackMs: 0 },
  };
  const watcher = new Watcher(mirror);
  const probing = watcher.start(options, { config: { ...config, agent }, text });
  try {
    const [first] = await watcher.seen();
    assert.ok(first);
    await use({ mirror, first, next: (probes) => watcher.next(probes) });
  } finally {
    await probing.close();
  }
}

const reasonOf = ({ result }: Seen): string => (result.ok ? "good" : result.reason);

const HIDDEN: readonly (readonly [Behaviour, string])[] = [
  ["blob-silent", "response-timeout"],
  ["blob-stall", "body-stall"],
  ["blob-truncated", "connection-reset"],
  ["wrong-digest", "wrong-digest"],
];

describe("Probing finds that a mirror serves no images although /v2/ answers", { concurrency: true }, () => {
  for (const [behaviour, reason] of HIDDEN) {
    test(`${behaviour} with an image that the node has: ${reason}`, async () => {
      await withScene({ images: [ON_NODE] }, async ({ mirror, next }) => {
        await mirror.become(behaviour);
        const seen = await next(8);
        const down = seen.findIndex(({ health }) => health.state === "down");
        assert.ok(down >= 1 && down <= 6, `down after probe ${down}`);
        assert.deepEqual(seen.slice(down - 1, down + 1).map(reasonOf), [reason, reason]);
        assert.equal(seen.at(-1)?.health.state, "down", "an answer of /v2/ does not bring it back");
        assert.match(seen[down]?.health.detail ?? "", /^blob of gcr\.io\/team\/app@sha256:[0-9a-f]{12}: /);
      });
    });
  }

  test("and lets it back in by a deep probe", async () => {
    await withScene({ images: [ON_NODE] }, async ({ mirror, next }) => {
      await mirror.become("blob-truncated");
      await next(8);
      await mirror.become("healthy");
      const up = (await next(4)).find(({ health }) => health.state === "up");
      assert.equal(up?.requests, 3, "/v2/, manifest, blob");
    });
  });
});

describe("Probing, while containerd cannot be asked for its images,", () => {
  const fallAndHeal = async ({ mirror, next }: Scene, probes: number): Promise<string[]> => {
    await mirror.become("status-503");
    assert.equal((await next(4)).at(-1)?.health.state, "down");
    await mirror.become("healthy");
    return (await next(probes)).map(({ health }) => health.state);
  };

  test("does not let a mirror back in that was down", async () => {
    await withScene({ images: null, nowMs: () => 0 }, async (scene) => {
      assert.ok((await fallAndHeal(scene, 8)).every((state) => state === "down"));
    });
  });

  test("lets it back in where pulls are served nowhere else", async () => {
    await withScene({ images: null, isServed: false, nowMs: () => 0 }, async (scene) => {
      assert.equal((await fallAndHeal(scene, 4)).at(-1), "up");
    });
  });

  test("lets it back in once it has answered well for long enough", async () => {
    let nowMs = 0;
    await withScene({ images: null, nowMs: () => nowMs }, async (scene) => {
      assert.equal((await fallAndHeal(scene, 4)).at(-1), "down");
      nowMs = Date.now() + 60_000;
      assert.equal((await scene.next(3)).at(-1)?.health.state, "up");
    });
  });
});

describe("Probing fetches an image", () => {
  test("of any registry that an entry of its endpoint names", async () => {
    await withScene({ images: [ON_NODE], hosts: ["quay.io", "gcr.io"] }, async ({ mirror }) => {
      assert.ok(mirror.requests.some(({ url }) => url.startsWith("/v2/team/app/manifests/")));
    });
    await withScene({ probeImage: "gcr.io/team/app:1.0", hosts: ["quay.io", "gcr.io"] }, async ({ mirror }) => {
      assert.ok(mirror.requests.some(({ url }) => url === "/v2/team/app/manifests/1.0?ns=gcr.io"));
    });
  });

  test("in every sixth probe while all is well", async () => {
    await withScene({ images: [ON_NODE] }, async ({ next }) => {
      const places = (await next(18)).flatMap(({ requests }, place) => (requests > 1 ? [place] : []));
      const [first = 0] = places;
      assert.deepEqual(places, [first, first + 6, first + 12]);
    });
  });

  test("on kept connections while all is well, on new ones while it is not", async () => {
    await withScene({ images: [ON_NODE] }, async ({ mirror, next }) => {
      await next(2);
      const before = mirror.connections;
      await next(6);
      assert.equal(mirror.connections, before);
      await mirror.become("status-503");
      await next(3);
      const failing = mirror.connections;
      await next(4);
      assert.equal(mirror.connections, failing + 4);
    });
  });

  test("that is the operator's", async () => {
    await withScene({ probeImage: "team/app:1.0" }, async ({ mirror, next }) => {
      assert.ok(mirror.requests.some(({ url }) => url === "/v2/team/app/manifests/1.0?ns=gcr.io"));
      assert.ok((await next(6)).every(({ result }) => result.ok));
    });
  });

  test("and takes a mirror down that does not have the operator's", async () => {
    await withScene({ probeImage: "team/none:1.0", images: [ON_NODE] }, async ({ first, next }) => {
      assert.equal(reasonOf(first), "not-found");
      assert.equal((await next(1))[0]?.health.state, "down");
    });
  });

  test("that the mirror has, of those on the node; what it lacks is no failure", async () => {
    await withScene({ images: [ELSEWHERE, ON_NODE] }, async ({ mirror, next }) => {
      const seen = await next(12);
      assert.ok(seen.every(({ result }) => result.ok));
      const lacked = mirror.requests.filter(({ url }) => url.includes("/team/other/")).length;
      assert.deepEqual([lacked, mirror.requests.some(({ url }) => url.includes("/team/app/"))], [1, true]);
    });
  });

  test("nowhere if there is none, and never at an upstream", async () => {
    await withScene({}, async ({ mirror, next }) => {
      await next(7);
      assert.ok(mirror.requests.every(({ url }) => url === "/v2/"));
    });
    await withScene({ images: [ON_NODE], role: "upstream" }, async ({ mirror }) => {
      assert.ok(mirror.requests.every(({ url }) => url === "/v2/"));
    });
  });
});
