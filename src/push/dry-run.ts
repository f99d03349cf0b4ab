// What a push would do: per image what is there, and how many bytes would go over the wire. Also which repositories and
// projects have to exist, for Harbor, Quay and others make none by themselves.

import { hasBlob } from "../registry/blob-upload.ts";
import { type Blob, blobsOf } from "./graph.ts";
import { type PlannedImage, placeOf } from "./plan.ts";
import type { Survey } from "./push-image.ts";
import { attempt, PRIORITY, type PushSession } from "./push-session.ts";
import { surveyImages } from "./run-push.ts";

export interface DryRun {
  readonly images: readonly DryImage[];
  readonly blobsToSend: number;
  readonly bytesToSend: number;
  readonly repositories: readonly string[];
  /** The first part of each repository: what some registries call a project, and want to be made first. */
  readonly projects: readonly string[];
}

export interface DryImage {
  readonly image: string;
  readonly place: string;
  readonly digest: string;
  readonly state: "new" | "present" | "differs";
}

/** Asks the registry about everything and changes nothing. */
export async function dryRun(session: PushSession, images: readonly PlannedImage[]): Promise<DryRun> {
  const surveyed = await surveyImages(session, images, false);
  const known = surveyed.map(({ image, survey }) => {
    if (survey instanceof Error) throw survey;
    return { image, survey };
  });
  const due = known.filter(({ survey }) => survey.kind !== "present").map(({ image }) => image);
  const missing = await findMissing(session, due);
  const repositories = [...new Set(images.map((image) => image.repository))].sort();
  return {
    images: known.map(({ image, survey }) => describe(image, survey)),
    blobsToSend: missing.length,
    bytesToSend: missing.reduce((sum, blob) => sum + blob.size, 0),
    repositories,
    projects: [...new Set(repositories.map((repository) => repository.split("/")[0] ?? ""))],
  };
}

/** Blobs that no repository of the plan has: the others are mounted. */
async function findMissing(session: PushSession, images: readonly PlannedImage[]): Promise<Blob[]> {
  const places = images.flatMap(({ repository, root }) => blobsOf(root).map((blob) => ({ repository, blob })));
  const unique = [...new Map(places.map((place) => [`${place.repository}@${place.blob.digest}`, place])).values()];
  const found = new Set<string>();
  const ask = async ({ repository, blob }: { repository: string; blob: Blob }): Promise<void> => {
    const question = { repository, digest: blob.digest, size: blob.size, ns: null, purpose: "push" } as const;
    const there = await attempt(session, PRIORITY.mount, () => hasBlob(session.registry, question, session.signal));
    if (there === true) found.add(blob.digest);
  };
  await Promise.all(unique.map(ask));
  const blobs = new Map(unique.map(({ blob }) => [blob.digest, blob]));
  return [...blobs.values()].filter((blob) => !found.has(blob.digest));
}

function describe(image: PlannedImage, survey: Survey): DryImage {
  const state = survey.kind === "absent" ? "new" : survey.kind;
  return { image: image.name, place: placeOf(image), digest: image.root.digest, state };
}
