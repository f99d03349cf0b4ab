import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { CriClient } from "../../src/node/cri.ts";
import { decodeMessage, encodeMessage } from "../../src/node/cri-messages.ts";

let dir: string;
let socket: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "cri-"));
  socket = join(dir, "containerd.sock");
});

afterEach(() => rm(dir, { recursive: true, force: true }));

type Answer = (request: object, reply: sendUnaryData<object>) => void;

/** A CRI with the one method that `path` names. */
async function startCri(path: string, messages: readonly [string, string], answer: Answer): Promise<Disposable> {
  const [request, response] = messages;
  const server = new Server();
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: object) => encodeMessage(request, message),
    requestDeserialize: (bytes: Buffer) => decodeMessage(request, bytes) as object,
    responseSerialize: (message: object) => encodeMessage(response, message),
    responseDeserialize: (bytes: Buffer) => decodeMessage(response, bytes) as object,
  } as const;
  server.addService(
    { method },
    { method: (call: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) => answer(call.request, reply) },
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return { [Symbol.dispose]: () => server.forceShutdown() };
}

function connect(): CriClient & Disposable {
  const client = new CriClient(socket);
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

test("CriClient.pullImage() sends image and pull secret, and returns the image's id", async () => {
  const requests: object[] = [];
  using _cri = await startCri(
    "/runtime.v1.ImageService/PullImage",
    ["PullImageRequest", "PullImageResponse"],
    (request, reply) => {
      requests.push(request);
      reply(null, { imageRef: "sha256:1" });
    },
  );
  using client = connect();
  const auth = { username: "u", password: "p", serverAddress: "gcr.io" };
  assert.equal(await client.pullImage("gcr.io/a/b:1", { auth }), "sha256:1");
  assert.equal(await client.pullImage("gcr.io/a/c:1"), "sha256:1");
  assert.deepEqual(requests, [
    { image: { image: "gcr.io/a/b:1" }, auth: { ...auth, auth: "" } },
    { image: { image: "gcr.io/a/c:1" }, auth: null },
  ]);
});

test("CriClient.listImages() takes a list longer than gRPC's usual 4 MiB", async () => {
  const images = Array.from({ length: 30_000 }, (_, index) => ({
    id: `sha256:${index}`,
    repoTags: [`gcr.io/${"a".repeat(150)}:${index}`],
    repoDigests: [],
    size: 5_000_000_000,
  }));
  using _cri = await startCri("/runtime.v1.ImageService/ListImages", ["Empty", "ListImagesResponse"], (_, reply) =>
    reply(null, { images }),
  );
  using client = connect();
  assert.deepEqual(await client.listImages(), images);
});

test("CriClient says that containerd runs without its CRI plugin", async () => {
  using _cri = await startCri("/other.Service/Method", ["Empty", "Empty"], () => {});
  using client = connect();
  await assert.rejects(client.version(), {
    name: "CriError",
    code: "UNIMPLEMENTED",
    message: RegExp(
      `^Cannot ask for the version over the CRI at "${socket}": containerd runs, but its CRI plugin is not`,
    ),
  });
});

test("CriClient gives up after timeoutMs, and at once when its signal says so", async () => {
  const asked = Promise.withResolvers<void>();
  using _cri = await startCri("/runtime.v1.RuntimeService/Status", ["Empty", "StatusResponse"], () => asked.resolve());
  using client = connect();
  await assert.rejects(client.status({ timeoutMs: 50 }), {
    code: "DEADLINE_EXCEEDED",
    message: `Cannot ask for the status over the CRI at "${socket}": no answer within 0.05 s`,
  });
  const reason = new Error("stopped");
  const aborting = new AbortController();
  const pending = client.status({ signal: aborting.signal });
  await asked.promise;
  aborting.abort(reason);
  await assert.rejects(pending, reason);
  await assert.rejects(client.status({ signal: aborting.signal }), reason);
});

test("CriClient names a socket that is not there, and one that nobody listens at", async () => {
  using missing = connect();
  await assert.rejects(missing.listImages(), {
    code: "UNAVAILABLE",
    message: /there is no such socket, is containerd/,
  });
  await writeFile(socket, "");
  using dead = connect();
  await assert.rejects(dead.removeImage("a"), {
    message: /^Cannot remove "a" .*: nobody listens there, is containerd/,
  });
});

test("CriClient reaches a containerd that was started again", async () => {
  const start = () =>
    startCri("/runtime.v1.RuntimeService/Version", ["Empty", "VersionResponse"], (_, reply) =>
      reply(null, { runtimeVersion: "1.7.24" }),
    );
  using client = connect();
  const first = await start();
  assert.equal((await client.version()).runtimeVersion, "1.7.24");
  first[Symbol.dispose]();
  await assert.rejects(client.version(), { code: "UNAVAILABLE" });
  using _second = await start();
  let version = "";
  for (const deadline = Date.now() + 20_000; version === "" && Date.now() < deadline; ) {
    version = await client.version().then(
      ({ runtimeVersion }) => runtimeVersion,
      () => new Promise((resolve) => setTimeout(resolve, 20, "")),
    );
  }
  assert.equal(version, "1.7.24");
});

test("CriClient passes on what containerd says", async () => {
  const details = 'failed to pull and unpack image "a": 404 Not Found';
  using _cri = await startCri(
    "/runtime.v1.ImageService/PullImage",
    ["PullImageRequest", "PullImageResponse"],
    (_, reply) => reply({ code: status.NOT_FOUND, details }),
  );
  using client = connect();
  const message = `Cannot pull "a" over the CRI at "${socket}": ${details}`;
  await assert.rejects(client.pullImage("a"), { code: "NOT_FOUND", message });
});
