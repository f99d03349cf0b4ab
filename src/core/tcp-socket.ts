// TCP connections of this host as `ss` of iproute2 prints them: `ss -HOtnei`, one line a connection. /proc/net/tcp
// has the addresses and the inode too, but not how much went over it, which alone tells a slow download from a
// hanging one; `ss` reads it, and says nothing of it, where the kernel's sock_diag does not answer.

/** One connection; addresses as `ss` prints and takes them: "127.0.0.1:5000", "[::1]:5000". */
export interface TcpSocket {
  /** In the words of `ss`: "ESTAB", "SYN-SENT". */
  readonly state: string;
  readonly local: string;
  readonly remote: string;
  /** Names it as long as it lives; the links in /proc/PID/fd show it. */
  readonly inode: string;
  /** Payload received, and sent and acknowledged, since it was opened; keep-alive packets do not count. */
  readonly bytesMoved: number;
  /** Whether payload was received after the last was sent: the answer to what was asked has begun. */
  readonly isAnswered: boolean;
}

/**
 * Reads the output of `ss -HOtnei`. What no program holds any more has no inode and is left out. Null where the
 * connections were not measured: what sock_diag tells has an `mss:` in every state, and no `bytes_…:` at zero.
 */
export function parseSockets(output: string): TcpSocket[] | null {
  const sockets: TcpSocket[] = [];
  for (const line of output.split("\n")) {
    const [state, , , local, remote, ...details] = line.trim().split(/\s+/);
    const inode = numberAfter("ino:", details);
    if (state === undefined || local === undefined || remote === undefined || inode === null) continue;
    if (numberAfter("mss:", details) === null) return null;
    const numberOf = (label: string) => Number(numberAfter(label, details) ?? 0);
    const bytesMoved = numberOf("bytes_received:") + numberOf("bytes_acked:");
    const isAnswered = numberOf("lastrcv:") < numberOf("lastsnd:"); // both in milliseconds ago
    sockets.push({ state, local, remote, inode, bytesMoved, isAnswered });
  }
  return sockets;
}

/** The address and port in the notation of `ss`. */
export function socketAddress(address: string, port: string): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function numberAfter(label: string, words: readonly string[]): string | null {
  const value = words.find((word) => word.startsWith(label))?.slice(label.length) ?? "";
  return /^\d+$/.test(value) && value !== "0" ? value : null;
}
