// config_path is the one value that decides whether anything we write is read, in a file that is not ours.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  createConfigPath,
  editConfigPath,
  undoConfigPath,
} from "../../../src/core/containerd-config/edit-config-path.ts";
import { applySplice } from "../../../src/core/containerd-config/toml-edit.ts";
import { isSameValue, parseToml, valueAt, withValueAt } from "../../../src/core/containerd-config/toml-text.ts";

const CRI = "io.containerd.grpc.v1.cri";
const IMAGES = "io.containerd.cri.v1.images";
const CERTS = "/etc/containerd/certs.d";
const FIXTURES = join(import.meta.dirname, "../../fixtures/containerd");

function edit(text: string, plugin = CRI): string {
  const result = editConfigPath(text, { plugin, wanted: CERTS });
  assert.ok(result.ok, result.ok ? "" : result.because);
  return result.text;
}

interface Row {
  readonly name: string;
  readonly plugin?: string;
  readonly text: string;
  readonly want: string;
}

const ROWS: readonly Row[] = [
  {
    name: "replaces a value and keeps its comment",
    text: `version = 2\n[plugins."${CRI}".registry]\n  config_path = ""   # none\n`,
    want: `version = 2\n[plugins."${CRI}".registry]\n  config_path = "${CERTS}"   # none\n`,
  },
  {
    name: "keeps the kind of quotes that a value had",
    plugin: IMAGES,
    text: `version = 3\n[plugins.'${IMAGES}'.registry]\nconfig_path=''\n`,
    want: `version = 3\n[plugins.'${IMAGES}'.registry]\nconfig_path='${CERTS}'\n`,
  },
  {
    name: "adds the key at the top of its table, indented like its neighbours",
    text: `version = 2\n\n[plugins."${CRI}".registry] # here\n\t# first\n\tfoo = 1\n[other]\n`,
    want: `version = 2\n\n[plugins."${CRI}".registry] # here\n\tconfig_path = "${CERTS}"\n\t# first\n\tfoo = 1\n[other]\n`,
  },
  {
    name: "adds a table at the end after a blank line",
    text: `version = 2\n[plugins."${CRI}"]\n  sandbox_image = "pause"\n`,
    want: `version = 2\n[plugins."${CRI}"]\n  sandbox_image = "pause"\n\n[plugins."${CRI}".registry]\n  config_path = "${CERTS}"\n`,
  },
  {
    name: "leaves a missing final newline missing",
    text: `version = 2\n[plugins."${CRI}"]\n  sandbox_image = "pause"`,
    want: `version = 2\n[plugins."${CRI}"]\n  sandbox_image = "pause"\n\n[plugins."${CRI}".registry]\n  config_path = "${CERTS}"`,
  },
  {
    name: "adds the key to an open last table without a final newline",
    text: `version = 2\n[plugins."${CRI}".registry]`,
    want: `version = 2\n[plugins."${CRI}".registry]\n  config_path = "${CERTS}"`,
  },
  {
    name: "writes Windows line endings where the file has them",
    text: `version = 2\r\n[plugins."${CRI}".registry]\r\n  foo = 1\r\n`,
    want: `version = 2\r\n[plugins."${CRI}".registry]\r\n  config_path = "${CERTS}"\r\n  foo = 1\r\n`,
  },
  {
    name: "adds to an inline table",
    text: `version = 2\n[plugins."${CRI}"]\nregistry = {foo = 1}\n`,
    want: `version = 2\n[plugins."${CRI}"]\nregistry = { config_path = "${CERTS}", foo = 1}\n`,
  },
  {
    name: "fills an empty inline table",
    text: `version = 2\n[plugins."${CRI}"]\nregistry = {}\n`,
    want: `version = 2\n[plugins."${CRI}"]\nregistry = { config_path = "${CERTS}" }\n`,
  },
  {
    name: "adds to an inline table further out",
    text: `version = 2\nplugins = { "${CRI}" = { sandbox_image = "pause" } }\n`,
    want: `version = 2\nplugins = { "${CRI}" = { registry.config_path = "${CERTS}", sandbox_image = "pause" } }\n`,
  },
  {
    name: "adds beside dotted keys",
    text: `version = 2\n[plugins."${CRI}"]\n  registry.foo = 1\n  sandbox_image = "pause"\n`,
    want: `version = 2\n[plugins."${CRI}"]\n  registry.foo = 1\n  registry.config_path = "${CERTS}"\n  sandbox_image = "pause"\n`,
  },
  {
    name: "replaces a dotted value at the root",
    text: `version = 2\nplugins."${CRI}".registry.config_path = "/x"\n`,
    want: `version = 2\nplugins."${CRI}".registry.config_path = "${CERTS}"\n`,
  },
  {
    name: "is not led astray by look-alikes in comments, strings and other tables",
    text: `version = 2\n# [plugins."${CRI}".registry]\nnote = """\n[plugins."${CRI}".registry]\nconfig_path = "a"\n"""\n[x.registry]\nconfig_path = "b"\n[plugins."${CRI}".registry]\n#config_path = "c"\nconfig_path = 'd'\n`,
    want: `version = 2\n# [plugins."${CRI}".registry]\nnote = """\n[plugins."${CRI}".registry]\nconfig_path = "a"\n"""\n[x.registry]\nconfig_path = "b"\n[plugins."${CRI}".registry]\n#config_path = "c"\nconfig_path = '${CERTS}'\n`,
  },
  {
    name: "adds the table where only its sub-tables are written",
    text: `version = 2\n[plugins."${CRI}".registry.configs."a:5".auth]\nusername = "u"\n`,
    want: `version = 2\n[plugins."${CRI}".registry.configs."a:5".auth]\nusername = "u"\n\n[plugins."${CRI}".registry]\n  config_path = "${CERTS}"\n`,
  },
  {
    name: "uses a key that is quoted without need",
    text: `version = 2\n["plugins"."\\u0069o.containerd.grpc.v1.cri"."registry"]\n"config_path" = "x"\n`,
    want: `version = 2\n["plugins"."\\u0069o.containerd.grpc.v1.cri"."registry"]\n"config_path" = "${CERTS}"\n`,
  },
];

