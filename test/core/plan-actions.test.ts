import assert from "node:assert/strict";
import { test } from "node:test";
import type { WantFile } from "../../src/core/compile-node.ts";
import { renderHostsToml } from "../../src/core/hosts-toml.ts";
import { type NodeHave, planActions } from "../../src/core/plan-actions.ts";

const HOSTS = { registry: "gcr.io", hosts: [], server: null };
const MANAGED = renderHostsToml(HOSTS);
const GCR = "/c/gcr.io/hosts.toml";
const want: WantFile = { path: GCR, text: MANAGED, mode: 0o644, because: "gcr.io", hosts: HOSTS };
const copy: WantFile = { path: "/t/aa.pem", text: "CA", mode: 0o644, because: "copy", hosts: null };

function have(settings: {
  hosts?: Record<string, string>;
  copies?: Record<string, string>;
  backedUp?: string[];
  mode?: number;
}): NodeHave {
  const files = (texts: Record<string, string> = {}) =>
    new Map(Object.entries(texts).map(([path, text]) => [path, { text, mode: settings.mode ?? 0o644 }]));
  return { hostsFiles: files(settings.hosts), tlsCopies: files(settings.copies), backedUp: new Set(settings.backedUp) };
}

interface Row {
  name: string;
  want: WantFile[];
  have: NodeHave;
  actions: string[];
}

const rows: Row[] = [
  {
    name: "does nothing on a settled node",
    want: [copy, want],
    have: have({ hosts: { [GCR]: MANAGED }, copies: { "/t/aa.pem": "CA" } }),
    actions: [],
  },
  {
    name: "writes what is missing, copies first",
    want: [copy, want],
    have: have({}),
    actions: ["writeFile /t/aa.pem", `writeFile ${GCR}`],
  },
  {
    name: "mends another text",
    want: [want],
    have: have({ hosts: { [GCR]: `${MANAGED}# edited` } }),
    actions: [`writeFile ${GCR}`],
  },
  {
    name: "mends another mode",
    want: [want],
    have: have({ hosts: { [GCR]: MANAGED }, mode: 0o666 }),
    actions: [`writeFile ${GCR}`],
  },
  {
    name: "keeps a foreign file before it writes there",
    want: [want],
    have: have({ hosts: { [GCR]: "theirs" } }),
    actions: [`backUpFile ${GCR}`, `writeFile ${GCR}`],
  },
  {
    name: "keeps a foreign file once",
    want: [want],
    have: have({ hosts: { [GCR]: "theirs" }, backedUp: [GCR] }),
    actions: [`writeFile ${GCR}`],
  },
  {
    name: "leaves foreign files alone",
    want: [],
    have: have({ hosts: { "/c/corp/hosts.toml": "theirs" } }),
    actions: [],
  },
  {
    name: "removes what the config no longer names",
    want: [],
    have: have({ hosts: { [GCR]: MANAGED }, copies: { "/t/aa.pem": "CA" } }),
    actions: [`removeFile ${GCR}`, "removeFile /t/aa.pem"],
  },
  {
    name: "puts back what was there before",
    want: [],
    have: have({ hosts: { [GCR]: MANAGED }, backedUp: [GCR] }),
    actions: [`restoreFile ${GCR}`],
  },
];

for (const row of rows) {
  test(`planActions() ${row.name}`, () => {
    const actions = planActions(row.want, row.have);
    assert.deepEqual(
      actions.map(({ kind, path }) => `${kind} ${path}`),
      row.actions,
    );
    for (const action of actions) assert.notEqual(action.because, "");
  });
}

test("planActions() refuses text that would not read back as meant", () => {
  assert.throws(
    () => planActions([{ ...want, text: `${MANAGED}server = "https://x"\n` }], have({})),
    /does not read back/,
  );
});
