import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { test } from "node:test";
import { countDescriptors, listSocketInodes } from "../../src/node/descriptors.ts";
import { findSockets } from "../../src/node/sockets.ts";
import { openConnection } from "../lab/sockets.ts";

const NOBODY = 2 ** 22 + 1; // above the largest pid there is

test("countDescriptors() changes with what is open", async () => {
  const before = countDescriptors(process.pid) ?? 0;
  const file = await open("/dev/null");
  const during = countDescriptors(process.pid) ?? 0;
  await file.close();
  assert.equal(during, before + 1);
  assert.equal(countDescriptors(NOBODY), null);
});

test("listSocketInodes() names connections as ss does", async () => {
  await using connection = await openConnection();
  const [socket] = await findSockets(process.pid, [connection.address], new AbortController().signal);
  assert.ok(socket);
  assert.ok(listSocketInodes(process.pid).has(socket.inode));
  assert.equal(listSocketInodes(NOBODY).size, 0);
});
