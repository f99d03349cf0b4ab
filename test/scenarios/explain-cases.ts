// Situations in which `explain` has to say beforehand what a pull then does: files, faults and spellings of images.

import type { Behaviour } from "../lab/faulty-server.ts";

export interface Scene {
  /** Roots of the two servers. */
  readonly mirror: string;
  readonly upstream: string;
  /** "127.0.0.1:PORT" */
  readonly mirrorHost: string;
  readonly upstreamHost: string;
  readonly ca: string;
  /** A certificate and its key in one file. */
  readonly pair: string;
  /** The manifest's. */
  readonly digest: string;
}

export interface ExplainCase {
  readonly name: string;
  /** As in the image's name; by default one of the case's own, served by the file's hosts alone. */
  readonly registry?: (scene: Scene) => string;
  /** By path below certs.d; "" makes an empty folder of it. */
  readonly files: (scene: Scene, registry: string) => Readonly<Record<string, string>>;
  /** What follows the registry; by default "/lab/hello:1.0". */
  readonly object?: (scene: Scene) => string;
  readonly mirror?: Behaviour | "black-hole";
  readonly upstream?: Behaviour;
  readonly tls?: boolean;
}

const FAULTS: readonly Behaviour[] = [
  "healthy",
  "refused",
  "reset",
  "silent",
  "status-401",
  "status-403",
  "status-404",
  "status-429",
  "status-500",
  "status-503",
  "html",
  "redirect-loop",
  "stall",
  "slow-drip",
  "blob-truncated",
  "blob-silent",
  "blob-stall",
  "wrong-digest",
  "wrong-digests",
];

const usual = ({ mirror, upstream }: Scene): string => `server = "${upstream}"\n[host."${mirror}"]\n`;
const own: ExplainCase["files"] = (scene, registry) => ({ [`${registry}/hosts.toml`]: usual(scene) });
const text =
  (write: (scene: Scene) => string): ExplainCase["files"] =>
  (scene, registry) => ({ [`${registry}/hosts.toml`]: write(scene) });
const itself = ({ upstreamHost }: Scene): string => upstreamHost;

