// Go's time.ParseDuration, in which hosts.toml gives its dial_timeout: "1s", "1m30s", "0", not "5".

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** In milliseconds; null for what Go refuses. */
export function parseGoDuration(text: string): number | null {
  const bare = text.replace(/^[+-]/, "");
  if (bare === "0") return 0;
  if (bare === "" || bare.replace(PART, "") !== "") return null;
  const sum = [...bare.matchAll(PART)].reduce(
    (ms, [, count, unit]) => ms + Number(count) * (UNITS[unit ?? ""] ?? 0),
    0,
  );
  return text.startsWith("-") ? -sum : sum;
}
