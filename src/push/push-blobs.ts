// Brings blobs into repositories, each over the wire once for a registry: the first repository that needs a blob gets
// it uploaded, the others wait and mount it. That a blob is in the registry is not enough: distribution refuses a
// manifest whose blobs are not linked into its own repository.

import { hasBlob, uploadBlob } from "../registry/blob-upload.ts";
import { streamContent } from "./content.ts";
import type { Blob } from "./graph.ts";
import type { PushJournal } from "./journal.ts";
import type { BlobEnd } from "./push-event.ts";
import { attempt, PRIORITY, type PushSession, uploadPriority } from "./push-session.ts";

export interface BlobPlace {
  readonly repository: string;
  /** The place of the image in the push. */
  readonly order: number;
}

/** The blobs of one push. */
export class BlobPusher {
  readonly #session: PushSession;
  readonly #journal: PushJournal;
  readonly #byPlace = new Map<string, Promise<void>>();
  /** The repository that a digest was first brought into, or null when that failed. */
  readonly #first = new Map<string, Promise<string | null>>();

  constructor(session: PushSession, journal: PushJournal) {
    this.#session = session;
    this.#journal = journal;
  }

  /** Resolves when `repository` has the blob. Blobs of lower `order` go first, of the same order the larger ones. */
  push({ repository, order }: BlobPlace, blob: Blob): Promise<void> {
    const place = `${repository}@${blob.digest}`;
    const found = this.#byPlace.get(place) ?? this.#start({ repository, order }, blob);
    this.#byPlace.set(place, found);
    return found;
  }

  #start(place: BlobPlace, blob: Blob): Promise<void> {
    const { repository } = place;
    const first = this.#first.get(blob.digest);
    if (first !== undefined) return first.then((from) => this.#bring(place, blob, from));
    const brought = this.#bring(place, blob, null);
    this.#first.set(
      blob.digest,
      brought.then(
        () => repository,
        () => null,
      ),
    );
    return brought;
  }

  async #bring({ repository, order }: BlobPlace, blob: Blob, from: string | null): Promise<void> {
    const { onEvent } = this.#session;
    const named = { digest: blob.digest, repository, size: blob.size };
    let outcome: BlobEnd = "failed";
    try {
      const priority = from === null ? uploadPriority(order, blob.size) : PRIORITY.mount;
      outcome = await attempt(this.#session, priority, () => this.#bringOnce(repository, blob, from));
      this.#journal.add(repository, blob.digest);
    } finally {
      onEvent({ kind: "blobDone", ...named, outcome });
    }
  }

  async #bringOnce(repository: string, blob: Blob, from: string | null): Promise<Exclude<BlobEnd, "failed">> {
    const { registry, signal, onEvent, stallTimeoutMs, finishTimeoutMs } = this.#session;
    const { digest, size, content } = blob;
    // A mount answers for itself; only an upload is worth a question first.
    const question = { repository, digest, size, ns: null, purpose: "push" } as const;
    if (from === null && (await hasBlob(registry, question, signal)) === true) return "present";
    if (content === null) throw new Error(`Cannot push blob ${digest}: the package does not hold it`);
    onEvent({ kind: "blobStarted", digest, repository, size });
    // A socket takes the next piece only when it has written the last one, for pieces are larger than its own buffer.
    const source = { digest, size, read: (start: number) => streamContent(content, start, { reuse: true }) };
    const target = { repository, mountFrom: from ?? this.#journal.findOther(repository, digest) };
    const onSent = (bytes: number): void => onEvent({ kind: "blobSent", digest, repository, bytes });
    return uploadBlob(registry, { blob: source, target, options: { stallTimeoutMs, finishTimeoutMs, onSent } }, signal);
  }
}
