// What happens during a push, as values: the display, the calm lines and the NDJSON output read the same.

export type PushEvent =
  | {
      readonly kind: "planned";
      readonly images: number;
      readonly present: number;
      readonly blobs: number;
      readonly bytes: number;
    }
  | { readonly kind: "blobStarted"; readonly digest: string; readonly repository: string; readonly size: number }
  | { readonly kind: "blobSent"; readonly digest: string; readonly repository: string; readonly bytes: number }
  | {
      readonly kind: "blobDone";
      readonly digest: string;
      readonly repository: string;
      readonly size: number;
      readonly outcome: BlobEnd;
    }
  | { readonly kind: "retry"; readonly message: string; readonly waitMs: number }
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "imageDone"; readonly result: ImageResult };

export type BlobEnd = "present" | "mounted" | "uploaded" | "failed";

export type ImageState = "pushed" | "present" | "skipped" | "failed" | "stopped";

export interface ImageResult {
  readonly image: string;
  /** Where it is at the registry: "172.18.0.20:5000/team-a/pause:3.9". */
  readonly target: string;
  readonly digest: string;
  readonly state: ImageState;
  /** Why it failed or was skipped; null if it is there. */
  readonly reason: string | null;
}

export type OnPushEvent = (event: PushEvent) => void;
