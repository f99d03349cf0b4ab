import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { BEHAVIOURS, type Behaviour, startFaultyServer } from "./faulty-server.ts";
import { sha256 } from "./image.ts";
import { makeImageFiles } from "./image-files.ts";

const files = makeImageFiles("app", "1", { layerBytes: 4096 });
const blobPath = [...files.keys()].findLast((path) => path.includes("/blobs/")) ?? "";

async function fetchBytes(url: string, patienceMs = 20_000): Promise<{ answer: IncomingMessage; body: Buffer }> {
  const request = get(url, { agent: false, timeout: patienceMs });
  request.on("timeout", () => request.destroy(new Error("silent")));
  request.on("error", () => {});
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return { answer, body: await buffer(answer) };
}

test("startFaultyServer() serves an image whole from files, and through another server", async () => {
  await using origin = await startFaultyServer({ source: { files } });
  await using front = await startFaultyServer({ source: { upstream: origin.url } });
  for (const server of [origin, front]) {
    const { answer, body } = await fetchBytes(`${server.url}${blobPath}?ns=gcr.io`);
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers["docker-content-digest"], sha256(body));
    assert.ok(blobPath.endsWith(sha256(body)));
    assert.equal((await fetchBytes(`${server.url}/v2/`)).body.toString(), "{}");
  }
  assert.deepEqual(
    front.requests.map(({ method, url }) => `${method} ${url}`),
    [`GET ${blobPath}?ns=gcr.io`, "GET /v2/"],
  );
});

const STATUSES: readonly (readonly [Behaviour, number])[] = [
  ["healthy", 200],
  ["status-401", 401],
  ["status-403", 403],
  ["status-404", 404],
  ["status-429", 429],
  ["status-500", 500],
  ["status-503", 503],
  ["html", 200],
  ["redirect-loop", 302],
];

test("FaultyServer answers with the status of its behaviour, from both sources", async () => {
  await using origin = await startFaultyServer({ source: { files } });
  await using front = await startFaultyServer({ source: { upstream: origin.url } });
  for (const [behaviour, status] of STATUSES) {
    for (const server of [origin, front]) {
      await server.become(behaviour);
      assert.equal((await fetchBytes(`${server.url}/v2/`)).answer.statusCode, status, behaviour);
      await server.become("healthy");
    }
  }
});

const BROKEN: readonly (readonly [Behaviour, RegExp])[] = [
  ["refused", /ECONNREFUSED/],
  ["reset", /ECONNRESET/],
  ["silent", /silent/],
  ["tls-stalls", /silent/],
  ["stall", /silent|aborted/],
  ["blob-silent", /silent/],
  ["blob-stall", /silent|aborted/],
  ["blob-truncated", /aborted/],
];

test("FaultyServer breaks a blob as its behaviour says, and serves again on the same port", async () => {
  await using origin = await startFaultyServer({ source: { files } });
  await using front = await startFaultyServer({ source: { upstream: origin.url } });
  for (const server of [origin, front]) {
    const before = server.url;
    for (const [behaviour, message] of BROKEN) {
      await server.become(behaviour);
      await assert.rejects(fetchBytes(`${server.url}${blobPath}`, 400), { message }, behaviour);
      await server.become("healthy");
      assert.equal(server.url, before);
      assert.equal((await fetchBytes(`${server.url}${blobPath}`)).answer.statusCode, 200);
    }
  }
});

test("FaultyServer with a wrong digest keeps the length of a blob and changes its bytes", async () => {
  await using server = await startFaultyServer({ source: { files }, behaviour: "wrong-digest" });
  const { answer, body } = await fetchBytes(`${server.url}${blobPath}`);
  assert.equal(Number(answer.headers["content-length"]), body.length);
  assert.notEqual(sha256(body), answer.headers["docker-content-digest"]);
});

test("FaultyServer drips a body slowly and whole", async () => {
  await using server = await startFaultyServer({ source: { files }, behaviour: "slow-drip" });
  const manifest = [...files.keys()].find((path) => path.endsWith("/manifests/1"));
  const start = performance.now();
  const { answer, body } = await fetchBytes(`${server.url}${manifest}`);
  assert.equal(sha256(body), answer.headers["docker-content-digest"]);
  assert.ok(performance.now() - start > 500);
});

test("FaultyServer counts connections and ends them all when it closes", async () => {
  const server = await startFaultyServer({ behaviour: "tls-stalls" });
  const socket = connect(server.port, "127.0.0.1").on("error", () => {});
  await once(socket, "connect");
  const ended = new Promise((resolve) => socket.once("close", resolve));
  while (server.connections === 0) await new Promise(setImmediate);
  await server.close();
  await ended;
  assert.equal(server.connections, 1);
});

test("BEHAVIOURS lists what startFaultyServer() takes", () => {
  assert.ok(BEHAVIOURS.includes("blob-stall"));
});
