// Writes docs/faults.md: every fault of a mirror as an operator sees it, from a real run: node scripts/show-faults.ts
// (root, and what scripts/setup installs). Addresses and folders are those of an ordinary node; times are as measured.

import { writeFileSync } from "node:fs";
import type { Check } from "../src/core/doctor/check.ts";
import { wrapText } from "../src/report/fit-text.ts";
import { renderChecks } from "../src/report/render-checks.ts";
import { renderExplanation } from "../src/report/render-explanation.ts";
import { createWorkspace } from "../test/lab/workspace.ts";
import { type FaultLook, lookAtFaults } from "../test/scenarios/fault-looks.ts";

const WIDTH = 100;

const HEAD = `# What each fault looks like

Every fault below was provoked on a real registry behind a server that breaks on command, with a real containerd 1.7, by
\`npm run show-faults\`; this file is what came out. \`explain\` and \`doctor\` were asked at once, with the mirror still in
the routes; the journal is of the agent when it has found out, which takes \`probe.fall\` failed probes. Faults behind
\`/v2/\` (blobs) are found by images that the node has, or by the one that \`probe.image\` names.

`;

await using workspace = await createWorkspace();
const looks = await lookAtFaults(workspace);
const contents = looks.map(({ fault: { title } }) => `- [${title}](#${anchorOf(title)})`).join("\n");
const text = `${HEAD}${contents}\n${looks.map((look) => section(plain(look))).join("")}`;
writeFileSync(new URL("../docs/faults.md", import.meta.url), text);

function section({ fault, explanation, checks, journal }: FaultLook): string {
  const options = { colour: false, width: WIDTH, nowMs: Date.now(), notes: explanation.agent };
  const line = journal ?? "(nothing: the agent finds it in order)";
  return `
## ${fault.title}

\`mirror-agent explain gcr.io/team/app:1.0\`

\`\`\`
${renderExplanation(explanation, options).trimEnd()}
\`\`\`

\`mirror-agent doctor\`

\`\`\`
${renderFindings(checks)}
\`\`\`

The journal

\`\`\`
${wrapText(line, WIDTH, "  ").join("\n")}
\`\`\`

${fault.mend}
`;
}

/** What is not in order about this mirror; that its certificate ends some day is another matter. */
function renderFindings(checks: readonly Check[]): string {
  const wrong = checks.filter(({ id, state }) => state !== "ok" && (id !== "certificate" || state === "fail"));
  return renderChecks(wrong, { colour: false, width: WIDTH }).trimEnd();
}

/** The same with an ordinary node's addresses instead of the laboratory's. */
function plain(look: FaultLook): FaultLook {
  let json = JSON.stringify({ explanation: look.explanation, checks: look.checks, journal: look.journal });
  for (const [from, to] of look.names) json = json.replaceAll(from, to);
  return { ...look, ...(JSON.parse(json) as Pick<FaultLook, "explanation" | "checks" | "journal">) };
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9 -]/g, "")
    .replaceAll(" ", "-");
}
