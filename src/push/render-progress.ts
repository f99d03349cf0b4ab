// A push as lines of text: one summary with a bar, and beneath it what is on its way.

import { formatBytes, formatCount, formatDuration } from "./format-amount.ts";
import type { Progress } from "./progress.ts";

const BAR = 24;
const MOST_BLOBS = 8;

/** The live display: the first line sums up, the others are transfers; none is wider than `columns`. */
export function renderLive(progress: Progress, { nowMs, columns }: { nowMs: number; columns: number }): string[] {
  const share = shareOf(progress);
  const bar = "█".repeat(Math.floor(share * BAR)).padEnd(BAR, "░");
  const blobs = [...progress.active.values()].filter((blob) => blob.sent > 0).slice(0, MOST_BLOBS);
  const lines = blobs.map((blob) => {
    const percent = `${Math.floor((100 * Math.min(blob.sent, blob.size)) / blob.size)} %`.padStart(5);
    return `  ${percent} of ${formatBytes(blob.size).padStart(8)}  ${blob.digest.slice(0, 19)}  ${blob.repository}`;
  });
  return [`${bar} ${renderStatus(progress, nowMs)}`, ...lines].map((line) => line.slice(0, columns - 1));
}

/** "45 % 1.2 of 2.7 GB, 98 MB/s, 15 s left, 3 of 24 images" */
export function renderStatus(progress: Progress, nowMs: number): string {
  const share = shareOf(progress);
  const rate = progress.bytesPerSecond(nowMs);
  const leftBytes = progress.totalBytes - progress.reachedBytes();
  const left = rate > 0 && leftBytes > 0 ? `, ${formatDuration((leftBytes * 1000) / rate)} left` : "";
  const bytes = `${formatBytes(progress.reachedBytes())} of ${formatBytes(progress.totalBytes)}`;
  const images = `${progress.results.length} of ${formatCount(progress.images, "image")}`;
  return `${Math.floor(share * 100)} %  ${bytes}, ${formatBytes(rate)}/s${left}, ${images}`;
}

/** The last line: what became of the images, and what it took. */
export function renderSummary(progress: Progress, nowMs: number): string {
  const counts = (["pushed", "present", "skipped", "failed", "stopped"] as const)
    .map((state) => [progress.results.filter((result) => result.state === state).length, SUMMARY[state]] as const)
    .filter(([count]) => count > 0)
    .map(([count, text]) => `${count} ${text}`);
  const tookMs = nowMs - progress.startedMs;
  const sent = `${formatBytes(progress.sentBytes)} sent in ${formatDuration(tookMs)}`;
  const mounted = progress.mounted > 0 ? `, ${formatCount(progress.mounted, "blob")} mounted` : "";
  const retries = progress.retries > 0 ? `, ${formatCount(progress.retries, "retry", "retries")}` : "";
  return `${formatCount(progress.results.length, "image")}: ${counts.join(", ") || "none"}; ${sent}${mounted}${retries}`;
}

const SUMMARY = {
  pushed: "pushed",
  present: "there already",
  skipped: "skipped",
  failed: "failed",
  stopped: "not finished",
} as const;

function shareOf(progress: Progress): number {
  return progress.totalBytes === 0 ? 1 : progress.reachedBytes() / progress.totalBytes;
}
