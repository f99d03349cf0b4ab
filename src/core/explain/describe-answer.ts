// What one answer means, in words that name the fault: "explain" shows it of every answer, "doctor" of the bad ones.

import { describeFault, type FaultContext } from "../describe-fault.ts";
import type { Answer, Answered } from "./answers.ts";
import type { ExplainedHost } from "./explanation.ts";

/** "404 in 12 ms: it does not have the image" */
export function describeAnswer(answer: Answer, context: FaultContext): string {
  if (answer.kind === "failed") return describeFault(answer, context);
  const { status, ms, bytes, digest, isWrong } = answer;
  const time = ms < 1000 ? `${Math.max(0, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
  const size = bytes > 0 ? `, ${bytes} bytes` : "";
  if (isWebPage(answer)) return `${status} in ${time}: it answers with a web page, not a registry`;
  if (isWrong === true) return `${status} in ${time}, but its bytes have another digest: what it serves is damaged`;
  const mark = digest !== null && status < 300 ? `  ${digest.slice(0, 19)}` : "";
  const meaning = status >= 500 ? "it is broken inside" : MEANINGS[status];
  return `${status} in ${time}${size}${mark}${describePace(answer)}${meaning === undefined ? "" : `: ${meaning}`}`;
}

const MEANINGS: Readonly<Record<number, string>> = {
  401: "it refuses the credential, or wants one that it is not given",
  403: "it does not let this credential in",
  404: "it does not have the image",
  429: "it has been asked too often",
};

/** A page for people, where a registry would send JSON or bytes. */
export function isWebPage({ status, mediaType }: Pick<Answered, "status" | "mediaType">): boolean {
  return status < 300 && mediaType === "text/html";
}

/** What is known of a host for describeAnswer(), but for the time. */
export function contextOf({ certificateExpiresAt }: ExplainedHost): Omit<FaultContext, "nowMs"> {
  return { certificateExpiresAtMs: certificateExpiresAt === null ? null : Date.parse(certificateExpiresAt) };
}

/** Whether it came so slowly that a pull would take for ever. A small body says nothing unless it took long. */
export function isSlow({ bytes, ms, status }: Pick<Answered, "bytes" | "ms" | "status">): boolean {
  return status < 300 && ms >= 1000 && bytes > 0 && paceOf({ bytes, ms }) <= SLOW_BYTES_PER_SECOND;
}

// A modem is faster.
const SLOW_BYTES_PER_SECOND = 5000;

function paceOf({ bytes, ms }: Pick<Answered, "bytes" | "ms">): number {
  return (bytes * 1000) / ms;
}

function describePace(answer: Answered): string {
  return isSlow(answer) ? `: it sends far too slowly, ${Math.round(paceOf(answer))} bytes a second` : "";
}
