// Writes what a package is made of, as CycloneDX 1.6: node packaging/sbom.ts OUTPUT.json < FACTS.json.
// The same facts give the same bytes: time and serial number come from the source, not from the build.

import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

interface Facts {
  readonly architecture: string;
  readonly sourceDateEpoch: number;
  readonly libraries: string;
  /** `sha256` is of the file as it is in the package, `originalSha256` as its vendor published it. */
  readonly node: { readonly version: string; readonly sha256: string; readonly originalSha256: string };
  readonly libatomic: { readonly version: string; readonly sha256: string; readonly debSha256: string };
}

interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
}

const ROOT = join(import.meta.dirname, "..");
const [, , output] = process.argv;
if (output === undefined) throw new Error("Cannot write an SBOM: no file was named");
const facts = JSON.parse(await text(process.stdin)) as Facts;
const project = readJson<{ name: string; version: string; license: string }>("package.json");
const locked = readJson<{ packages: Record<string, Locked> }>("package-lock.json").packages;
const components = [describeNode(facts), describeLibatomic(facts), ...readLibraries(facts.libraries)];
writeFileSync(output, `${JSON.stringify(compileBom(), null, 2)}\n`);

function compileBom(): object {
  const digest = createHash("sha256")
    .update(JSON.stringify([project.version, facts.architecture, facts.sourceDateEpoch, components]))
    .digest("hex");
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${asUuid(digest)}`,
    version: 1,
    metadata: {
      timestamp: new Date(facts.sourceDateEpoch * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": project.name,
        name: project.name,
        version: project.version,
        licenses: [{ license: { id: project.license } }],
        properties: [{ name: "architecture", value: facts.architecture }],
      },
    },
    components,
    dependencies: [{ ref: project.name, dependsOn: components.map((component) => component["bom-ref"]) }],
  };
}

function describeNode({ node, architecture }: Facts) {
  const name = `node-linux-${architecture === "amd64" ? "x64" : "arm64"}`;
  const purl = `pkg:npm/${name}@${node.version}`;
  return {
    type: "platform",
    "bom-ref": purl,
    name: "Node.js",
    version: node.version,
    purl,
    licenses: [{ license: { id: "MIT" } }],
    hashes: [{ alg: "SHA-256", content: node.sha256 }],
    properties: [{ name: "sha256 before stripping and setting its library path", value: node.originalSha256 }],
  };
}

function describeLibatomic({ libatomic, architecture }: Facts) {
  const purl = `pkg:deb/debian/libatomic1@${encodeURIComponent(libatomic.version)}?arch=${architecture}`;
  return {
    type: "library",
    "bom-ref": purl,
    name: "libatomic1",
    version: libatomic.version,
    purl,
    licenses: [{ expression: "GPL-3.0-or-later WITH GCC-exception-3.1" }],
    hashes: [{ alg: "SHA-256", content: libatomic.sha256 }],
    properties: [{ name: "sha256 of Debian's package", value: libatomic.debSha256 }],
  };
}

function readLibraries(listFile: string) {
  return (JSON.parse(readFileSync(listFile, "utf8")) as string[]).map((folder) => {
    const name = folder.slice(folder.lastIndexOf("node_modules/") + "node_modules/".length);
    const { version, license, integrity } = locked[folder] as Locked;
    const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
    return {
      type: "library",
      "bom-ref": purl,
      name,
      version,
      purl,
      ...(license && { licenses: [{ license: { id: license } }] }),
      ...(integrity && { hashes: [{ alg: "SHA-512", content: toHex(integrity) }] }),
    };
  });
}

function toHex(integrity: string): string {
  return Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex");
}

function asUuid(hex: string): string {
  const variant = "89ab"[Number.parseInt(hex.charAt(16), 16) % 4];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(join(ROOT, path), "utf8")) as T;
}
