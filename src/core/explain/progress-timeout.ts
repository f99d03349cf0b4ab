// The CRI's watchdog: a pull to which nothing comes for so long is cancelled whole, and no other server is asked.

import type { TomlMap } from "../containerd-config/toml-text.ts";
import { type ContainerdVersion, defaultProgressTimeoutMs } from "../containerd-config/versions.ts";
import { parseGoDuration } from "./go-duration.ts";

/** In milliseconds, as these settings of the images plugin have it; null: never (0, or a version without it). */
export function progressTimeoutMs(images: TomlMap, version: ContainerdVersion): number | null {
  const usualMs = defaultProgressTimeoutMs(version);
  const { image_pull_progress_timeout: text } = images;
  if (usualMs === null || typeof text !== "string") return usualMs;
  // With what it cannot read the CRI does not load at all.
  return (parseGoDuration(text) ?? usualMs) || null;
}
