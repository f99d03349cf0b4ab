// systemd's end of sd_notify: a datagram socket whose messages are read one by one. Node has none; perl,
// which is on every Debian, has.

import { join } from "node:path";
import { type Daemon, startDaemon } from "./daemon.ts";
import type { Workspace } from "./workspace.ts";

const RECEIVER = `
  use Socket; $| = 1;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!; bind($socket, sockaddr_un($ARGV[0])) or die $!;
  print "bound\\n";
  while (defined recv($socket, my $message, 65536, 0)) { $message =~ s/\\n/|/g; print "$message\\n" }
`;

export interface NotifyReceiver {
  /** For NOTIFY_SOCKET. */
  readonly path: string;
  /** The messages so far, newlines as "|". */
  readonly messages: readonly string[];
  /** Resolves with the first message, also a past one, that matches. */
  until(pattern: RegExp, options?: { timeoutMs?: number }): Promise<string>;
}

export async function startNotifyReceiver(workspace: Workspace): Promise<NotifyReceiver> {
  const path = join(workspace.dir, "notify");
  const daemon: Daemon = await startDaemon(["perl", "-e", RECEIVER, path]);
  workspace.onEnd(() => daemon.kill());
  await daemon.waitForLine((line) => line === "bound");
  return {
    path,
    messages: daemon.lines,
    until: (pattern, options) => daemon.waitForLine((line) => (pattern.test(line) ? line : null), options),
  };
}
