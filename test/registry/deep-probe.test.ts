import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Canary } from "../../src/core/canary.ts";
import type { ProbeReason } from "../../src/core/probe-result.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { probeDeep } from "../../src/registry/deep-probe.ts";
import { EndpointAuth } from "../../src/registry/endpoint-auth.ts";
import { HttpClient } from "../../src/registry/http-client.ts";
import { createSend } from "../../src/registry/send.ts";
import { PLAIN_TLS } from "../../src/registry/tls-material.ts";
import { type Behaviour, type FaultyServer, startFaultyServer } from "../lab/faulty-server.ts";
import { buildImage, buildIndex } from "../lab/image.ts";
import { filesOf, type RegistryFiles } from "../lab/image-files.ts";

const NEVER = new AbortController().signal;
const IMAGE = buildImage({ layerSizes: [40_000, 90_000], architecture: "amd64" });
const OTHER = buildImage({ seed: "other", architecture: "arm64" });
const INDEX = buildIndex({ arm64: OTHER, amd64: IMAGE });
const FILES: RegistryFiles = new Map([
  ...filesOf(IMAGE, "team/app", "1.0"),
  ...filesOf(OTHER, "team/app", "arm"),
  ["/v2/team/app/manifests/multi", { type: INDEX.mediaType, body: INDEX.bytes }],
  [`/v2/team/app/manifests/${INDEX.digest}`, { type: INDEX.mediaType, body: INDEX.bytes }],
]);

function canaryAt(reference: string, changes: Partial<Canary> = {}): Canary {
  return { registry: "gcr.io", repository: "app", reference, isPromised: true, ...changes };
}

async function probeAt(url: string, { canary = canaryAt("1.0"), timeoutMs = 2000 } = {}, signal = NEVER) {
  const client = new HttpClient();
  const settings = { tls: PLAIN_TLS, proxy: NO_PROXY_ENVIRONMENT, timeoutMs };
  const target = { url, ...settings };
  const auth = new EndpointAuth({ origin: new URL(url).origin, send: createSend(client, settings), nowMs: Date.now });
  try {
    return await probeDeep({ client, auth, target, canary, architecture: "amd64" }, signal);
  } finally {
    client.close();
  }
}

const startMirror = (behaviour: Behaviour = "healthy", files = FILES): Promise<FaultyServer> =>
  startFaultyServer({ source: { files }, behaviour });

const pathsAsked = ({ requests }: FaultyServer) => requests.map(({ url }) => url);

const FAULTS: readonly (readonly [Behaviour, ProbeReason, RegExp])[] = [
  ["blob-silent", "response-timeout", /^blob of gcr\.io\/app:1\.0: no answer to the request within \d+ ms$/],
  ["blob-stall", "body-stall", /^blob of .*: body not complete within \d+ ms: \d+ bytes came, the last \d+ ms ago$/],
  ["blob-truncated", "connection-reset", /^blob of .*: the server closed the connection/],
  ["wrong-digest", "wrong-digest", /^blob of .*: its bytes are sha256:[0-9a-f]{12}, not sha256:[0-9a-f]{12}$/],
  ["wrong-digests", "wrong-digest", /^manifest of .*: its bytes are/],
  ["html", "not-a-registry", /^manifest of .*: 200 OK with an HTML page$/],
  ["slow-drip", "body-stall", /^manifest of .*: body not complete/],
  ["silent", "response-timeout", /^manifest of/],
  ["stall", "body-stall", /^manifest of/],
  ["status-403", "forbidden", /^manifest of gcr\.io\/app:1\.0: 403 Forbidden$/],
  ["status-404", "not-found", /^manifest of .*: 404 Not Found$/],
  ["status-401", "unauthorized", /^manifest of .*: 401 Unauthorized without a credential$/],
  ["status-429", "rate-limited", /retry after 30 s$/],
  ["status-503", "server-error", /503/],
  ["refused", "refused", /ECONNREFUSED/],
  ["redirect-loop", "redirect-loop", /10 redirects$/],
];

/** Its manifest takes 6 s to drip, more than a time limit that is not too short for what runs at once. */
const LONG = filesOf(buildImage({ layerSizes: Array(16).fill(10) }), "team/app", "1.0");

describe("probeDeep() finds what /v2/ hides", { concurrency: true }, () => {
  for (const [behaviour, reason, detail] of FAULTS) {
    test(`${behaviour} is ${reason}`, async () => {
      await using mirror = await startMirror(behaviour, behaviour === "slow-drip" ? LONG : FILES);
      const timeoutMs = /timeout|stall/.test(reason) ? 3000 : 10_000;
      const verdict = await probeAt(`${mirror.url}/v2/team`, { timeoutMs });
      assert.ok(!verdict.ok);
      assert.equal(verdict.reason, reason);
      assert.match(verdict.detail, detail);
    });
  }
});

