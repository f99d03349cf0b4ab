import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { endReturning } from "../../src/node/end-returning.ts";
import { endSocket } from "../../src/node/end-socket.ts";
import { abortSocket, findSockets, type HeldSocket, SocketError } from "../../src/node/sockets.ts";
import { closingMissing, openConnection } from "../lab/sockets.ts";

const { signal } = new AbortController();
const skip = process.platform === "linux" ? false : "needs Linux";
const cannotClose = await closingMissing();

const ownSockets = (servers: readonly string[]): Promise<HeldSocket[]> => findSockets(process.pid, servers, signal);

test("findSockets() gives the connections of one process to one server, and what they received", { skip }, async () => {
  await using wanted = await openConnection();
  await using other = await openConnection();
  const program = `require("net").connect(${wanted.address.split(":")[1]}, "127.0.0.1", () => console.log("open"))`;
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  wanted.accepted.write("hello");
  await once(wanted.client, "data");
  const found = await ownSockets([wanted.address]);
  const local = `127.0.0.1:${wanted.client.localPort}`;
  assert.deepEqual(
    found.map(({ state, local, remote, bytesMoved }) => ({ state, local, remote, bytesMoved })),
    [{ state: "ESTAB", local, remote: wanted.address, bytesMoved: 5 + 1 }], // its SYN was acknowledged
  );
  assert.equal((await findSockets(child.pid ?? 0, [wanted.address], signal)).length, 1);
  assert.equal((await ownSockets([wanted.address, "[::1]:9", other.address])).length, 2);
  assert.deepEqual(await ownSockets([]), []);
  child.kill();
  await once(child, "exit");
});

test("findSockets() gives nothing for a process that has ended", { skip }, async () => {
  await using connection = await openConnection();
  assert.deepEqual(await findSockets(2 ** 22 + 1, [connection.address], signal), []);
});

test("endSocket() lets the program read the end, and takes nothing from it", { skip }, async () => {
  await using connection = await openConnection();
  await using other = await openConnection();
  const [socket] = await ownSockets([connection.address]);
  assert.ok(socket);
  const ended = once(connection.client.resume(), "end");
  assert.equal(await endSocket(process.pid, socket), true);
  await ended;
  assert.equal(other.client.readableEnded, false);
});

test("endSocket() leaves a descriptor alone that is another connection by now", { skip }, async () => {
  await using connection = await openConnection();
  const [socket] = await ownSockets([connection.address]);
  assert.ok(socket);
  assert.equal(await endSocket(process.pid, { ...socket, inode: "1" }), false);
  assert.equal(await endSocket(process.pid, { ...socket, fd: 99_999 }), false);
  assert.equal(await endSocket(2 ** 22 + 1, socket), false);
  connection.accepted.write("still here");
  const [received] = await once(connection.client, "data");
  assert.equal(String(received), "still here");
});

/** A process that lists its own descriptors finds the one that lists them, whose number is the next to be given out. */
const NOTHING_OPEN: ReadonlySet<number> = new Set();

test("endReturning() ends what is opened to these servers in the next moment, and nothing else", { skip }, async () => {
  await using known = await openConnection();
  await using other = await openConnection();
  const [host, port] = known.address.split(":");
  const before = { known: await ownSockets([known.address]), descriptors: NOTHING_OPEN };
  const meeting = endReturning(process.pid, { servers: new Set([known.address]), ...before }, signal);
  const elsewhere = connect(Number(other.address.split(":")[1]), host);
  const returning = connect(Number(port), host).resume();
  await Promise.all([once(returning, "end"), once(elsewhere, "connect")]);
  assert.equal(await meeting, 1);
  assert.deepEqual([known.client.readableEnded, elsewhere.readableEnded], [false, false]);
  for (const socket of [returning, elsewhere]) socket.destroy();
});

test("endReturning() knows servers of both families", { skip }, async () => {
  const server = createServer((socket) => socket.on("error", () => {})).listen(0, "::1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const before = { known: [], descriptors: NOTHING_OPEN };
  const meeting = endReturning(process.pid, { servers: new Set([`[::1]:${port}`]), ...before }, signal);
  const returning = connect(port, "::1").resume();
  await once(returning, "end");
  assert.equal(await meeting, 1);
  returning.destroy();
  server.close();
});

test("abortSocket() aborts exactly one of two connections to a server", { skip: cannotClose }, async () => {
  await using connection = await openConnection();
  const [host, port] = connection.address.split(":");
  const second = connect(Number(port), host);
  await once(second, "connect");
  const sockets = await ownSockets([connection.address]);
  const socket = sockets.find(({ local }) => local.endsWith(`:${connection.client.localPort}`));
  assert.ok(socket && sockets.length === 2);
  const failed = new Promise<NodeJS.ErrnoException>((resolve) => connection.client.once("error", resolve));
  assert.equal(await abortSocket(socket, signal), true);
  assert.equal((await failed).code, "ECONNABORTED");
  assert.equal(await abortSocket(socket, signal), false);
  assert.equal((await ownSockets([connection.address])).length, 1);
  second.destroy();
});

test("findSockets() and abortSocket() refuse to go by /proc/net/tcp, which says nothing of bytes", {
  skip,
}, async (t) => {
  await using connection = await openConnection();
  const [socket] = await ownSockets([connection.address]);
  assert.ok(socket);
  process.env.PROC_NET_TCP = "/proc/net/tcp"; // then ss does not ask the kernel
  t.after(() => delete process.env.PROC_NET_TCP);
  await assert.rejects(ownSockets([connection.address]), SocketError);
  await assert.rejects(abortSocket(socket, signal), SocketError);
});

test("findSockets() says that netlink is not permitted, also where there are no connections", { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "mirror-agent-"));
  const path = process.env.PATH;
  t.after(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  });
  const said = "Cannot open netlink socket: Address family not supported by protocol";
  await writeFile(join(folder, "ss"), `#!/bin/sh\necho "${said}" >&2\n`, { mode: 0o755 });
  process.env.PATH = folder;
  await assert.rejects(ownSockets(["127.0.0.1:9"]), /AF_NETLINK/);
});

test("findSockets() stops when it is told to", { skip }, async () => {
  await assert.rejects(findSockets(process.pid, ["127.0.0.1:9"], AbortSignal.abort()), { name: "AbortError" });
});

test("findSockets() says what is wrong with a server that ss does not take", { skip }, async () => {
  await assert.rejects(ownSockets(["nowhere at all"]), SocketError);
});