describe("editConfigPath()", () => {
  for (const { name, text, want, plugin } of ROWS) {
    test(`editConfigPath() ${name}`, () => assert.equal(edit(text, plugin), want));
  }

  test("editConfigPath() refuses a file that does not parse, with the place and without its text", () => {
    const result = editConfigPath('a = 1\npassword = "hunter2\n', { plugin: CRI, wanted: CERTS });
    assert.deepEqual(result, { ok: false, because: "line 2, column 19: Unterminated string" });
  });

  test("editConfigPath() refuses a config_path that is no string", () => {
    const text = `version = 2\n[plugins."${CRI}".registry]\nconfig_path = 1\n`;
    const result = editConfigPath(text, { plugin: CRI, wanted: CERTS });
    assert.deepEqual(result, { ok: false, because: "config_path is not a string" });
  });

  test("editConfigPath() refuses where registry is no table", () => {
    const text = `version = 2\n[plugins."${CRI}"]\nregistry = 1\n`;
    assert.equal(editConfigPath(text, { plugin: CRI, wanted: CERTS }).ok, false);
  });
});

describe("createConfigPath()", () => {
  const table = `[plugins."${CRI}".registry]\n  config_path = "${CERTS}"\n`;
  const created = [
    { name: "an absent file", text: "", want: `version = 2\n\n${table}` },
    { name: "a file of comments", text: "# mine\n#x = 1\n", want: `# mine\n#x = 1\nversion = 2\n\n${table}` },
  ];
  for (const { name, text, want } of created) {
    test(`createConfigPath() fills ${name}, and undoConfigPath() gives it back`, () => {
      const result = createConfigPath(text, { plugin: CRI, wanted: CERTS, version: 2 });
      assert.ok(result.ok);
      assert.equal(result.text, want);
      assert.deepEqual(undoConfigPath(result.text, result.undo), { kind: "text", text });
    });
  }

  test("createConfigPath() refuses a file with values", () => {
    assert.equal(createConfigPath("a = 1\n", { plugin: CRI, wanted: CERTS, version: 2 }).ok, false);
  });
});

