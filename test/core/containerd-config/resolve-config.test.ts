// How containerd puts config.toml and its imports together. The outcomes were all seen in `config dump` of
// 1.6.20, 1.7.24 and 2.1.9; resolve-config.real.test.ts asks those again.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { findConfigPathEdit } from "../../../src/core/containerd-config/find-edit.ts";
import { findDataFolder, resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";
import { parseContainerdVersion } from "../../../src/core/containerd-config/versions.ts";
import { MERGES, R1, R2, R3, V2 } from "./merge-cases.ts";

const ROOT = "/etc/containerd/config.toml";
const A = "/etc/containerd/conf.d/a.toml";

function resolve(version: string, ...texts: (string | null)[]) {
  const files = texts.map((text, index) => ({
    path: index === 0 ? ROOT : A.replace("a.toml", `${"abc"[index - 1]}.toml`),
    text,
  }));
  return resolveConfig(files, versionOf(version));
}

function versionOf(text: string) {
  const version = parseContainerdVersion(text);
  assert.ok(version);
  return version;
}

function messages(version: string, ...texts: (string | null)[]): string[] {
  const { problems } = resolve(version, ...texts);
  return problems.map(
    ({ severity, file, line, column, message }) => `${severity} ${file}:${line}:${column} ${message}`,
  );
}

describe("resolveConfig()", () => {
  for (const { name, texts, want } of MERGES) {
    for (const [version, configPath] of Object.entries(want)) {
      if (configPath === null) continue;
      test(`resolveConfig() on ${version}: ${name}`, () => {
        assert.equal(resolve(`${version}.24`, ...texts).configPath, configPath);
      });
    }
  }

  test("resolveConfig() names the file whose value wins, also among equal values", () => {
    const text = `version = 2\n${R2}config_path = "/same"\n`;
    for (const version of ["1.6.20", "2.1.9", "2.3.0"]) assert.equal(resolve(version, text, text).configPathFrom, A);
    assert.equal(resolve("2.1.9", text, "version = 2\n").configPathFrom, ROOT);
    assert.equal(resolve("2.1.9", "version = 2\n").configPathFrom, null);
  });

  test("resolveConfig() finds legacy settings, not their empty tables", () => {
    const empty = `version = 2\n${R2}\n[plugins."io.containerd.grpc.v1.cri".registry.mirrors]\n`;
    assert.deepEqual(resolve("1.7.24", empty).legacy, { mirrors: [], tls: [], auth: [], auths: [], headers: [] });
    const full = `version = 2\n${R2}mirrors."gcr.io".endpoint = ["https://m"]\nconfigs.m.tls = {}\nconfigs.n.auth = {}\nauths."https://m" = {}\nheaders.X = ["1"]\n`;
    const want = { mirrors: ["gcr.io"], tls: ["m"], auth: ["n"], auths: ["https://m"], headers: ["X"] };
    assert.deepEqual(resolve("1.7.24", full).legacy, want);
  });
});

const PROBLEMS: readonly { name: string; version: string; texts: (string | null)[]; want: string[] }[] = [
  { name: "an absent root", version: "1.7.24", texts: [null], want: [] },
  {
    name: "a root that does not parse",
    version: "1.7.24",
    texts: ["version = 2\n[a\n"],
    want: [`error ${ROOT}:2:2 is not valid TOML: Unexpected character, expected whitespace, . or ]`],
  },
  {
    name: "an import that is not there",
    version: "1.7.24",
    texts: ["version = 2\n", null],
    want: [`error ${A}:1:1 is imported but does not exist: containerd will not start`],
  },
  {
    name: "version 3 for 1.7",
    version: "1.7.24",
    texts: ["# x\nversion = 3\n"],
    want: [`error ${ROOT}:2:1 version 3 is higher than containerd 1.7.24 reads (2)`],
  },
  { name: "version 3 for an early 1.6, which takes it for 2", version: "1.6.20", texts: ["version = 3\n"], want: [] },
  {
    name: "a version in quotes",
    version: "2.1.9",
    texts: ['version = "2"\n'],
    want: [`error ${ROOT}:1:1 version is not a number`],
  },
  {
    name: "a short plugin name in version 2",
    version: "1.7.24",
    texts: [`version = 2\n${R1}foo = 1\n`],
    want: [`error ${ROOT}:2:1 plugin name "cri" is one of version 1, but the merged configuration is version 2`],
  },
  {
    name: "the CRI switched off, as Docker's package has it",
    version: "1.7.24",
    texts: ['disabled_plugins = ["cri"]\n'],
    want: [`error ${ROOT}:1:1 disabled_plugins names "cri": this containerd serves no Kubernetes pulls`],
  },
  {
    name: "a drop-in with a higher version on 2.1",
    version: "2.1.9",
    texts: [`version = 2\n${R2}`, "version = 3\n"],
    want: [`warning ${A}:1:1 version 3 is higher than that of ${ROOT} (2): the CRI settings there are lost`],
  },
  {
    name: "a drop-in with a higher version on 2.3",
    version: "2.3.0",
    texts: [`version = 2\n${R2}`, "version = 3\n"],
    want: [`error ${A}:1:1 version 3 is higher than that of ${ROOT} (2): containerd will not start`],
  },
  {
    name: "mirrors beside config_path",
    version: "2.1.9",
    texts: [`version = 2\n${R2}config_path = "/x"\nmirrors."gcr.io".endpoint = ["https://m"]\n`],
    want: [`error ${ROOT}:1:1 sets registry.mirrors beside config_path: the CRI plugin does not load`],
  },
  {
    name: "tls beside config_path on 1.7",
    version: "1.7.24",
    texts: [`version = 2\n${R2}config_path = "/x"\nconfigs."m".tls = {}\n`],
    want: [`error ${ROOT}:1:1 sets registry.configs.*.tls beside config_path: the CRI plugin does not load`],
  },
  {
    name: "a colon path on 2.1",
    version: "2.1.9",
    texts: [`version = 2\n${R2}config_path = "/x:/y"\n`],
    want: [`warning ${ROOT}:1:1 config_path names several folders, which containerd 2.1.9 ignores`],
  },
  {
    name: "a colon path on 2.1 that pulls as before",
    version: "2.1.9",
    texts: [`version = 2\n${V2}max_concurrent_downloads = 5\n${R2}config_path = "/x:/y"\n`],
    want: [],
  },
  { name: "a colon path on 1.7", version: "1.7.24", texts: [`version = 2\n${R2}config_path = "/x:/y"\n`], want: [] },
  { name: "a byte order mark on 1.7", version: "1.7.24", texts: ["\uFEFFversion = 2\n"], want: [] },
  {
    name: "a byte order mark on 2.1",
    version: "2.1.9",
    texts: ["\uFEFFversion = 2\n"],
    want: [`error ${ROOT}:1:1 starts with a byte order mark, which containerd 2.1.9 refuses`],
  },
  {
    name: "1.5",
    version: "1.5.18",
    texts: ["version = 2\n"],
    want: [`error ${ROOT}:1:1 containerd 1.5.18 is too old: 1.6 or newer is needed`],
  },
];

test("findDataFolder() is the last that is set", () => {
  const texts = ['version = 2\nroot = "/data"\n', 'version = 2\nroot = ""\n'];
  assert.equal(findDataFolder(resolve("1.7.24", ...texts)), "/data");
  assert.equal(findDataFolder(resolve("1.7.24", ...texts, 'root = "/other"\n')), "/other");
  assert.equal(findDataFolder(resolve("1.7.24", "version = 2\n")), null);
});

describe("resolveConfig() reports", () => {
  for (const { name, version, texts, want } of PROBLEMS) {
    test(`resolveConfig() reports of ${name}: ${want.length === 0 ? "nothing" : "its place"}`, () => {
      assert.deepEqual(messages(version, ...texts), want);
    });
  }
});

describe("findConfigPathEdit()", () => {
  function edit(version: string, ...texts: (string | null)[]) {
    const found = findConfigPathEdit(resolve(version, ...texts), { version: versionOf(version), wanted: "/w" });
    return found.ok ? { path: found.edit.path, text: found.edit.newText } : found.because;
  }

  test("findConfigPathEdit() makes a file where there is none, in the version that containerd writes", () => {
    const v2 = `version = 2\n\n${R2}  config_path = "/w"\n`;
    const v3 = `version = 3\n\n${R3}  config_path = "/w"\n`;
    assert.deepEqual(edit("1.6.20", null), { path: ROOT, text: v2 });
    assert.deepEqual(edit("2.1.9", null), { path: ROOT, text: v3 });
    assert.deepEqual(edit("2.1.9", "# only\n"), { path: ROOT, text: `# only\n${v3}` });
  });

  test("findConfigPathEdit() edits the drop-in whose value wins", () => {
    const root = `version = 2\n${R2}config_path = "/x"\n`;
    const dropIn = `version = 2\n${R2}config_path = "/a"\n`;
    for (const version of ["1.7.24", "2.1.9", "2.3.0"]) {
      assert.deepEqual(edit(version, root, dropIn), { path: A, text: dropIn.replace("/a", "/w") });
    }
  });

  test("findConfigPathEdit() edits, on 1.x, the drop-in that replaces the whole plugin, and on 2.1 the root's value", () => {
    const root = `version = 2\n${R2}config_path = "/x"\n`;
    const dropIn = `version = 2\n${V2}enable_selinux = true\n`;
    assert.deepEqual(edit("1.7.24", root, dropIn), { path: A, text: `${dropIn}\n${R2}  config_path = "/w"\n` });
    assert.deepEqual(edit("2.1.9", root, dropIn), { path: ROOT, text: root.replace("/x", "/w") });
  });

  test("findConfigPathEdit() uses the section's name that a version 1 file has on each release", () => {
    const root = "oom_score = 1\n";
    const of = (version: string) => edit(version, root);
    assert.deepEqual(of("1.7.24"), { path: ROOT, text: `${root}\n${R1}  config_path = "/w"\n` });
    assert.deepEqual(of("2.1.9"), { path: ROOT, text: `${root}\n${R3}  config_path = "/w"\n` });
  });

  test("findConfigPathEdit() sets the new section's value where a version 2 file on 2.1 has that one", () => {
    const text = `version = 2\n${R3}config_path = "/x"\n`;
    assert.deepEqual(edit("2.1.9", text), { path: ROOT, text: text.replace("/x", "/w") });
  });
});
