// Other tools that write hosts.toml or config.toml: two that do undo each other's work. They are known by what runs, by
// the files that they leave, and by what they write into a hosts.toml.

import { type Check, fail, ok, warn } from "./check.ts";
import type { DoctorFacts } from "./facts.ts";

interface Tool {
  readonly name: string;
  readonly program: RegExp;
  /** Among the paths that are looked for; null: it is not known to leave any. */
  readonly trace: RegExp | null;
  /** In a hosts.toml. */
  readonly mark: RegExp;
  /** What it does to the files of others. */
  readonly habit: string;
}

const TOOLS: readonly Tool[] = [
  {
    name: "Spegel",
    program: /^spegel$/,
    trace: /\/_backup$/,
    // pkg/oci/containerd/mirror.go, templateHosts; it sets no other timeout.
    mark: /^#.*spegel|^\[host\.'[^'\n]+'\]\ncapabilities = \['pull'.*\]\ndial_timeout = '200ms'$/im,
    habit: "writes hosts.toml files too, and moves all that are there into _backup when it starts",
  },
  {
    name: "Dragonfly (dfinit)",
    program: /^(dfinit|dfdaemon)$/,
    trace: /\/dragonfly\//,
    // Its proxy learns from this header which registry is meant.
    mark: /^#.*(dragonfly|dfinit)|^\s*"?X-Dragonfly-Registry"?\s*=/im,
    habit: "writes hosts.toml files too, and config.toml",
  },
  {
    name: "NVCF",
    program: /^nvcf/,
    trace: /nvcf/,
    mark: /^#.*nvcf/im,
    habit: "writes hosts.toml files too",
  },
  {
    name: "bmctl",
    program: /^bmctl$/,
    trace: null,
    mark: /^#.*bmctl/im,
    habit: "writes hosts.toml files too",
  },
];

/** Who else is at work here. */
export function checkOthers({ host, containerd, certs }: DoctorFacts): Check[] {
  const texts = [...certs.places.values()].flatMap((place) =>
    place.kind === "folder" && place.hostsToml.kind === "text" ? [place.hostsToml.text] : [],
  );
  const found = TOOLS.filter(
    ({ program, trace, mark }) =>
      host.programs.some((running) => program.test(running)) ||
      host.traces.some((path) => trace?.test(path)) ||
      texts.some((text) => mark.test(text)),
  );
  const managed = containerd.managedBy;
  if (managed === null && found.length === 0) return [ok("others", "no other tool is known to write these files")];
  return [...(managed === null ? [] : [describeManaged(managed)]), ...found.map(describeTool)];
}

function describeManaged(name: string): Check {
  const mend = `use ${name}'s registries.yaml, or a containerd of your own`;
  return fail("others", `${name} writes this containerd's configuration`, mend);
}

function describeTool({ name, habit }: Tool): Check {
  return warn("others", `${name} ${habit}`, `let one of the two do it: stop ${name}, or remove mirror-agent here`);
}
