// Reads the beginning of an answer's body, and counts what comes: where the time is up, that says whether it stopped
// or was slow.

import type { IncomingMessage } from "node:http";

export interface BodyReading {
  readonly maxBytes: number;
  readonly onBody: (bytes: number) => void;
}

/** At most `maxBytes` of it; `onBody` is told of each piece. */
export async function readBody(answer: IncomingMessage, { maxBytes, onBody }: BodyReading): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    onBody(chunk.length);
    chunks.push(chunk);
    length += chunk.length;
    if (length >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
}
