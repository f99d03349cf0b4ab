// What `verify images` says about each image, and in all.

import { formatCount } from "../push/format-amount.ts";
import type { Finding } from "../push/verify-image.ts";
import type { ImageFinding } from "./run-verify-images.ts";

/** One line for an image at an endpoint. */
export function renderFinding({ image, endpoint, finding }: ImageFinding): string {
  const detail = describe(finding);
  return `${finding.state.padEnd(10)} ${image} at ${endpoint}${detail === "" ? "" : `: ${detail}`}`;
}

/** The last line, and the mend where there is one. */
export function renderFindingCounts(found: readonly ImageFinding[]): string {
  const states = ["ok", "missing", "differs", "incomplete", "failed"] as const;
  const counts = states.map((state) => [found.filter(({ finding }) => finding.state === state).length, state] as const);
  const said = counts.filter(([count]) => count > 0).map(([count, state]) => `${count} ${state}`);
  const lost = found.flatMap(({ finding }) => (finding.state === "incomplete" ? finding.lost : []));
  const again = "\nWhat is lost is mended by push images --recheck with the package that has it.";
  const wrong = "\nWrong bytes have to be deleted at the registry first: it would not take the right ones.";
  const mend = `${lost.length > 0 ? again : ""}${lost.some((part) => part.includes("its bytes are")) ? wrong : ""}`;
  return `${formatCount(found.length, "image")}: ${said.join(", ")}${mend}`;
}

function describe(finding: Finding): string {
  switch (finding.state) {
    case "ok":
    case "missing":
      return "";
    case "differs":
      return `it is ${finding.digest}`;
    case "incomplete":
      return `lost ${finding.lost.join(", ")}`;
    case "failed":
      return finding.reason;
  }
  finding satisfies never;
  return "";
}
