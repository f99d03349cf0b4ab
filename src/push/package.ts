// What a package holds, whatever its form was: named roots, and a store of blobs behind them.

import type { Content } from "./content.ts";
import type { Descriptor } from "./manifest.ts";

export interface ImagePackage {
  readonly images: readonly PackageImage[];
  /** Blobs by digest, of all parts of the package together: parts share layers. */
  readonly blobs: ReadonlyMap<string, Content>;
  close(): Promise<void>;
}

export interface PackageImage {
  /** What the package calls it: a whole name, only a tag, or nothing. */
  readonly name: string | null;
  readonly root: Descriptor;
  /** Where in the package it stands, for messages and for images without a name: `images/pause.tar`. */
  readonly origin: string;
}

/** One part of a package as its reader returns it. */
export interface PackagePart {
  readonly images: readonly PackageImage[];
  readonly blobs: ReadonlyMap<string, Content>;
}
