// Pushes a whole plan: first asks what is there, then brings what is not, all images at once through one gate.

import { type Blob, blobsOf } from "./graph.ts";
import type { PushJournal } from "./journal.ts";
import type { PlannedImage } from "./plan.ts";
import { BlobPusher } from "./push-blobs.ts";
import type { ImageResult, ImageState } from "./push-event.ts";
import { pushImage, pushMissingReferrers, type Survey, surveyImage, targetOf } from "./push-image.ts";
import type { PushSession } from "./push-session.ts";

export interface RunOptions {
  readonly journal: PushJournal;
  readonly onExistingTag: "overwrite" | "skip" | "error";
  /** Go on with other images after one failed. */
  readonly keepGoing: boolean;
  /** Check every blob and manifest even where the tag is right: for registries that lost some. */
  readonly recheck: boolean;
}

interface Surveyed {
  readonly image: PlannedImage;
  readonly survey: Survey | Error;
}

/** Pushes images; resolves with one result for each, in their order. Rejects only if the caller's signal aborts. */
export async function runPush(
  session: PushSession,
  images: readonly PlannedImage[],
  options: RunOptions,
): Promise<readonly ImageResult[]> {
  const surveyed = await surveyImages(session, images, options.recheck);
  session.onEvent({ kind: "planned", ...countWork(surveyed) });
  const stop = new AbortController();
  const stoppable = { ...session, signal: AbortSignal.any([session.signal, stop.signal]) };
  const blobs = new BlobPusher(stoppable, options.journal);
  const results = surveyed.map(async (one, order) => {
    const result = await pushOne(stoppable, blobs, { one, order, options });
    if (result.state === "failed" && !options.keepGoing) stop.abort();
    session.onEvent({ kind: "imageDone", result });
    return result;
  });
  return Promise.all(results);
}

/** Asks for all images at once; one that cannot be asked for fails alone. */
export async function surveyImages(
  session: PushSession,
  images: readonly PlannedImage[],
  recheck: boolean,
): Promise<readonly Surveyed[]> {
  const ask = async (image: PlannedImage): Promise<Surveyed> => {
    const survey = await surveyImage(session, image).catch((error: Error) => error);
    const unsure = recheck && !(survey instanceof Error) && survey.kind === "present";
    return { image, survey: unsure ? { kind: "absent" } : survey };
  };
  const surveyed = await Promise.all(images.map(ask));
  session.signal.throwIfAborted();
  return surveyed;
}

/** Each blob counts once, however many images share it: that is what goes over the wire. */
function countWork(surveyed: readonly Surveyed[]): {
  images: number;
  present: number;
  blobs: number;
  bytes: number;
} {
  const due = surveyed.filter(({ survey }) => survey instanceof Error || survey.kind !== "present");
  const blobs = new Map<string, Blob>();
  for (const { image } of due) for (const blob of blobsOf(image.root)) blobs.set(blob.digest, blob);
  const bytes = [...blobs.values()].reduce((sum, blob) => sum + blob.size, 0);
  return { images: surveyed.length, present: surveyed.length - due.length, blobs: blobs.size, bytes };
}

async function pushOne(
  session: PushSession,
  blobs: BlobPusher,
  { one, order, options }: { one: Surveyed; order: number; options: RunOptions },
): Promise<ImageResult> {
  const { image, survey } = one;
  const result = (state: ImageState, reason: string | null): ImageResult => {
    return { image: image.name, target: targetOf(session, image), digest: image.root.digest, state, reason };
  };
  try {
    if (survey instanceof Error) throw survey;
    if (survey.kind === "present")
      return result((await pushMissingReferrers(session, blobs, image)) ? "pushed" : "present", null);
    if (survey.kind === "differs" && options.onExistingTag !== "overwrite") {
      const reason = `the tag is there with other content, ${survey.digest}`;
      return result(options.onExistingTag === "skip" ? "skipped" : "failed", reason);
    }
    await pushImage(session, blobs, { image, order });
    return result("pushed", null);
  } catch (error) {
    if (session.signal.aborted) return result("stopped", null);
    return result("failed", (error as Error).message);
  }
}
