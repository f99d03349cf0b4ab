// What the servers of a registry say about one of the node's images: who has it, and who says so and does not deliver.

import { type Endpoint, serverRoot } from "../endpoint.ts";
import type { Answer } from "../explain/answers.ts";
import { contextOf, describeAnswer, isSlow, isWebPage } from "../explain/describe-answer.ts";
import type { ExplainedHost, Explanation } from "../explain/explanation.ts";
import type { ImageFinding, ImageTrouble } from "./facts.ts";

/** Judges an image; `mirrors` are those of the config, of which the last may be what hosts.toml calls `server`. */
export function compileFinding(
  { image, hosts }: Pick<Explanation, "image" | "hosts">,
  { mirrors, nowMs }: { mirrors: readonly Pick<Endpoint, "url">[]; nowMs: number },
): ImageFinding {
  const roots = mirrors.map(({ url }) => apiRoot(url));
  const isMirror = ({ role, endpoint }: ExplainedHost): boolean =>
    role === "host" || (role === "server" && roots.includes(endpoint));
  const asked = hosts.filter(isMirror);
  return {
    image,
    isAtMirror: asked.some(has),
    isAtUpstream: hosts.some((host) => !isMirror(host) && has(host)),
    haveMirrorsAnswered: asked.length > 0 && asked.every(({ manifest }) => manifest?.kind === "answered"),
    troubles: asked.flatMap((host) => findTroubles(host, nowMs)),
  };
}

// As containerd makes it of hosts.toml: "/v2" is appended to an address without a path.
function apiRoot(url: string): string {
  return new URL(url).pathname === "/" ? `${serverRoot(url)}/v2` : url;
}

// Only of a mirror that says that it has the image: who says nothing at all is found by other checks.
function findTroubles(host: ExplainedHost, nowMs: number): ImageTrouble[] {
  if (!has(host)) return [];
  const parts = { manifest: host.manifestByDigest, blob: host.blob };
  const bad = (["manifest", "blob"] as const).find((part) => isTrouble(parts[part]));
  const answer = bad === undefined ? null : parts[bad];
  if (bad === undefined || answer === null) return [];
  return [{ endpoint: host.endpoint, part: bad, found: describeAnswer(answer, { ...contextOf(host), nowMs }) }];
}

function isTrouble(answer: Answer | null): boolean {
  if (answer === null) return false;
  return (
    answer.kind === "failed" || answer.status >= 300 || answer.isWrong === true || isWebPage(answer) || isSlow(answer)
  );
}

function has({ manifest }: ExplainedHost): boolean {
  return manifest?.kind === "answered" && manifest.status < 300;
}
