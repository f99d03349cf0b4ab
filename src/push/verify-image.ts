// Proves that a mirror holds an image, asking exactly what containerd will ask: the manifest by tag with `?ns=`, then
// everything beneath it by digest. Without the deep look a blob is only asked for; with it, every byte is hashed.

import { downloadBlob } from "../registry/blob-download.ts";
import { hasBlob } from "../registry/blob-upload.ts";
import { getManifest, type StoredManifest } from "../registry/manifest-client.ts";
import type { RegistryError } from "../registry/registry-error.ts";
import { type Descriptor, isManifestType, type Manifest, parseManifest } from "./manifest.ts";
import { attempt, PRIORITY, type PushSession, uploadPriority } from "./push-session.ts";
import { fitsPlatforms } from "./select-platforms.ts";

export interface WantedImage {
  /** For people: "gcr.io/a/b:1.0". */
  readonly name: string;
  /** Whose image it is: what `?ns=` says. */
  readonly registry: string;
  /** At the mirror, with namespace. */
  readonly repository: string;
  /** Tag or digest. */
  readonly reference: string;
  /** What the tag has to stand for; null if any content is right. */
  readonly digest: string | null;
}

export interface VerifyOptions {
  readonly deep: boolean;
  readonly platforms: readonly string[];
}

export type Finding =
  | { readonly state: "ok" }
  | { readonly state: "missing" }
  | { readonly state: "differs"; readonly digest: string }
  /** The tag is there, but not all that it needs. */
  | { readonly state: "incomplete"; readonly lost: readonly string[] }
  | { readonly state: "failed"; readonly reason: string };

/** Looks at images at one endpoint; parts that several share in a repository are looked at once. */
export class ImageVerifier {
  readonly #session: PushSession;
  readonly #options: VerifyOptions;
  readonly #blobs = new Map<string, Promise<string | null>>();

  constructor(session: PushSession, options: VerifyOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** Never rejects, unless the session is stopped. */
  async verify(image: WantedImage): Promise<Finding> {
    try {
      return await this.#look(image);
    } catch (error) {
      this.#session.signal.throwIfAborted();
      return { state: "failed", reason: (error as Error).message };
    }
  }

  async #look(image: WantedImage): Promise<Finding> {
    const stored = await this.#manifest(image, image.reference);
    if (stored === null) return { state: "missing" };
    if (image.digest !== null && stored.digest !== image.digest) return { state: "differs", digest: stored.digest };
    const lost = await this.#findLost(image, stored);
    return lost.length === 0 ? { state: "ok" } : { state: "incomplete", lost };
  }

  async #findLost(image: WantedImage, stored: StoredManifest): Promise<string[]> {
    const manifest = parseManifest(stored.bytes);
    const children = this.#childrenOf(manifest).map((child) => this.#lookAtChild(image, child));
    const blobs = manifest.blobs.map((blob) => this.#lookAtBlob(image, blob));
    return [...new Set((await Promise.all([...children, ...blobs])).flat())];
  }

  #childrenOf({ manifests }: Manifest): readonly Descriptor[] {
    const { platforms } = this.#options;
    return platforms.length === 0 ? manifests : manifests.filter((child) => fitsPlatforms(child.platform, platforms));
  }

  async #lookAtChild(image: WantedImage, child: Descriptor): Promise<string[]> {
    if (!isManifestType(child.mediaType)) return this.#lookAtBlob(image, child);
    try {
      const stored = await this.#manifest(image, child.digest);
      return stored === null ? [`manifest ${child.digest}`] : this.#findLost(image, stored);
    } catch (error) {
      return this.#lostBytes(error, `manifest ${child.digest}`);
    }
  }

  async #lookAtBlob(image: WantedImage, { digest, size }: Descriptor): Promise<string[]> {
    const key = `${image.registry} ${image.repository}@${digest}`;
    const found = this.#blobs.get(key) ?? this.#askForBlob(image, { digest, size });
    this.#blobs.set(key, found);
    const lost = await found;
    return lost === null ? [] : [lost];
  }

  async #askForBlob(image: WantedImage, { digest, size }: { digest: string; size: number }): Promise<string | null> {
    const { registry, signal, retries } = this.#session;
    const blob = { repository: image.repository, digest, size, ns: this.#ns(image) };
    const read = async (): Promise<void> => {
      for await (const _ of downloadBlob(registry, { blob, options: retries }, signal));
    };
    if (!this.#options.deep) {
      const there = await attempt(this.#session, PRIORITY.mount, () =>
        hasBlob(registry, { ...blob, purpose: "pull" }, signal),
      );
      return there === false ? `blob ${digest}` : null;
    }
    try {
      // It tries again by itself, from where it broke.
      await retries.gate.run(read, uploadPriority(0, size), signal);
      return null;
    } catch (error) {
      return this.#lostBytes(error, `blob ${digest}`)[0] ?? null;
    }
  }

  /** What the registry does not have, or has wrong, is lost; that it cannot be asked says nothing about the image. */
  #lostBytes(error: unknown, what: string): string[] {
    const { status, temporary, message } = error as RegistryError;
    if (temporary === false && (status === 404 || status === 200 || status === null)) return [`${what} (${message})`];
    throw error;
  }

  #manifest(image: WantedImage, reference: string): Promise<StoredManifest | null> {
    const { registry, signal } = this.#session;
    const place = { repository: image.repository, reference, ns: this.#ns(image), purpose: "pull" } as const;
    return attempt(this.#session, PRIORITY.manifest, () => getManifest(registry, place, signal));
  }

  /** containerd names the registry unless it asks that registry itself (docker/resolver.go, request.addNamespace). */
  #ns({ registry }: WantedImage): string | null {
    return new URL(this.#session.registry.origin).host === registry ? null : registry;
  }
}
