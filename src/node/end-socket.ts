// Lets another program read the end of one of its connections, as if the server had closed it. containerd resumes a
// download that ends early where it was, and asks the next host if the first does not answer; one whose connection is
// aborted (`ss -K`) fails, and its pull with it (httpreadseeker.go: only io.ErrUnexpectedEOF is tried again; so it
// is on 1.6, 1.7 and 2.1). One that is not open yet fails at once (tcp_disconnect(): ECONNRESET), and containerd dials
// the next host.

import { openBorrow } from "./borrowed-socket.ts";
import type { HeldSocket } from "./sockets.ts";

/** Ends reading on this connection of `pid`; false where that is not possible or not permitted. */
export async function endSocket(pid: number, { fd, inode }: HeldSocket): Promise<boolean> {
  const borrow = await openBorrow();
  // The number may have been given to another connection since it was read.
  return borrow?.(pid, fd, (socket) => socket.inode === inode && socket.endReading()) ?? false;
}