describe("undoConfigPath()", () => {
  const start = `version = 2\n[plugins."${CRI}"]\n  sandbox_image = "pause"\n`;
  const change = editConfigPath(start, { plugin: CRI, wanted: CERTS });
  assert.ok(change.ok);

  test("undoConfigPath() keeps what somebody added elsewhere", () => {
    const later = `# note\n${change.text.replace("pause", "pause:3.9")}\n[debug]\nlevel = "info"\n`;
    const want = `# note\n${start.replace("pause", "pause:3.9")}\n[debug]\nlevel = "info"\n`;
    assert.deepEqual(undoConfigPath(later, change.undo), { kind: "text", text: want });
  });

  test("undoConfigPath() leaves a table to which somebody added", () => {
    const later = `${change.text}  foo = 1\n`;
    const want = `${start}\n[plugins."${CRI}".registry]\n  foo = 1\n`;
    assert.deepEqual(undoConfigPath(later, change.undo), { kind: "text", text: want });
  });

  test("undoConfigPath() leaves the header of our table where somebody commented on it", () => {
    const later = change.text.replace("registry]", "registry] # why");
    const want = `${start}\n[plugins."${CRI}".registry] # why\n`;
    assert.deepEqual(undoConfigPath(later, change.undo), { kind: "text", text: want });
  });

  test("undoConfigPath() finds our value where somebody wrote it differently", () => {
    const later = `version = 2\nplugins."${CRI}" = { registry.config_path = '${CERTS}', sandbox_image = "pause" }\n`;
    const want = `version = 2\nplugins."${CRI}" = { sandbox_image = "pause" }\n`;
    assert.deepEqual(undoConfigPath(later, change.undo), { kind: "text", text: want });
  });

  test("undoConfigPath() touches nothing when the value is no longer ours", () => {
    assert.deepEqual(undoConfigPath(change.text.replace(CERTS, "/else"), change.undo), { kind: "gone" });
    assert.deepEqual(undoConfigPath(start, change.undo), { kind: "gone" });
  });

  test("undoConfigPath() puts the earlier value back in a file edited since", () => {
    const text = `version = 2\n[plugins."${CRI}".registry]\nconfig_path = '/old' # keep\n`;
    const edited = editConfigPath(text, { plugin: CRI, wanted: CERTS });
    assert.ok(edited.ok);
    const later = edited.text.replace("config_path =", "config_path   =");
    const want = text.replace("config_path =", "config_path   =");
    assert.deepEqual(undoConfigPath(later, edited.undo), { kind: "text", text: want });
  });

  test("undoConfigPath() keeps the version in a file to which somebody added", () => {
    const made = createConfigPath("", { plugin: CRI, wanted: CERTS, version: 2 });
    assert.ok(made.ok);
    const undone = undoConfigPath(`${made.text}[debug]\nlevel = "info"\n`, made.undo);
    assert.ok(undone.kind === "text");
    const parsed = parseToml(undone.text);
    assert.ok(parsed.ok);
    assert.deepEqual(JSON.parse(JSON.stringify(parsed.value)), { version: 2, debug: { level: "info" } });
  });
});

describe("edit and undo over a corpus", () => {
  for (const { name, text } of corpus()) {
    for (const plugin of [CRI, IMAGES, "cri"]) {
      test(`editConfigPath() changes one value of ${name} for ${plugin}, and undoConfigPath() gives its bytes back`, () => {
        const result = editConfigPath(text, { plugin, wanted: CERTS });
        assert.ok(result.ok, result.ok ? "" : result.because);
        const [before, after] = [parseToml(text), parseToml(result.text)];
        assert.ok(before.ok && after.ok);
        const path = ["plugins", plugin, "registry", "config_path"];
        assert.equal(valueAt(after.value, path), CERTS);
        assert.ok(isSameValue(after.value, withValueAt(before.value, path, CERTS)));
        assert.deepEqual(undoConfigPath(result.text, result.undo), { kind: "text", text });
        const again = editConfigPath(result.text, { plugin, wanted: CERTS });
        assert.ok(again.ok && again.text === result.text);
      });
    }
  }
});

function corpus(): { name: string; text: string }[] {
  const names = readdirSync(FIXTURES).filter((name) => name.endsWith(".toml"));
  const files = names.map((name) => ({ name, text: readFileSync(join(FIXTURES, name), "utf8") }));
  const whole = [...files, ...ROWS.map((row) => ({ name: `"${row.name}"`, text: row.text }))];
  return whole.flatMap(({ name, text }) => [
    { name, text },
    { name: `${name} with CRLF`, text: text.replace(/\r?\n/g, "\r\n") },
    { name: `${name} without a final newline`, text: text.replace(/\s+$/, "") },
    { name: `${name} with a byte order mark`, text: `\uFEFF${text}` },
    { name: `${name} cut after its first table`, text: cutAtTable(text) },
    { name: `${name} with a blank end`, text: `${text}\n\n  \n` },
  ]);
}

function cutAtTable(text: string): string {
  const second = text.indexOf("\n[", text.indexOf("\n[") + 1);
  return applySplice(text, {
    offset: second < 0 ? text.length : second + 1,
    removed: second < 0 ? "" : text.slice(second + 1),
    inserted: "",
  });
}
