// How credentials reach containerd, for people: `status` and `plan` show the same lines. A node may have a
// thousand registries with one file: endpoints with the same lot share their lines.

import { escapeControl } from "./escape-control.ts";
import { wrapText } from "./fit-text.ts";
import { humaniseList } from "./humanise.ts";
import type { NamedCredential, StatusCredential } from "./status.ts";
import { paint } from "./table.ts";

const WAYS: Readonly<Record<StatusCredential["kind"], string>> = {
  anonymous: "not used",
  header: "in hosts.toml",
  "header-token-endpoint": "in hosts.toml, for the token server too",
  "config-auth": "in config.toml, where each change costs a restart of containerd",
  impossible: "not used",
};

/** Lines under a title; none where there is nothing to say. */
export function renderCredentials(
  named: readonly NamedCredential[],
  { colour, width = Number.POSITIVE_INFINITY }: { colour: boolean; width?: number },
): string[] {
  const groups = Map.groupBy(named, ({ credential }) => describe(credential));
  const lines = [...groups].flatMap(([text, group]) => [
    ...wrapText(humaniseList(group.map(({ endpoint }) => endpoint)), width),
    ...wrapText(`  ${text}`, width, "  ").map((line) =>
      paint(line, group[0]?.credential.problem ? "yellow" : null, colour),
    ),
  ]);
  return lines.length === 0 ? [] : [paint("CREDENTIAL", "dim", colour), ...lines];
}

function describe({ kind, because, problem }: StatusCredential): string {
  return escapeControl(problem ?? `${WAYS[kind]}: ${because}`);
}
