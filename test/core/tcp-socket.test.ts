import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseSockets, socketAddress } from "../../src/core/tcp-socket.ts";

const output = readFileSync(new URL("../fixtures/ss/iproute2-6.1.txt", import.meta.url), "utf8");

test("parseSockets() reads what ss of Debian 12 prints, without what no program holds", () => {
  assert.deepEqual(parseSockets(output), [
    {
      state: "ESTAB",
      local: "127.0.0.1:53816",
      remote: "127.0.0.1:37745",
      inode: "285506",
      bytesMoved: 1381 + 697,
      isAnswered: true,
    },
    {
      state: "ESTAB",
      local: "127.0.0.1:50226",
      remote: "127.0.0.1:34437",
      inode: "286231",
      bytesMoved: 274,
      isAnswered: false,
    },
    {
      state: "SYN-SENT",
      local: "192.0.2.2:46436",
      remote: "192.0.2.1:5000",
      inode: "399917",
      bytesMoved: 0,
      isAnswered: false,
    },
    {
      state: "ESTAB",
      local: "[::1]:53560",
      remote: "[::1]:38301",
      inode: "399916",
      bytesMoved: 5 + 1,
      isAnswered: true,
    },
  ]);
});

for (const text of ["", "\n", "ESTAB", "Cannot open netlink socket: Permission denied"]) {
  test(`parseSockets() finds no connection in ${JSON.stringify(text)}`, () => {
    assert.deepEqual(parseSockets(text), []);
  });
}

test("parseSockets() takes what ss reads from /proc/net/tcp for not measured", () => {
  const line =
    "ESTAB 0      0      127.0.0.1:47754 127.0.0.1:42451 ino:339424 sk:86aca62d rto:0.2 cwnd:10 reordering:0\n";
  assert.equal(parseSockets(line), null);
  assert.equal(parseSockets(output + line), null);
});

test("socketAddress() puts an IPv6 address in brackets", () => {
  assert.equal(socketAddress("10.0.0.1", "5000"), "10.0.0.1:5000");
  assert.equal(socketAddress("2001:db8::1", "443"), "[2001:db8::1]:443");
});
