// A port for a program that takes a number alone; somebody else may have it by the time it does.

import { once } from "node:events";
import { createServer } from "node:net";

/** One of 127.0.0.1 on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  await once(server.close(), "close");
  return port;
}
