// Where credentials go, and where not: what a registry answers decides on the next address, and it may be anybody's.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../src/core/credentials/secret.ts";
import { downloadBlob } from "../../src/registry/blob-download.ts";
import { uploadBlob } from "../../src/registry/blob-upload.ts";
import { type PushRegistry, sha256, startPushRegistry, status } from "../push/push-registry.ts";
import { makeScene } from "../push/push-scene.ts";

const signal = new AbortController().signal;
const bytes = Buffer.from("content of a blob");
const blob = { digest: sha256(bytes), size: bytes.length, repository: "a/b", ns: null };
const credential = { kind: "basic", username: "ann", password: new Secret("secret") } as const;

/** Keeps who was asked with which Authorization; lets only those in who bring one. */
function recordAuthorization(registry: PushRegistry, { wanted }: { wanted: boolean }): (string | undefined)[] {
  const seen: (string | undefined)[] = [];
  registry.strike(/./, 1000, (exchange, answer) => {
    const { authorization } = exchange.request.headers;
    seen.push(authorization);
    if (!wanted || authorization !== undefined) return false;
    return status(401, null, { "www-authenticate": 'Basic realm="r"' })(exchange, answer);
  });
  return seen;
}

test("Distribution sends no credential to another server that an upload goes on at", async () => {
  await using registry = await startPushRegistry();
  await using store = await startPushRegistry();
  const location = `${store.url}/presigned?key=1`;
  registry.strike(/^POST/, 1, ({ response }) => response.writeHead(202, { location }).end());
  const seen: (string | undefined)[] = [];
  store.strike(/^PUT/, 1, ({ request, response }) => {
    seen.push(request.headers.authorization);
    request.resume().on("end", () => response.writeHead(201).end());
  });
  recordAuthorization(registry, { wanted: true });
  const scene = makeScene({ url: registry.url, credential });
  await scene.registry.ping(signal);
  const options = { stallTimeoutMs: 2000, finishTimeoutMs: 2000, onSent: () => undefined };
  const target = { repository: "a/b", mountFrom: null };
  async function* read() {
    yield bytes;
  }
  const source = { ...blob, read };
  assert.equal(await uploadBlob(scene.registry, { blob: source, target, options }, signal), "uploaded");
  assert.match(store.requests[0] ?? "", /^PUT \/presigned\?key=1&digest=sha256%3A/);
  assert.deepEqual(seen, [undefined]);
  await scene.close();
});

test("Distribution follows a redirect to another server without the credential that the registry got", async () => {
  await using registry = await startPushRegistry();
  await using store = await startPushRegistry();
  const atStore = recordAuthorization(store, { wanted: false });
  store.blobs.set(`a/b@${blob.digest}`, bytes);
  registry.strike(/^GET .*blobs/, 2, (exchange, answer) => {
    if (exchange.request.headers.authorization === undefined) {
      return status(401, null, { "www-authenticate": 'Basic realm="r"' })(exchange, answer);
    }
    const location = `${store.url}${exchange.url.pathname}`;
    return exchange.response.writeHead(307, { location }).end();
  });
  const scene = makeScene({ url: registry.url, credential });
  const pieces: Uint8Array[] = [];
  const options = { retries: 0, backoffMs: 1 };
  for await (const piece of downloadBlob(scene.registry, { blob, options }, signal)) pieces.push(piece);
  assert.deepEqual(Buffer.concat(pieces), bytes);
  assert.deepEqual(atStore, [undefined]);
  await scene.close();
});

test("Distribution asks a registry that lets everybody in without the credential", async () => {
  await using registry = await startPushRegistry();
  const seen = recordAuthorization(registry, { wanted: false });
  const scene = makeScene({ url: registry.url, credential });
  await scene.registry.ping(signal);
  assert.deepEqual(seen, [undefined]);
  await scene.close();
});

test("Distribution learns once how a registry wants to be asked", async () => {
  await using registry = await startPushRegistry();
  const seen = recordAuthorization(registry, { wanted: true });
  const scene = makeScene({ url: registry.url, credential });
  for (let ping = 0; ping < 3; ping++) await scene.registry.ping(signal);
  assert.deepEqual(
    seen.map((header) => header?.split(" ")[0]),
    [undefined, "Basic", "Basic", "Basic"],
  );
  await scene.close();
});

test("Distribution does not follow a registry that leads in a circle", async () => {
  await using registry = await startPushRegistry();
  registry.strike(/./, 100, ({ url, response }) => response.writeHead(302, { location: url.href }).end());
  const scene = makeScene({ url: registry.url });
  await assert.rejects(scene.registry.ping(signal), /Cannot reach the registry at .*: the answer was 302/);
  assert.equal(registry.requests.length, 6);
  await scene.close();
});

test("downloadBlob() asks for the rest alone after a broken connection, and copes with a server that sends all", async () => {
  for (const knowsRanges of [true, false]) {
    await using registry = await startPushRegistry();
    const large = Buffer.alloc(300_000, "large");
    const wanted = { ...blob, digest: sha256(large), size: large.length };
    registry.blobs.set(`a/b@${wanted.digest}`, large);
    registry.strike(/^GET/, 1, ({ response }) => {
      response.writeHead(200, { "content-length": large.length }).write(large.subarray(0, 100_000), () => {
        setImmediate(() => response.socket?.end());
      });
    });
    const ranges: (string | undefined)[] = [];
    registry.strike(/^GET/, 1, ({ request, response }) => {
      ranges.push(request.headers.range);
      if (knowsRanges) return false;
      return response.writeHead(200, { "content-length": large.length }).end(large);
    });
    const scene = makeScene({ url: registry.url });
    const pieces: Uint8Array[] = [];
    const options = { retries: 2, backoffMs: 1 };
    for await (const piece of downloadBlob(scene.registry, { blob: wanted, options }, signal)) pieces.push(piece);
    assert.deepEqual(Buffer.concat(pieces), large);
    assert.match(ranges[0] ?? "", /^bytes=[1-9]\d+-$/);
    await scene.close();
  }
});