test("probeDeep() finds a drip in whose time a small blob comes", async () => {
  await using mirror = await startMirror("blob-drip");
  const verdict = await probeAt(`${mirror.url}/v2/team`);
  assert.match(verdict.ok ? "" : verdict.detail, /^blob of .*: body not complete within 2000 ms: \d+ bytes came/);
  assert.equal(pathsAsked(mirror).at(-1), `/v2/team/app/blobs/${IMAGE.layers[0]?.digest}?ns=gcr.io`);
});

describe("probeDeep() asks as containerd does", () => {
  test("for the manifest, its smallest blob and the next of 16 KiB, with the registry's name", async () => {
    await using mirror = await startMirror();
    assert.deepEqual(await probeAt(`${mirror.url}/v2/team`), { ok: true });
    assert.deepEqual(pathsAsked(mirror), [
      "/v2/team/app/manifests/1.0?ns=gcr.io",
      `/v2/team/app/blobs/${IMAGE.config.digest}?ns=gcr.io`,
      `/v2/team/app/blobs/${IMAGE.layers[0]?.digest}?ns=gcr.io`,
    ]);
    assert.match(mirror.requests[0]?.headers.accept ?? "", /image\.index\.v1\+json/);
  });

  test("by way of the index's manifest for this machine", async () => {
    for (const reference of ["multi", INDEX.digest]) {
      await using mirror = await startMirror();
      assert.deepEqual(await probeAt(`${mirror.url}/v2/team`, { canary: canaryAt(reference) }), { ok: true });
      assert.deepEqual(pathsAsked(mirror), [
        `/v2/team/app/manifests/${reference}?ns=gcr.io`,
        `/v2/team/app/manifests/${IMAGE.manifest.digest}?ns=gcr.io`,
        `/v2/team/app/blobs/${IMAGE.config.digest}?ns=gcr.io`,
        `/v2/team/app/blobs/${IMAGE.layers[0]?.digest}?ns=gcr.io`,
      ]);
    }
  });

  test("without ?ns= where the mirror has the registry's own name", async () => {
    await using mirror = await startMirror();
    const canary = canaryAt("1.0", { registry: new URL(mirror.url).host, repository: "team/app" });
    assert.deepEqual(await probeAt(mirror.url, { canary }), { ok: true });
    assert.equal(pathsAsked(mirror)[0], "/v2/team/app/manifests/1.0");
  });
});

describe("probeDeep() checks and bounds what comes", () => {
  const replaced = (path: string, body: string) =>
    new Map([...FILES, [path, { type: "application/json", body: Buffer.from(body) }]]);

  test("a manifest that is not what was asked for by digest", async () => {
    const { digest } = IMAGE.manifest;
    await using mirror = await startMirror(
      "healthy",
      replaced(`/v2/team/app/manifests/${digest}`, '{"schemaVersion":2}'),
    );
    const verdict = await probeAt(`${mirror.url}/v2/team`, { canary: canaryAt(digest) });
    assert.equal(verdict.ok || verdict.reason, "wrong-digest");
  });

  test("a tag that gives something else than a manifest", async () => {
    await using mirror = await startMirror("healthy", replaced("/v2/team/app/manifests/1.0", '{"login":"please"}'));
    const verdict = await probeAt(`${mirror.url}/v2/team`);
    assert.equal(verdict.ok || verdict.reason, "not-a-registry");
  });

  test("a blob of another length", async () => {
    const path = `/v2/team/app/blobs/${IMAGE.config.digest}`;
    await using mirror = await startMirror("healthy", replaced(path, "{}"));
    const verdict = await probeAt(`${mirror.url}/v2/team`);
    assert.match(verdict.ok ? "" : verdict.detail, /it has 2 bytes instead of \d+$/);
  });

  test("no more than the beginning of a large blob", async () => {
    const large = buildImage({ layerSizes: [8_000_000] });
    const parts = JSON.parse(large.manifest.bytes.toString());
    const body = Buffer.from(JSON.stringify({ ...parts, config: null }));
    const files = new Map([
      ...filesOf(large, "team/app", "1.0"),
      ["/v2/team/app/manifests/1.0", { type: large.manifest.mediaType, body }] as const,
    ]);
    await using mirror = await startMirror("blob-stall", files);
    assert.deepEqual(await probeAt(`${mirror.url}/v2/team`), { ok: true }, "half of it is more than enough");
  });

  test("its signal", async () => {
    await using mirror = await startMirror("blob-silent");
    const stop = new AbortController();
    const probe = probeAt(`${mirror.url}/v2/team`, {}, stop.signal);
    stop.abort(new Error("enough"));
    await assert.rejects(probe, /enough/);
  });
});
