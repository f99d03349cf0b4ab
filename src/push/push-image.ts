// Pushes one image so that nobody ever sees half of it: blobs, then manifests from the leaves up, the tag last.

import { findManifest, putManifest } from "../registry/manifest-client.ts";
import { type ManifestNode, manifestsOf } from "./graph.ts";
import { type PlannedImage, placeOf } from "./plan.ts";
import type { BlobPusher } from "./push-blobs.ts";
import { pushReferrer } from "./push-referrer.ts";
import { attempt, PRIORITY, type PushSession } from "./push-session.ts";

/** What the registry has where an image is to go. */
export type Survey =
  | { readonly kind: "present" }
  | { readonly kind: "absent" }
  | { readonly kind: "differs"; readonly digest: string };

/** Asks what is at an image's place. An equal digest proves the whole image: registries check a manifest's parts. */
export async function surveyImage(session: PushSession, image: PlannedImage): Promise<Survey> {
  const reference = image.tag ?? image.root.digest;
  const { registry, signal } = session;
  const digest = await attempt(session, PRIORITY.manifest, () =>
    findManifest(registry, { repository: image.repository, reference, ns: null, purpose: "push" }, signal),
  );
  if (digest === null) return { kind: "absent" };
  return digest === image.root.digest ? { kind: "present" } : { kind: "differs", digest };
}

/** Brings everything of an image to the registry. */
export async function pushImage(
  session: PushSession,
  blobs: BlobPusher,
  { image, order }: { readonly image: PlannedImage; readonly order: number },
): Promise<void> {
  const { repository, root, tag } = image;
  await pushParts(session, blobs, { image, order });
  await putOne(session, { repository, reference: tag ?? root.digest, node: root });
  for (const referrer of image.referrers) await pushOneReferrer(session, blobs, { repository, referrer });
}

/** Whether every referrer is there; an image that is may have been pushed before it was signed. */
export async function pushMissingReferrers(
  session: PushSession,
  blobs: BlobPusher,
  image: PlannedImage,
): Promise<boolean> {
  let pushed = false;
  for (const referrer of image.referrers) {
    const place = { repository: image.repository, reference: referrer.digest, ns: null, purpose: "push" } as const;
    const found = await attempt(session, PRIORITY.manifest, () =>
      findManifest(session.registry, place, session.signal),
    );
    if (found !== null) continue;
    await pushOneReferrer(session, blobs, { repository: image.repository, referrer });
    pushed = true;
  }
  return pushed;
}

async function pushParts(
  session: PushSession,
  blobs: BlobPusher,
  { image, order }: { image: PlannedImage; order: number },
): Promise<void> {
  const nodes = manifestsOf(image.root);
  const place = { repository: image.repository, order };
  await Promise.all(nodes.flatMap((node) => node.blobs.map((blob) => blobs.push(place, blob))));
  for (const node of nodes) {
    if (node !== image.root) await putOne(session, { repository: image.repository, reference: node.digest, node });
  }
}

async function pushOneReferrer(
  session: PushSession,
  blobs: BlobPusher,
  { repository, referrer }: { repository: string; referrer: ManifestNode },
): Promise<void> {
  await Promise.all(referrer.blobs.map((blob) => blobs.push({ repository, order: 0 }, blob)));
  await attempt(session, PRIORITY.manifest, () =>
    pushReferrer(session.registry, { repository, referrer }, session.signal),
  );
}

async function putOne(
  session: PushSession,
  { repository, reference, node }: { repository: string; reference: string; node: ManifestNode },
): Promise<void> {
  const manifest = { repository, reference, mediaType: node.mediaType, bytes: node.bytes };
  await attempt(session, PRIORITY.manifest, () => putManifest(session.registry, manifest, session.signal));
}

/** "172.18.0.20:5000/team-a/pause:3.9" */
export function targetOf(session: PushSession, image: PlannedImage): string {
  return `${new URL(session.registry.origin).host}/${placeOf(image)}`;
}
