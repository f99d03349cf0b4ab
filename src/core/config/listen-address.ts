// Where metrics are served: on the loopback interface or a unix socket. They tell what a node pulls from where, and
// nobody is asked for a password: what others than this node could reach is refused.

import type { ListenAddress } from "../mirror-config.ts";
import { type Parsed, parsed, problem } from "./parsed.ts";

/** Source of what every address that is accepted matches. */
export const LISTEN_PATTERN = /^(?:127(?:\.[0-9]{1,3}){3}:[0-9]{1,5}|\[::1\]:[0-9]{1,5}|unix:\/.+)$/;

const EXAMPLES = '"127.0.0.1:9464" or "unix:/run/mirror-agent/metrics.sock"';
/** sun_path without its closing NUL (unix(7)). */
const LONGEST_SOCKET = 107;

/** Reads "127.0.0.1:9464", "[::1]:9464" or "unix:/run/mirror-agent/metrics.sock". */
export function parseListenAddress(text: string): Parsed<ListenAddress> {
  if (text.startsWith("unix:")) return parseSocket(text.slice("unix:".length));
  const [, name = "", portText] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text) ?? [];
  if (!isLoopback(name)) return problem(`expected an address of this node alone such as ${EXAMPLES}`);
  if (portText === undefined) return problem(`the port is missing, expected for example "${name}:9464"`);
  const port = Number(portText);
  if (!/^[0-9]{1,5}$/.test(portText) || port < 1 || port > 65535)
    return problem("the port is not a number from 1 to 65535");
  return parsed({ kind: "tcp", host: name.replaceAll(/[[\]]/g, ""), port });
}

function parseSocket(path: string): Parsed<ListenAddress> {
  if (!path.startsWith("/")) return problem('expected an absolute path such as "unix:/run/mirror-agent/metrics.sock"');
  if (Buffer.byteLength(path) <= LONGEST_SOCKET && !path.includes("\0")) return parsed({ kind: "unix", path });
  return problem(`a socket's path has at most ${LONGEST_SOCKET} bytes`);
}

// A name may lead elsewhere tomorrow; 127.0.0.0/8 and ::1 stay on this node.
function isLoopback(name: string): boolean {
  if (name === "[::1]") return true;
  const octets = name.split(".");
  return (
    octets.length === 4 && octets[0] === "127" && octets.every((octet) => /^[0-9]{1,3}$/.test(octet) && +octet <= 255)
  );
}