export const EXPLAIN_CASES: readonly ExplainCase[] = [
  ...FAULTS.map((mirror): ExplainCase => ({ name: `mirror ${mirror}`, files: own, mirror })),
  ...(["tls-stalls", "certificate-expired", "healthy"] as const).map(
    (mirror): ExplainCase => ({
      name: `mirror with TLS ${mirror}`,
      tls: true,
      mirror,
      files: text(
        (scene) => `server = "${scene.upstream}"\nca = "${scene.ca}"\n[host."${scene.mirror}"]\nca = "${scene.ca}"\n`,
      ),
    }),
  ),
  {
    name: "mirror with an unknown authority",
    tls: true,
    files: text((scene) => `server = "${scene.upstream}"\nca = "${scene.ca}"\n[host."${scene.mirror}"]\n`),
  },
  { name: "mirror behind a black hole", mirror: "black-hole", files: own },
  {
    name: "mirror behind a black hole, dial_timeout",
    mirror: "black-hole",
    files: text(({ mirror, upstream }) => `server = "${upstream}"\n[host."${mirror}"]\ndial_timeout = "100ms"\n`),
  },
  { name: "upstream is a web page", files: own, upstream: "html" },
  { name: "mirror refuses, upstream is a web page", files: own, mirror: "refused", upstream: "html" },
  { name: "nobody has it", files: own, mirror: "status-404", upstream: "status-404" },
  { name: "both are down", files: own, mirror: "refused", upstream: "status-503" },
  {
    name: "bad dial_timeout",
    registry: itself,
    files: text(({ mirror }) => `[host."${mirror}"]\ndial_timeout = "5"\n`),
  },
  { name: "server alone", registry: itself, files: text(({ mirror }) => `server = "${mirror}"\n`) },
  {
    name: "server and a bare host table",
    registry: itself,
    files: text(({ mirror }) => `server = "${mirror}"\n[host]\n`),
  },
  { name: "syntax error", registry: itself, files: text(({ mirror }) => `server = ${mirror}\n[host]\n`) },
  {
    name: "unknown capability",
    registry: itself,
    files: text(({ mirror }) => `[host."${mirror}"]\ncapabilities = ["pull", "fetch"]\n`),
  },
  {
    name: "referrers",
    registry: itself,
    files: text(({ mirror }) => `[host."${mirror}"]\ncapabilities = ["pull", "resolve", "referrers"]\n`),
  },
  { name: "empty file", registry: itself, files: text(() => "") },
  {
    name: "empty folder before _default",
    registry: itself,
    files: (scene, registry) => ({ [registry]: "", "_default/hosts.toml": usual(scene) }),
  },
  { name: "_default", files: (scene) => ({ "_default/hosts.toml": usual(scene) }) },
  {
    name: "host_port_",
    registry: itself,
    files: ({ mirror, upstreamHost }) => ({
      [`${upstreamHost.replace(":", "_")}_/hosts.toml`]: `[host."${mirror}"]\n`,
      [`${upstreamHost}/hosts.toml`]: "[host]\n",
    }),
  },
  {
    name: "host:port",
    registry: itself,
    files: ({ mirror, upstreamHost }) => ({ [`${upstreamHost}/hosts.toml`]: `[host."${mirror}"]\n` }),
  },
  {
    name: "missing authority of the last host",
    files: text(({ mirror, upstream }) => `server = "${upstream}"\nca = "/nowhere.pem"\n[host."${mirror}"]\n`),
  },
  {
    name: "authority that is no PEM",
    files: (scene, registry) => ({
      [`${registry}/hosts.toml`]: `${usual(scene)}ca = "ca.pem"\n`,
      [`${registry}/ca.pem`]: "none",
    }),
  },
  {
    name: "client pair without a key",
    tls: true,
    files: text(
      ({ mirror, upstream, ca, pair }) =>
        `server = "${upstream}"\nca = "${ca}"\n[host."${mirror}"]\nca = "${ca}"\nclient = [["${pair}", ""]]\n`,
    ),
  },
  {
    name: "client certificate and key in one file",
    tls: true,
    files: text(
      ({ mirror, upstream, ca, pair }) =>
        `server = "${upstream}"\nca = "${ca}"\n[host."${mirror}"]\nca = "${ca}"\nclient = ["${pair}"]\n`,
    ),
  },
  { name: "hosts.toml is a folder", files: (_, registry) => ({ [`${registry}/hosts.toml`]: "" }) },
  {
    name: "only digests at the mirror",
    files: text(({ mirror, upstream }) => `server = "${upstream}"\n[host."${mirror}"]\ncapabilities = ["pull"]\n`),
  },
  {
    name: "only digests anywhere",
    files: text(
      ({ mirror, upstream }) =>
        `server = "${upstream}"\ncapabilities = ["pull"]\n[host."${mirror}"]\ncapabilities = ["pull"]\n`,
    ),
  },
  {
    name: "inline table",
    registry: itself,
    files: text(({ mirror }) => `[host]\n"${mirror}" = { capabilities = ["pull", "resolve"] }\n`),
  },
  {
    name: "order of tables, the second first",
    files: text(({ mirror, upstream }) => `server = "${mirror}"\n[host."${upstream}"]\n[host."${mirror}"]\n`),
  },
  {
    name: "header between",
    mirror: "status-404",
    files: text(
      ({ mirror, upstream }) =>
        `server = "${mirror}"\n[host."${mirror}"]\n[host."${upstream}"]\n[host."${mirror}".header]\nX-A = "b"\n`,
    ),
  },
  {
    name: "path without override_path",
    files: text(({ mirror, upstream }) => `server = "${upstream}"\n[host."${mirror}/v2/team"]\n`),
  },
  {
    name: "path with override_path",
    files: text(({ mirror, upstream }) => `server = "${upstream}"\n[host."${mirror}/v2"]\noverride_path = true\n`),
  },
  {
    name: "no scheme",
    tls: true,
    files: text(
      ({ mirrorHost, upstream, ca }) => `server = "${upstream}"\nca = "${ca}"\n[host."${mirrorHost}"]\nca = "${ca}"\n`,
    ),
  },
  {
    name: "http with TLS settings",
    files: text(({ mirror, upstream }) => `server = "${upstream}"\n[host."${mirror}"]\nskip_verify = true\n`),
  },
  {
    name: "wrong type of skip_verify",
    registry: itself,
    files: text(({ mirror }) => `[host."${mirror}"]\nskip_verify = "yes"\n`),
  },
  { name: "digest", files: own, object: ({ digest }) => `/lab/hello@${digest}` },
  { name: "tag and digest", files: own, object: ({ digest }) => `/lab/hello:other@${digest}`, mirror: "status-404" },
  { name: "digest at a silent mirror", files: own, object: ({ digest }) => `/lab/hello@${digest}`, mirror: "silent" },
  { name: "another tag", files: own, object: () => "/lab/hello:2.0" },
  { name: "no tag", files: own, object: () => "/lab/hello" },
  { name: "an index without this platform", files: own, object: () => "/lab/hello:foreign" },
  ...["hello", "library/hello", "docker.io/hello:1.0", "index.docker.io/library/hello"].map(
    (image): ExplainCase => ({
      name: `docker.io, written ${image}`,
      registry: () => "",
      files: (scene) => ({ "docker.io/hosts.toml": usual(scene) }),
      object: () => image,
    }),
  ),
  {
    name: "docker.io, a tag that the mirror may not resolve",
    registry: () => "",
    files: ({ mirror, upstream }) => ({
      "docker.io/hosts.toml": `server = "${upstream}"\n[host."${mirror}"]\ncapabilities = ["pull"]\n`,
    }),
    object: () => "hello:1.0",
  },
  {
    name: "index.docker.io, which no image is read from",
    registry: () => "",
    files: (scene) => ({
      "index.docker.io/hosts.toml": `server = "${scene.mirror}"\n[host]\n`,
      "docker.io/hosts.toml": `server = "${scene.upstream}"\n[host]\n`,
    }),
    object: () => "index.docker.io/library/hello",
  },
  { name: "no folder at all", registry: itself, files: () => ({}) },
];
