import assert from "node:assert/strict";
import { once } from "node:events";
import { stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type MetricsServer, openMetricsServer } from "../../src/node/metrics-server.ts";
import { startDaemon } from "../lab/daemon.ts";
import { ask } from "../lab/metrics.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const PAGE = { contentType: "text/plain; version=0.0.4; charset=utf-8", text: "x 1\n" };

async function open(
  workspace: Workspace,
  readPage = async () => PAGE,
): Promise<{ server: MetricsServer; path: string }> {
  const path = join(workspace.dir, "m.sock");
  const server = await openMetricsServer({ kind: "unix", path }, readPage);
  workspace.onEnd(() => server.close());
  return { server, path };
}

test("openMetricsServer() serves the page at /metrics, and nothing else", async () => {
  await using workspace = await createWorkspace();
  const { path: socketPath } = await open(workspace);
  const page = await ask({ socketPath });
  assert.deepEqual([page.status, page.text, page.headers["content-type"]], [200, PAGE.text, PAGE.contentType]);
  assert.equal((await ask({ socketPath }, { path: "/metrics?name[]=x" })).status, 200);
  assert.deepEqual((await ask({ socketPath }, { method: "HEAD" })).text, "");
  assert.equal((await ask({ socketPath }, { path: "/" })).status, 404);
  assert.equal((await ask({ socketPath }, { path: "/metrics/../etc/passwd" })).status, 404);
  assert.equal((await ask({ socketPath }, { method: "POST" })).status, 405);
});

test("openMetricsServer() answers 500 while the page cannot be rendered, without saying why, and goes on", async () => {
  await using workspace = await createWorkspace();
  let fails = true;
  const { path: socketPath } = await open(workspace, async () => {
    if (fails) throw new Error("hunter2");
    return PAGE;
  });
  const failed = await ask({ socketPath });
  assert.deepEqual([failed.status, failed.text], [500, "Metrics cannot be rendered\n"]);
  fails = false;
  assert.equal((await ask({ socketPath })).status, 200);
});

test("openMetricsServer() lets everybody on the node ask at its socket, and takes that away when it closes", async () => {
  await using workspace = await createWorkspace();
  const { server, path } = await open(workspace);
  assert.equal((await stat(path)).mode & 0o777, 0o666);
  await server.close();
  await assert.rejects(stat(path), { code: "ENOENT" });
});

test("openMetricsServer() takes the socket of a server that was killed, and of no other", async () => {
  await using workspace = await createWorkspace();
  const path = join(workspace.dir, "m.sock");
  const address = { kind: "unix", path } as const;
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => console.log("listening"))`;
  const other = await startDaemon([process.execPath, "-e", program]);
  workspace.onEnd(() => other.kill());
  await other.waitForLine((line) => line === "listening");
  await assert.rejects(
    openMetricsServer(address, async () => PAGE),
    { code: "EADDRINUSE" },
  );
  await other.kill();
  assert.ok((await stat(path)).isSocket());
  const server = await openMetricsServer(address, async () => PAGE);
  assert.equal((await ask({ socketPath: path })).status, 200);
  await server.close();

  await writeFile(path, "precious");
  await assert.rejects(
    openMetricsServer(address, async () => PAGE),
    { code: "EADDRINUSE" },
  );
  assert.equal((await stat(path)).size, 8);
});

test("openMetricsServer() fails where the port is in use", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as { port: number };
  const address = { kind: "tcp", host: "127.0.0.1", port } as const;
  await assert.rejects(
    openMetricsServer(address, async () => PAGE),
    { code: "EADDRINUSE" },
  );
  taken.close();
  await once(taken, "close");
  const server = await openMetricsServer(address, async () => PAGE);
  assert.equal((await ask({ port })).status, 200);
  await server.close();
});

test("openMetricsServer() closes at once, also while somebody keeps a connection", async () => {
  await using workspace = await createWorkspace();
  const received = Promise.withResolvers<void>();
  const { server, path } = await open(workspace, () => {
    received.resolve();
    return new Promise(() => {});
  });
  const lost = assert.rejects(ask({ socketPath: path }), { code: "ECONNRESET" });
  await received.promise;
  await server.close();
  await lost;
});
