// What a server answered to each thing that containerd would ask of it, as plain values: the forecast is made of these.

import type { ProbeReason } from "../probe-result.ts";

export type Answer = Answered | Unanswered;

export interface Answered {
  readonly kind: "answered";
  readonly status: number;
  readonly ms: number;
  /** What the server says the digest is; null: nothing. */
  readonly digest: string | null;
  /** Without parameters; "" where it does not say. */
  readonly mediaType: string;
  /** What was read of the body does not have the digest that was asked for. Null: not known, or not asked. */
  readonly isWrong: boolean | null;
  readonly bytes: number;
}

export interface Unanswered {
  readonly kind: "failed";
  readonly reason: ProbeReason;
  /** One clause without secrets. */
  readonly detail: string;
  readonly ms: number;
  /** Whether an answer had begun: then containerd does not ask another server any more. */
  readonly begun: boolean;
}

/** Everything that one server was asked; null: nobody asked it, because nothing was known to ask for. */
export interface HostAnswers {
  /** HEAD of the manifest. */
  readonly resolve: Answer;
  /** GET of the manifest that the pull resolves to, and of the one for this platform if that is an index. */
  readonly manifests: readonly Answer[];
  /** GET of the smallest blob. */
  readonly blob: Answer | null;
  readonly certificateExpiresAtMs: number | null;
}

/** What the pull gets to know on its way. */
export interface ImageFacts {
  readonly digest: string;
  /** Null where no manifest could be read. */
  readonly layers: number | null;
  /** Why containerd makes no image of what it is given; null: it does, or nothing could be read. */
  readonly problem: string | null;
}
