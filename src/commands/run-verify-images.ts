// What `verify images` does: which images, at which endpoints, and what came of it.

import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { formatImageName } from "../core/image-name.ts";
import { checkSignature } from "../push/check-signature.ts";
import { passesGlobs } from "../push/glob.ts";
import { loadImages } from "../push/load-images.ts";
import { openPackage } from "../push/open-package.ts";
import { planPush } from "../push/plan.ts";
import { mirrorRepository } from "../push/push-address.ts";
import { type Finding, ImageVerifier, type WantedImage } from "../push/verify-image.ts";
import { type NamedWish, parseImageList, wishesOfNode } from "../push/wanted-images.ts";
import { startSession } from "./connect.ts";
import { type CommandContext, EXIT } from "./context.ts";
import { type LookedAt, openMirrors } from "./mirror-endpoints.ts";
import { openRegistry } from "./open-registry.ts";
import { packagePath, planOptions } from "./package-flags.ts";
import { UsageError } from "./usage-error.ts";
import type { VerifyFlags } from "./verify-images.ts";
import { renderFinding, renderFindingCounts } from "./verify-output.ts";

export interface ImageFinding {
  readonly image: string;
  readonly endpoint: string;
  readonly finding: Finding;
}

/** Verifies; resolves with the exit code. */
export async function verifyImages(
  flags: VerifyFlags,
  positional: string | undefined,
  context: CommandContext,
): Promise<number> {
  checkSources(flags, positional);
  const { endpoints, socket } = await openEndpoints(flags, context);
  try {
    const wishes = await readWishes(flags, { positional, context, socket });
    const found: ImageFinding[] = [];
    const show = (one: ImageFinding): void => {
      found.push(one);
      context.stdout.write(`${flags.output === "json" ? JSON.stringify(one) : renderFinding(one)}\n`);
    };
    await Promise.all(endpoints.map((endpoint) => verifyAt(endpoint, wishes, { flags, context, show })));
    if (found.length === 0) throw new Error("Cannot verify anything: no image belongs to any of the mirrors");
    if (flags.output !== "json") context.stdout.write(`${renderFindingCounts(found)}\n`);
    return found.every(({ finding }) => finding.state === "ok") ? EXIT.ok : EXIT.notOk;
  } finally {
    await Promise.all(endpoints.map(({ registry }) => registry.close()));
  }
}

function checkSources(flags: VerifyFlags, positional: string | undefined): void {
  const { list, node, source, images } = flags;
  const sources = [list, node, source ?? images ?? positional].filter((one) => one !== undefined);
  if (sources.length !== 1) throw new UsageError("one of --source, --list and --node says which images to look for");
}

interface Endpoints {
  readonly endpoints: readonly LookedAt[];
  /** containerd's, where the config names another than the usual. */
  readonly socket: string | null;
}

async function openEndpoints(flags: VerifyFlags, context: CommandContext): Promise<Endpoints> {
  if (flags.privateRegistry === undefined) {
    const { endpoints, config } = await openMirrors(flags, context);
    return { endpoints, socket: config.agent.containerd.socket };
  }
  const { address, registry } = await openRegistry(flags, context);
  const { origin, namespace } = address;
  const url = namespace === "" ? origin : `${origin}/v2/${namespace}`;
  return { endpoints: [{ url, namespace, registry, serves: () => true }], socket: null };
}

interface Reading {
  readonly positional: string | undefined;
  readonly context: CommandContext;
  readonly socket: string | null;
}

async function readWishes(flags: VerifyFlags, reading: Reading): Promise<NamedWish[]> {
  const wishes = await readAllWishes(flags, reading);
  const { include, exclude } = planOptions(flags);
  return wishes.filter(({ name }) => passesGlobs(formatImageName(name), { include, exclude }));
}

async function readAllWishes(flags: VerifyFlags, reading: Reading): Promise<NamedWish[]> {
  if (flags.list !== undefined) return parseImageList(await readFile(flags.list, "utf8"));
  if (flags.node !== true) return readPackage(flags, reading);
  const { CriClient } = await import("../node/cri.ts");
  const client = new CriClient(reading.socket ?? `${flags.root}/run/containerd/containerd.sock`);
  try {
    return wishesOfNode(await client.listImages({ signal: reading.context.signal }));
  } finally {
    client.close();
  }
}

async function readPackage(flags: VerifyFlags, { positional, context }: Reading): Promise<NamedWish[]> {
  const path = packagePath(flags, positional);
  if (flags.publicKey !== undefined) await checkSignature(path, flags.publicKey, context.signal);
  const images = await openPackage(path, { workdir: flags.workdir ?? tmpdir(), signal: context.signal });
  try {
    const { loaded, problems } = await loadImages(images);
    const plan = planPush(loaded, { ...planOptions(flags), namespace: "" });
    const [problem] = [...problems, ...plan.problems];
    if (problem !== undefined) throw new Error(`Cannot read "${path}": ${problem.image}: ${problem.message}`);
    return plan.images.map(({ registry, repository, tag, root }) => {
      return { name: { registry, repository, tag, digest: root.digest }, digest: root.digest };
    });
  } finally {
    await images.close();
  }
}

interface Verifying {
  readonly flags: VerifyFlags;
  readonly context: CommandContext;
  readonly show: (finding: ImageFinding) => void;
}

async function verifyAt(endpoint: LookedAt, wishes: readonly NamedWish[], verifying: Verifying): Promise<void> {
  const { flags, context, show } = verifying;
  const session = startSession(endpoint.registry, flags, { context, onEvent: () => undefined });
  const verifier = new ImageVerifier(session, { deep: flags.deep ?? false, platforms: planOptions(flags).platforms });
  const wanted = wishes.filter(({ name }) => endpoint.serves(name.registry)).map((wish) => wantedAt(endpoint, wish));
  await Promise.all(
    wanted.map(async (image) => {
      show({ image: image.name, endpoint: endpoint.url, finding: await verifier.verify(image) });
    }),
  );
}

function wantedAt(endpoint: LookedAt, { name, digest }: NamedWish): WantedImage {
  return {
    name: formatImageName({ ...name, digest: name.tag === null ? name.digest : null }),
    registry: name.registry,
    repository: mirrorRepository(endpoint, name.repository),
    reference: name.tag ?? name.digest ?? "latest",
    digest,
  };
}
