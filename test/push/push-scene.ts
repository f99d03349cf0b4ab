// One push against a registry as a test sees it: images in memory, time that passes at once, every event kept.

import type { Credential } from "../../src/core/credentials/credential.ts";
import { inlineContent } from "../../src/push/content.ts";
import { openMemoryJournal } from "../../src/push/journal.ts";
import { loadImages } from "../../src/push/load-images.ts";
import type { ImagePackage } from "../../src/push/package.ts";
import { type PlanOptions, planPush } from "../../src/push/plan.ts";
import type { ImageResult, PushEvent } from "../../src/push/push-event.ts";
import { openSession } from "../../src/push/push-session.ts";
import { type RunOptions, runPush } from "../../src/push/run-push.ts";
import { Distribution } from "../../src/registry/distribution.ts";
import { Gate } from "../../src/registry/gate.ts";
import { type Blob, buildImage, buildIndex, type Image } from "../lab/image.ts";

export interface SceneOptions {
  readonly url: string;
  readonly ca?: string;
  readonly credential?: Credential;
  readonly threads?: number;
  readonly retries?: number;
  readonly stallTimeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly plan?: Partial<PlanOptions>;
  readonly run?: Partial<RunOptions>;
  readonly onEvent?: (event: PushEvent) => void;
}

export interface SceneResult {
  readonly results: readonly ImageResult[];
  readonly events: readonly PushEvent[];
  /** Every wait before a retry or at the gate. */
  readonly waitsMs: readonly number[];
}

type Parts = Pick<ImagePackage, "images" | "blobs">;

/** Pushes a package and tells all about it. */
export async function pushPackage(parts: Parts, options: SceneOptions): Promise<SceneResult> {
  const { events, waitsMs, session, close } = makeScene(options);
  try {
    const { loaded } = await loadImages(parts);
    const wanted = { namespace: "team-a", include: [], exclude: [], platforms: [], ...options.plan };
    const { images } = planPush(loaded, wanted);
    const run = { journal: openMemoryJournal(), onExistingTag: "overwrite", keepGoing: false, recheck: false } as const;
    return { results: await runPush(session, images, { ...run, ...options.run }), events, waitsMs };
  } finally {
    await close();
  }
}

/** A session with a registry, without real waiting. */
export function makeScene(options: SceneOptions) {
  const { url, ca = null, credential = { kind: "none" }, threads = 4, retries = 3 } = options;
  const events: PushEvent[] = [];
  const waitsMs: number[] = [];
  const clock = { nowMs: 0 };
  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    waitsMs.push(ms);
    clock.nowMs += ms;
  };
  const registry = new Distribution({
    origin: url,
    credential,
    tls: { ca, clientCert: null, clientKey: null, insecureSkipVerify: false },
    proxy: { httpProxy: "", httpsProxy: "", noProxy: "" },
    connections: threads,
    connectTimeoutMs: 2000,
    timeoutMs: 5000,
    onWarning: (message) => events.push({ kind: "warning", message }),
  });
  const onEvent = (event: PushEvent): void => {
    events.push(event);
    options.onEvent?.(event);
  };
  const session = openSession({
    registry,
    gate: new Gate({ limit: threads, nowMs: () => clock.nowMs, wait }),
    retries,
    backoffMs: 100,
    stallTimeoutMs: options.stallTimeoutMs ?? 5000,
    finishTimeoutMs: options.stallTimeoutMs ?? 5000,
    onEvent,
    wait,
    signal: options.signal ?? new AbortController().signal,
  });
  return { registry, session, events, waitsMs, close: () => registry.close() };
}

/** A package of named roots; each may be an image or an index with its images. */
export function packageOf(named: Readonly<Record<string, Image | readonly [Blob, ...Image[]]>>): Parts {
  const blobs = new Map<string, ReturnType<typeof inlineContent>>();
  const images: ImagePackage["images"][number][] = [];
  for (const [name, value] of Object.entries(named)) {
    const [root, parts] = "manifest" in value ? [value.manifest, [value]] : [value[0], value.slice(1) as Image[]];
    for (const { manifest, config, layers } of parts) {
      for (const blob of [manifest, config, ...layers]) blobs.set(blob.digest, inlineContent(blob.bytes));
    }
    blobs.set(root.digest, inlineContent(root.bytes));
    images.push({ name, root: descriptorOf(root), origin: "package" });
  }
  return { images, blobs };
}

export function descriptorOf({ mediaType, digest, bytes }: Blob) {
  return { mediaType, digest, size: bytes.length, platform: null, annotations: {}, data: null, artifactType: null };
}

/** Two images that share their layers but for one, and an index of both. */
export function sharingImages(): { readonly one: Image; readonly other: Image; readonly index: Blob } {
  const one = buildImage({ seed: "shared", layerSizes: [600_000, 2000], architecture: "amd64" });
  const other = buildImage({ seed: "shared", layerSizes: [600_000, 2000, 10], architecture: "arm64" });
  return { one, other, index: buildIndex({ amd64: one, arm64: other }) };
}
