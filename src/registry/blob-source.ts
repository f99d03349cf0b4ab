// A blob that can be sent, and sent again: its bytes can be read from any place as often as needed.

export interface BlobSource {
  readonly digest: string;
  readonly size: number;
  /** The bytes from `start` on. */
  readonly read: (start: number) => AsyncIterable<Uint8Array>;
}

/** The bytes that were to be sent are not those that the digest names: the package is damaged, not the registry. */
export class DamagedBlobError extends Error {
  override readonly name = "DamagedBlobError";
}
