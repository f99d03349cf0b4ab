import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { createSdNotify } from "../../src/node/sd-notify.ts";

// Each datagram as one line of hexadecimal digits; perl is on every Debian.
const RECEIVER = `
  use Socket; $| = 1;
  my $name = $ARGV[0] =~ /^@(.*)/ ? pack("S a*", AF_UNIX, "\\0$1") : sockaddr_un($ARGV[0]);
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!; bind($socket, $name) or die $!;
  print "bound\\n";
  while (defined recv($socket, my $message, 65536, 0)) { print unpack("H*", $message), "\\n" }
`;

interface Receiver {
  next(): Promise<string>;
}

async function startReceiver(t: TestContext, path: string): Promise<Receiver> {
  const child = spawn("perl", ["-e", RECEIVER, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    child.kill();
    await once(child, "exit");
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => (await lines.next()).value ?? "";
  assert.equal(await nextLine(), "bound");
  return { next: async () => Buffer.from(await nextLine(), "hex").toString() };
}

function makeSocketPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "notify-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "notify");
}

const SOCKETS: Record<string, (t: TestContext) => string> = {
  "a socket in the file system": makeSocketPath,
  "an abstract socket": (t) => `@${makeSocketPath(t)}`,
};

for (const [name, makePath] of Object.entries(SOCKETS)) {
  test(`createSdNotify() tells ${name} what the service does, in order`, async (t) => {
    const path = makePath(t);
    const receiver = await startReceiver(t, path);
    const manager = await createSdNotify({ NOTIFY_SOCKET: path });
    manager.ready("1 mirror up");
    manager.status("1 mirror up");
    manager.status("1 mirror down\nMAINPID=1");
    manager.watchdog();
    manager.stopping();
    assert.equal(await receiver.next(), "READY=1\nSTATUS=1 mirror up");
    assert.equal(await receiver.next(), "STATUS=1 mirror down MAINPID=1");
    assert.equal(await receiver.next(), "WATCHDOG=1");
    assert.equal(await receiver.next(), "STOPPING=1");
  });
}

test("createSdNotify() dates reloading() on the clock that systemd compares", async (t) => {
  const path = makeSocketPath(t);
  const receiver = await startReceiver(t, path);
  const manager = await createSdNotify({ NOTIFY_SOCKET: path });
  const before = process.hrtime.bigint() / 1000n;
  manager.reloading();
  const after = process.hrtime.bigint() / 1000n;
  const usec = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(await receiver.next())?.[1] ?? "0";
  assert.ok(BigInt(usec) >= before && BigInt(usec) <= after);
});

test("createSdNotify() does nothing without a socket, and survives one that nobody listens at", async (t) => {
  for (const NOTIFY_SOCKET of [undefined, "", "vsock:2:1", makeSocketPath(t), `/${"x".repeat(200)}`]) {
    const manager = await createSdNotify({ NOTIFY_SOCKET });
    manager.ready("up");
    manager.stopping();
    assert.equal(manager.watchdogIntervalMs, null);
  }
});

test("createSdNotify() feeds the watchdog twice as often as it bites, if it is ours", async () => {
  const ours = await createSdNotify({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: `${process.pid}` });
  const anothers = await createSdNotify({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "1" });
  assert.equal(ours.watchdogIntervalMs, 30_000);
  assert.equal(anothers.watchdogIntervalMs, null);
});
