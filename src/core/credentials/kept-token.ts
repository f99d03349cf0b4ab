// A Google access token that is to outlive the process that got it.

import type { Secret } from "./secret.ts";

export interface KeptToken {
  /** What it was got with. */
  readonly keyJson: Secret;
  readonly token: Secret;
  readonly expiresAtMs: number;
  /** How long it had to live when it came. */
  readonly lifetimeMs: number;
}
