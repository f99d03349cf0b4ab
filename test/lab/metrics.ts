// Asks for metrics as Prometheus does, and reads them.

import { request } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { PATIENCE_MS } from "./daemon.ts";

export interface Scrape {
  readonly text: string;
  /** By name and labels as they are written: `mirror_agent_endpoint_up{endpoint="http://x",role="mirror"}`. */
  readonly values: ReadonlyMap<string, number>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** A port of 127.0.0.1, or the path of a socket. */
export type Where = { readonly port: number } | { readonly socketPath: string };

export async function ask(where: Where, { path = "/metrics", method = "GET" } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request({ ...where, host: "127.0.0.1", path, method, agent: false }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
    response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
  });
  asked.on("error", reject).end();
  return promise;
}

export function parseMetrics(text: string): Scrape {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const values = lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))] as const;
  });
  return { text, values: new Map(values) };
}

/** The first metrics for which `wanted` holds. Nobody tells when they change: they are asked for again, as scrapes are. */
export async function untilMetrics(
  where: Where,
  wanted: (values: Scrape["values"]) => boolean,
  { timeoutMs = PATIENCE_MS } = {},
): Promise<Scrape> {
  const endsAtMs = performance.now() + timeoutMs;
  let last = "nothing was answered";
  while (performance.now() < endsAtMs) {
    const answer = await ask(where).catch((error: Error) => ({ status: 0, text: error.message }));
    last = answer.text;
    if (answer.status === 200) {
      const scrape = parseMetrics(answer.text);
      if (wanted(scrape.values)) return scrape;
    }
    await delay(100);
  }
  throw new Error(`The metrics did not become what was wanted:\n${last}`);
}
