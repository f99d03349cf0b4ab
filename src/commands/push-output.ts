// What `push images` says at the end, and what it would do.

import type { DryRun } from "../push/dry-run.ts";
import { formatBytes, formatCount } from "../push/format-amount.ts";
import type { PushPlan } from "../push/plan.ts";
import type { Progress } from "../push/progress.ts";
import { renderSummary } from "../push/render-progress.ts";
import type { CommandContext } from "./context.ts";
import type { OpenRegistry } from "./open-registry.ts";

/** The last lines of a push: the sum, every failure once more, and how to go on. */
export function renderEnd(progress: Progress, { nowMs, signal }: CommandContext): string {
  const failed = progress.results.filter(({ state }) => state === "failed");
  const failures = failed.map(({ image, reason }) => `  ${image}: ${reason}`);
  const open = progress.results.some(({ state }) => state === "failed" || state === "stopped");
  const hint = open || signal.aborted ? ["Run the same command again to go on; nothing is sent twice."] : [];
  const heading = failures.length === 0 ? [] : ["Failed:"];
  return [renderSummary(progress, nowMs()), ...heading, ...failures, ...hint].join("\n");
}

/** The final report as one line of JSON. */
export function reportOf(progress: Progress, nowMs: number): string {
  const { results, sentBytes, totalBytes, mounted, uploaded, retries, startedMs } = progress;
  const durationMs = Math.round(nowMs - startedMs);
  const counts = { totalBytes, sentBytes, blobsUploaded: uploaded, blobsMounted: mounted, retries, durationMs };
  return JSON.stringify({ event: "report", ...counts, images: results });
}

/** What a push would do, for people. */
export function renderDryRun(result: DryRun, plan: PushPlan, { address }: OpenRegistry): string {
  const lines = result.images.map(
    ({ state, image, place }) => `${state.padEnd(8)} ${image} -> ${address.host}/${place}`,
  );
  const problems = plan.problems.map(({ image, message }) => `cannot   ${image}: ${message}`);
  const counts = `${formatCount(result.images.length, "image")}, ${formatCount(result.blobsToSend, "blob")} to send, ${formatBytes(result.bytesToSend)}`;
  const projects = `Projects that have to exist, where the registry does not make them itself: ${result.projects.join(", ")}`;
  return `${[...lines, ...problems, counts, projects].join("\n")}\n`;
}
