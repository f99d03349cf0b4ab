// Credentials in config.toml: exactly one table changes, and taking it out gives the old bytes back.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { editAuth, findAuthEdit, type RegistryAuth } from "../../../src/core/containerd-config/edit-auth.ts";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";
import { parseToml, valueAt } from "../../../src/core/containerd-config/toml-text.ts";
import { parseContainerdVersion } from "../../../src/core/containerd-config/versions.ts";

const CRI = "io.containerd.grpc.v1.cri";
const HOST = "gcr.io";
const AUTH = { username: "_json_key", password: '{"k": "a\\nb\'\\"#"}\n\u007F' };
const FIXTURES = join(import.meta.dirname, "../../fixtures/containerd");

function edit(text: string, auth: RegistryAuth | null): string {
  const result = editAuth(text, { plugin: CRI, host: HOST, auth });
  assert.ok(result.ok, result.ok ? "" : result.because);
  return result.text;
}

function authIn(text: string): unknown {
  const parsed = parseToml(text);
  assert.ok(parsed.ok);
  return valueAt(parsed.value, ["plugins", CRI, "registry", "configs", HOST, "auth"]);
}

describe("editAuth()", () => {
  for (const name of readdirSync(FIXTURES).filter((file) => file.endsWith(".toml"))) {
    for (const [kind, change] of Object.entries(changes())) {
      test(`editAuth() sets, replaces and removes one auth in ${name}${kind}, byte for byte`, () => {
        const text = change(readFileSync(join(FIXTURES, name), "utf8"));
        const set = edit(text, AUTH);
        assert.deepEqual({ ...(authIn(set) as object) }, AUTH);
        const replaced = edit(set, { ...AUTH, password: "other" });
        assert.deepEqual({ ...(authIn(replaced) as object) }, { ...AUTH, password: "other" });
        assert.equal(edit(replaced, AUTH), set);
        assert.equal(edit(replaced, null), text);
      });
    }
  }

  test("editAuth() keeps what else a host's table holds", () => {
    const text = `[plugins."${CRI}".registry.configs."${HOST}".tls]\nca_file = "x"\n`;
    assert.equal(edit(edit(text, AUTH), null), text);
  });

  test("editAuth() changes a password into a refresh token and back, and takes either out", () => {
    const text = `[plugins."${CRI}".registry]\n`;
    const token = edit(edit(text, AUTH), { identitytoken: "token" });
    assert.deepEqual({ ...(authIn(token) as object) }, { identitytoken: "token" });
    assert.deepEqual({ ...(authIn(edit(token, AUTH)) as object) }, AUTH);
    assert.equal(edit(token, null), text);
    assert.equal(edit(edit(token, AUTH), null), text);
  });

  test("editAuth() edits inline tables", () => {
    const text = `[plugins."${CRI}".registry.configs]\n"${HOST}" = { tls = { ca_file = "x" } }\n`;
    const set = edit(text, AUTH);
    assert.deepEqual({ ...(authIn(set) as object) }, AUTH);
    assert.equal(edit(set, null), text);
  });

  test("editAuth() removes nothing where there is nothing", () => {
    assert.equal(edit("version = 2\n", null), "version = 2\n");
  });

  test("editAuth() refuses to touch credentials of another kind, and quotes none", () => {
    const text = `[plugins."${CRI}".registry.configs."${HOST}".auth]\nauth = "hunter2"\n`;
    const result = editAuth(text, { plugin: CRI, host: HOST, auth: AUTH });
    const because = `registry.configs."${HOST}".auth holds "auth", which is not ours`;
    assert.deepEqual(result, { ok: false, because });
  });
});

describe("findAuthEdit()", () => {
  const R2 = `[plugins."${CRI}".registry]\n`;
  const files = [
    { path: "/root.toml", text: `version = 2\n${R2}` },
    { path: "/a.toml", text: `version = 2\n${R2}config_path = "/a"\n` },
  ];
  for (const [release, path] of [
    ["1.7.24", "/a.toml"],
    ["2.1.9", "/a.toml"],
  ] as const) {
    test(`findAuthEdit() edits the file that counts on ${release}, and takes out there`, () => {
      const version = parseContainerdVersion(release);
      assert.ok(version);
      const edited = findAuthEdit(resolveConfig(files, version), { version, host: HOST, auth: AUTH });
      assert.ok(edited.ok);
      assert.equal(edited.path, path);
      const now = files.map((file) => (file.path === path ? { path, text: edited.newText } : file));
      const removed = findAuthEdit(resolveConfig(now, version), { version, host: HOST, auth: null });
      assert.ok(removed.ok);
      assert.equal(removed.newText, edited.oldText);
    });
  }
});

function changes(): Record<string, (text: string) => string> {
  return {
    "": (text) => text,
    " with CRLF": (text) => text.replace(/\r?\n/g, "\r\n"),
    " without a final newline": (text) => text.trimEnd(),
  };
}
