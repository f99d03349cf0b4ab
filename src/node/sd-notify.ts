// Tells systemd how the service is doing: sd_notify(3), one datagram to the socket that NOTIFY_SOCKET
// names. Node has no unix datagram sockets, so three calls of libc go through node:ffi: 0.1 ms and 0.4 MiB,
// sent by the main process (NotifyAccess=main is enough, with no capability), in order, also when the node
// cannot start another process any more. The systemd-notify program costs 10 to 50 ms a call, needs
// NotifyAccess=all in a sandbox, and its messages can overtake one another. node:ffi is experimental, but
// the runtime is pinned and shipped with the agent; it works with --jitless too.

import { hrtime, pid } from "node:process";

export interface SdNotify {
  /** How often watchdog() has to be called, half of what systemd grants; null if it does not watch. */
  readonly watchdogIntervalMs: number | null;
  /** The service is up, or done with reloading(). */
  ready(status: string): void;
  /** One line for `systemctl status`; sent when it differs from the last. */
  status(text: string): void;
  reloading(): void;
  stopping(): void;
  watchdog(): void;
}

type Send = (message: string) => void;

/** The service manager that `env` names; without NOTIFY_SOCKET its methods do nothing. */
export async function createSdNotify(env: Readonly<NodeJS.ProcessEnv>): Promise<SdNotify> {
  const send = await openNotifySocket(env.NOTIFY_SOCKET ?? "");
  let lastStatus: string | null = null;
  const renderStatus = (text: string): string => {
    lastStatus = text;
    return `STATUS=${text.replaceAll(/[\r\n]+/g, " ")}`;
  };
  return {
    watchdogIntervalMs: readWatchdogInterval(env),
    ready: (text) => send(`READY=1\n${renderStatus(text)}`),
    status: (text) => {
      if (text !== lastStatus) send(renderStatus(text));
    },
    // Type=notify-reload wants to know that the answer is younger than its question.
    reloading: () => send(`RELOADING=1\nMONOTONIC_USEC=${hrtime.bigint() / 1000n}`),
    stopping: () => send("STOPPING=1"),
    watchdog: () => send("WATCHDOG=1"),
  };
}

// WATCHDOG_PID differs when the variables were inherited from a service that started us (sd_watchdog_enabled(3)).
function readWatchdogInterval(env: Readonly<NodeJS.ProcessEnv>): number | null {
  const usec = Number(env.WATCHDOG_USEC);
  const isOurs = env.WATCHDOG_PID === undefined || env.WATCHDOG_PID === String(pid);
  return isOurs && usec > 0 ? usec / 2000 : null;
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
/** Size of sun_path, which ends with a zero byte (unix(7)). */
const PATH_SIZE = 108;

async function openNotifySocket(path: string): Promise<Send> {
  if (!/^[/@]/.test(path) || Buffer.byteLength(path) >= PATH_SIZE) return () => {};
  const { dlopen } = await import("node:ffi");
  const libc = dlopen(null, {
    socket: { arguments: ["int32", "int32", "int32"], return: "int32" },
    sendto: { arguments: ["int32", "buffer", "uint64", "int32", "buffer", "uint32"], return: "int64" },
    close: { arguments: ["int32"], return: "int32" },
  });
  const address = encodeAddress(path);
  return (message) => {
    const { socket, sendto, close } = libc.functions;
    const bytes = Buffer.from(message);
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    // Whether it arrives is systemd's to complain about: nobody else waits for it.
    sendto(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL, address, address.length);
    close(fd);
  };
}

// "@" stands for the zero byte that begins an abstract name; such a name ends where the address does.
function encodeAddress(path: string): Buffer {
  const family = Buffer.alloc(2);
  new Uint16Array(family.buffer, family.byteOffset, 1)[0] = AF_UNIX;
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  return Buffer.concat([family, Buffer.from(name)]);
}
