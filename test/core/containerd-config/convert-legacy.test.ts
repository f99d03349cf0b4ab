// registry.mirrors as hosts.toml: the same endpoints, in the same order, with the same TLS.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { convertLegacy, readLegacyHosts } from "../../../src/core/containerd-config/convert-legacy.ts";
import { resolveConfig } from "../../../src/core/containerd-config/resolve-config.ts";

const FIXTURE = join(import.meta.dirname, "../../fixtures/containerd/legacy-mirrors.toml");
const VERSION = { major: 1, minor: 7, patch: 24 };
const CERTS = "/etc/containerd/certs.d";
const R2 = '[plugins."io.containerd.grpc.v1.cri".registry]\n';
const HEADER = "# Converted from containerd's config.toml by `mirror-agent migrate`; yours to change.\n";

function convert(...texts: string[]) {
  const files = texts.map((text, index) => ({ path: `/${index}.toml`, text }));
  return convertLegacy(resolveConfig(files, VERSION), { version: VERSION, certsDir: CERTS });
}

function hosts(text: string): Record<string, string> {
  const made = convert(text);
  assert.ok(made.ok, made.ok ? "" : made.because);
  return Object.fromEntries(made.hostsFiles.map((file) => [file.registry, file.text.slice(HEADER.length + 1)]));
}

describe("convertLegacy()", () => {
  test("convertLegacy() writes a hosts.toml for each registry of a whole file", () => {
    const ca = '  ca = "/etc/ssl/mirror.pem"\n';
    const both = '  capabilities = ["pull", "resolve"]\n';
    const own = (url: string) => `server = "${url}"\ncapabilities = ["pull", "resolve"]\n\n`;
    assert.deepEqual(hosts(readFileSync(FIXTURE, "utf8")), {
      "docker.io": `${own("https://registry-1.docker.io")}[host."https://mirror.corp:5000"]\n${both}${ca}\n[host."https://registry-1.docker.io"]\n${both}`,
      "gcr.io": `${own("https://gcr.io")}[host."https://mirror.corp:5000/gcr"]\n${both}  override_path = true\n${ca}`,
      _default: `[host."http://127.0.0.1:5001"]\n${both}`,
    });
  });

  test("convertLegacy() takes mirrors and tls out of the file, sets config_path, and leaves auth and comments", () => {
    const text = readFileSync(FIXTURE, "utf8");
    const made = convert(text);
    assert.ok(made.ok);
    assert.equal(
      made.edit.newText,
      `version = 2

${R2}  config_path = "${CERTS}"

    # Two mirrors, then the upstream

  [plugins."io.containerd.grpc.v1.cri".registry.configs."mirror.corp:5000".auth]
    username = "puller"
    password = "fixture"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = true
`,
    );
    assert.equal(made.edit.oldText, text);
    assert.deepEqual(made.edit.drops, [["mirrors"], ["configs", "mirror.corp:5000", "tls"]]);
  });

  test("convertLegacy() does not add a registry that is among its own endpoints, and tries it in its place", () => {
    const text = `version = 2\n${R2}mirrors."gcr.io".endpoint = ["https://gcr.io", "m:5"]\n`;
    const want =
      'server = "https://m:5"\ncapabilities = ["pull", "resolve"]\n\n[host."https://gcr.io"]\n  capabilities = ["pull", "resolve"]\n';
    assert.deepEqual(hosts(text), { "gcr.io": want });
  });

  test("convertLegacy() gives a registry with TLS alone a file, with the endpoints that all have", () => {
    const text = `version = 2\n${R2}mirrors."*".endpoint = ["https://m"]\nconfigs."r:5".tls = { insecure_skip_verify = true, cert_file = "/c", key_file = "/k" }\n`;
    const server =
      'server = "https://r:5"\ncapabilities = ["pull", "resolve"]\nclient = [["/c", "/k"]]\nskip_verify = true\n';
    const host = '[host."https://m"]\n  capabilities = ["pull", "resolve"]\n';
    assert.deepEqual(hosts(text), { _default: host, "r:5": `${server}\n${host}` });
  });

  test("convertLegacy() edits mirrors in inline tables and dotted keys", () => {
    for (const registry of [
      `[plugins."io.containerd.grpc.v1.cri"]\nregistry = { mirrors = { "gcr.io" = { endpoint = ["https://m"] } } }\n`,
      `${R2}mirrors."gcr.io".endpoint = ["https://m"]\nmirrors."gcr.io2".endpoint = []\n`,
    ]) {
      const made = convert(`version = 2\n${registry}`);
      assert.ok(made.ok && made.edit.newText !== null);
      assert.doesNotMatch(made.edit.newText, /mirrors/);
      assert.match(made.edit.newText, /config_path/);
    }
  });

  const REFUSALS: readonly (readonly [string, string[], string])[] = [
    ["nothing", ["version = 2\n"], "containerd has no registry.mirrors and no registry.configs.*.tls"],
    [
      "keys of other programs",
      [`version = 2\n${R2}mirrors."gcr.io".rewrite = {}\n`],
      'registry.mirrors."gcr.io" holds "rewrite", which hosts.toml does not know',
    ],
    [
      "an endpoint with a password, which it does not show",
      [`version = 2\n${R2}mirrors."gcr.io".endpoint = ["https://u:p@m"]\n`],
      'registry.mirrors."gcr.io" has an endpoint that is not an http or https URL',
    ],
    [
      "a relative CA",
      [`version = 2\n${R2}configs."m".tls.ca_file = "ca.pem"\n`],
      'registry.configs."m".tls.ca_file is not an absolute path',
    ],
    [
      "mirrors in a file that does not count",
      [`version = 2\n${R2}mirrors."a".endpoint = []\n`, `version = 2\n${R2}mirrors."b".endpoint = []\n`],
      'they are in "/0.toml", but config_path counts in "/1.toml": bring them together by hand first',
    ],
  ];
  for (const [name, texts, because] of REFUSALS) {
    test(`convertLegacy() refuses ${name}`, () => {
      assert.deepEqual(convert(...texts), { ok: false, because });
    });
  }
});

describe("readLegacyHosts()", () => {
  const read = (text: string, name: string) => {
    const { registry } = resolveConfig([{ path: "/0.toml", text: `version = 2\n${R2}${text}` }], VERSION);
    return readLegacyHosts(registry, name);
  };
  const both = '  capabilities = ["pull", "resolve"]\n';

  test("readLegacyHosts() gives a registry's own endpoints, or else those for all", () => {
    const text = 'mirrors."gcr.io".endpoint = ["https://a"]\nmirrors."*".endpoint = ["https://b"]\n';
    assert.match(read(text, "gcr.io")?.text ?? "", /^\[host\."https:\/\/a"\]$/m);
    assert.match(read(text, "quay.io")?.text ?? "", new RegExp(`\\[host\\."https://b"\\]\\n${RegExp.escape(both)}$`));
    assert.equal(read('mirrors."gcr.io".endpoint = ["https://a"]\n', "quay.io"), null);
  });

  test("readLegacyHosts() does not mind what is wrong elsewhere, and doubts what is wrong here", () => {
    const text =
      'mirrors."gcr.io".endpoint = ["https://a", "ftp://b"]\nconfigs."c".tls.ca_file = "relative.pem"\nmirrors."x".endpoint = [""]\n';
    const found = read(text, "gcr.io");
    assert.match(found?.doubt ?? "", /"gcr.io" has an endpoint that is not an http or https URL/);
    assert.match(found?.text ?? "", /https:\/\/a/);
    assert.equal(read(text.replace(', "ftp://b"', ""), "gcr.io")?.doubt, null);
  });
});
