// Durations and counts as people say them; the two largest units, since "3 m 12 s" is what one acts on.

const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
];

/** "340 ms", "12 s", "3 m 12 s", "2 h", "3 d 4 h". */
export function humaniseDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const first = UNITS.findIndex(([, size]) => ms >= size);
  let left = ms;
  const parts = UNITS.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count === 0 ? "" : `${count} ${unit}`;
  });
  return parts.filter(Boolean).join(" ");
}

/** "1 mirror", "3 mirrors"; `many` where an s is not enough. */
export function humaniseCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** "a", "a and b", "a, b, c and 97 more". */
export function humaniseList(items: readonly string[], most = 3): string {
  if (items.length > most + 1) return `${items.slice(0, most).join(", ")} and ${items.length - most} more`;
  return items.length < 2 ? items.join() : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}

/** "12 s", "3 m", "4 h 5 m", "3 d 4 h": what stands on a screen and counts up, without changing at every look. */
export function humaniseRoughly(ms: number): string {
  if (ms < 60_000) return `${Math.floor(Math.max(0, ms) / 1000)} s`;
  return humaniseDuration(Math.floor(ms / 60_000) * 60_000);
}

/** Local time, as the journal shows it: "03:12:04"; on another day "12-31 22:05", in another year "2025-12-31". */
export function humaniseTime(iso: string, nowMs: number): string {
  const [at, now] = [new Date(iso), new Date(nowMs)];
  const clock = at.toTimeString().slice(0, 8);
  if (at.toDateString() === now.toDateString()) return clock;
  const day = renderDay(at);
  return at.getFullYear() === now.getFullYear() ? `${day.slice(5)} ${clock.slice(0, 5)}` : day;
}

/** "2026-01-01", by the local clock. */
export function renderDay(at: Date): string {
  const pad = (part: number): string => String(part).padStart(2, "0");
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}
