// Stands in for systemd: the socket that NOTIFY_SOCKET names. The daemon says WATCHDOG=1 at the end of each pass
// and READY=1 when a reload is done, so a bench knows when, without a word in a log.
// Node has no unix datagram sockets; perl is on every Debian.

import { EventEmitter } from "node:events";
import { join } from "node:path";
import { startDaemon } from "../../../test/lab/daemon.ts";
import type { Workspace } from "../../../test/lab/workspace.ts";

const RECEIVER = `
  use Socket; $| = 1;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!; bind($socket, sockaddr_un($ARGV[0])) or die $!;
  print "bound\\n";
  while (defined recv($socket, my $message, 65536, 0)) { $message =~ s/\\n/ /g; print "$message\\n" }
`;

export interface NotifySocket {
  readonly path: string;
  /** Resolves at the next message that holds `text`. */
  next(text: string): Promise<void>;
}

export async function openNotifySocket(workspace: Workspace): Promise<NotifySocket> {
  const path = join(workspace.dir, "notify");
  const messages = new EventEmitter();
  const receiver = await startDaemon(["perl", "-e", RECEIVER, path], { onLine: (line) => messages.emit("line", line) });
  workspace.onEnd(() => receiver.kill());
  await receiver.waitForLine((line) => line === "bound");
  return {
    path,
    next(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = (line: string): void => {
        if (!line.includes(text)) return;
        messages.off("line", look);
        resolve();
      };
      messages.on("line", look);
      return promise;
    },
  };
}
