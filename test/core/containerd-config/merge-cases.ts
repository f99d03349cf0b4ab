// Configurations in several files, and the config_path that comes out on each release; null where the release
// does not start with them.

export const V2 = '[plugins."io.containerd.grpc.v1.cri"]\n';
export const R1 = "[plugins.cri.registry]\n";
export const R2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
export const R3 = '[plugins."io.containerd.cri.v1.images".registry]\n';

type Release = "1.6" | "1.7" | "2.1";

export interface MergeCase {
  readonly name: string;
  /** The root, then a.toml, b.toml in the folder that it imports. */
  readonly texts: readonly string[];
  readonly want: Readonly<Record<Release, string | null>>;
}

const at = (path: string): string => `config_path = "${path}"\n`;
const all = (path: string) => ({ "1.6": path, "1.7": path, "2.1": path });

export const MERGES: readonly MergeCase[] = [
  { name: "an empty file", texts: [""], want: all("") },
  { name: "version 2", texts: [`version = 2\n${R2}${at("/x")}`], want: all("/x") },
  { name: "version 1", texts: [`${R1}${at("/x")}`], want: { "1.6": "/x", "1.7": "/x", "2.1": "" } },
  { name: "version 2's section without a version", texts: [`${R2}${at("/x")}`], want: all("") },
  {
    name: "version 3's section without a version",
    texts: [`${R3}${at("/x")}`],
    want: { "1.6": "", "1.7": "", "2.1": "/x" },
  },
  { name: "version 3", texts: [`version = 3\n${R3}${at("/x")}`], want: { "1.6": "", "1.7": null, "2.1": "/x" } },
  {
    name: "version 3 with version 2's section",
    texts: [`version = 3\n${R2}${at("/x")}`],
    want: { "1.6": "/x", "1.7": null, "2.1": "" },
  },
  {
    name: "version 2 with both sections",
    texts: [`version = 2\n${R3}${at("/x")}${R2}${at("/y")}`],
    want: all("/y"),
  },
  {
    name: "version 2 with version 3's section",
    texts: [`version = 2\n${R3}${at("/x")}`],
    want: { "1.6": "", "1.7": "", "2.1": "/x" },
  },
  {
    name: "a drop-in that sets it",
    texts: [`version = 2\n${R2}${at("/x")}`, `version = 2\n${R2}${at("/a")}`],
    want: all("/a"),
  },
  {
    name: "a drop-in that has the plugin without it",
    texts: [`version = 2\n${R2}${at("/x")}`, `version = 2\n${V2}enable_selinux = true\n`],
    want: { "1.6": "", "1.7": "", "2.1": "/x" },
  },
  {
    name: "a drop-in that empties it",
    texts: [`version = 2\n${R2}${at("/x")}`, `version = 2\n${R2}${at("")}`],
    want: all(""),
  },
  {
    name: "a drop-in without a version",
    texts: [`version = 2\n${R2}${at("/x")}`, `${R2}${at("/a")}`],
    want: all("/a"),
  },
  {
    name: "a version 1 drop-in of a version 2 root",
    texts: [`version = 2\n${R2}${at("/x")}`, `version = 1\n${R1}${at("/a")}`],
    want: all("/a"),
  },
  {
    name: "a short name in a drop-in without a version",
    texts: [`version = 2\n${R2}${at("/x")}`, `${R1}${at("/a")}`],
    want: { "1.6": null, "1.7": null, "2.1": "/a" },
  },
  {
    name: "a version 3 drop-in of a version 2 root",
    texts: [`version = 2\n${R2}${at("/x")}`, `version = 3\n${R3}${at("/a")}`],
    want: { "1.6": "/x", "1.7": null, "2.1": "/a" },
  },
  {
    name: "a version 3 drop-in of a version 2 root, about something else",
    texts: [`version = 2\n${R2}${at("/x")}`, "version = 3\noom_score = 1\n"],
    want: { "1.6": "/x", "1.7": null, "2.1": "" },
  },
  {
    name: "a version 2 drop-in of a version 3 root",
    texts: [`version = 3\n${R3}${at("/x")}`, `version = 2\n${R2}${at("/a")}`],
    want: { "1.6": "/a", "1.7": "/a", "2.1": "/a" },
  },
  {
    name: "two drop-ins, of which the last counts",
    texts: ["version = 2\n", `version = 2\n${R2}${at("/a")}`, `version = 2\n${R2}${at("/b")}`],
    want: all("/b"),
  },
];
