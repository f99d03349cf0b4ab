import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { formatBytes, formatDuration } from "../../src/push/format-amount.ts";
import { openJournal } from "../../src/push/journal.ts";
import { Progress } from "../../src/push/progress.ts";
import type { PushEvent } from "../../src/push/push-event.ts";
import { renderLive, renderStatus, renderSummary } from "../../src/push/render-progress.ts";

const A = { digest: `sha256:${"a".repeat(64)}`, size: 1_000_000 };
const planned: PushEvent = { kind: "planned", images: 2, present: 0, blobs: 2, bytes: 2_000_000 };
const started = (repository: string): PushEvent => ({ kind: "blobStarted", repository, ...A });
const sent = (repository: string, bytes: number): PushEvent => ({
  kind: "blobSent",
  repository,
  digest: A.digest,
  bytes,
});
const done = (repository: string, outcome: "uploaded" | "mounted" | "failed"): PushEvent => ({
  kind: "blobDone",
  repository,
  ...A,
  outcome,
});

function progressOf(...events: PushEvent[]): Progress {
  const progress = new Progress(0);
  for (const event of events) progress.add(event);
  return progress;
}

test("Progress counts a blob that is sent a second time once, and what went over the wire in full", () => {
  const broken = [planned, started("a"), sent("a", 600_000), started("a"), sent("a", 100_000)];
  const progress = progressOf(...broken);
  assert.deepEqual([progress.reachedBytes(), progress.sentBytes], [100_000, 700_000]);
  for (const event of [sent("a", 900_000), done("a", "uploaded")]) progress.add(event);
  assert.deepEqual([progress.reachedBytes(), progress.sentBytes], [1_000_000, 1_600_000]);
});

test("Progress never passes the total, nor counts a mounted blob again", () => {
  const twice = [
    planned,
    started("a"),
    sent("a", 1_000_000),
    done("a", "uploaded"),
    started("b"),
    done("b", "mounted"),
  ];
  assert.equal(progressOf(...twice).reachedBytes(), 1_000_000);
  assert.equal(
    progressOf({ ...planned, bytes: 500 } as PushEvent, started("a"), sent("a", 600_000)).reachedBytes(),
    500,
  );
});

test("Progress does not count a blob that failed", () => {
  assert.equal(progressOf(planned, started("a"), sent("a", 900_000), done("a", "failed")).reachedBytes(), 0);
});

test("Progress tells the rate of now, not of the whole run", () => {
  const progress = progressOf(planned, started("a"), sent("a", 1_000_000));
  assert.equal(progress.bytesPerSecond(1000), 1_000_000);
  for (let second = 2; second < 40; second++) assert.ok(progress.bytesPerSecond(second * 1000) >= 0);
  assert.equal(progress.bytesPerSecond(40_000), 0);
});

test("renderLive() shows the sum and what is on its way, within the width of the terminal", () => {
  const progress = progressOf(
    planned,
    started("team-a/very/long/repository"),
    sent("team-a/very/long/repository", 500_000),
  );
  const lines = renderLive(progress, { nowMs: 1000, columns: 120 });
  assert.deepEqual(lines, [
    `${"█".repeat(6)}${"░".repeat(18)} 25 %  500 kB of 2.0 MB, 500 kB/s, 3.0 s left, 0 of 2 images`,
    "   50 % of   1.0 MB  sha256:aaaaaaaaaaaa  team-a/very/long/repository",
  ]);
  assert.ok(renderLive(progress, { nowMs: 1000, columns: 40 }).every((line) => line.length < 40));
});

test("renderStatus() is whole when nothing is to be sent", () => {
  assert.match(renderStatus(progressOf({ ...planned, bytes: 0 } as PushEvent), 1000), /^100 %/);
});

test("renderSummary() names only what happened", () => {
  const result = { image: "i", target: "t", digest: "d", reason: null } as const;
  const events = (["pushed", "pushed", "present", "failed"] as const).map(
    (state): PushEvent => ({ kind: "imageDone", result: { ...result, state } }),
  );
  const summary = renderSummary(progressOf(planned, ...events, { kind: "retry", message: "", waitMs: 1 }), 61_000);
  assert.equal(summary, "4 images: 2 pushed, 1 there already, 1 failed; 0 B sent in 1 min 1 s, 1 retry");
});

test("formatBytes() and formatDuration() stay short", () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 123_456_789, 9.99e12].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "1.2 MB",
    "123 MB",
    "10.0 TB",
  ]);
  assert.deepEqual([400, 9940, 12_000, 200_000, 7_500_000].map(formatDuration), [
    "0.4 s",
    "9.9 s",
    "12 s",
    "3 min 20 s",
    "2 h 5 min",
  ]);
});

test("openJournal() remembers from run to run where a blob was brought, each registry by itself", async () => {
  const folder = await mkdtemp(join(tmpdir(), "journal-"));
  const first = await openJournal(join(folder, "made"), "https://a");
  first.add("repo/one", A.digest);
  await first.close();
  const second = await openJournal(join(folder, "made"), "https://a");
  assert.equal(second.findOther("repo/two", A.digest), "repo/one");
  assert.equal(second.findOther("repo/one", A.digest), null);
  await second.close();
  const other = await openJournal(join(folder, "made"), "https://b");
  assert.equal(other.findOther("repo/two", A.digest), null);
  await other.close();
  await rm(folder, { recursive: true });
});

test("openJournal() does without a folder that cannot be made", async () => {
  const journal = await openJournal("/dev/null/none", "https://a");
  journal.add("repo/one", A.digest);
  assert.equal(journal.findOther("repo/two", A.digest), "repo/one");
  await journal.close();
});
