// An HTTP proxy that leads every request to one server, whatever name was asked for: names that exist
// nowhere can then be used in tests, and loopback addresses, which are never proxied, stay out of it.

import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

export interface ProxyServer extends AsyncDisposable {
  readonly url: string;
  /** "CONNECT mirror.test:443" or "GET http://mirror.test/v2/", with the credential if there was one. */
  readonly requests: { readonly line: string; readonly credential: string | null }[];
}

/** `refuseWith` is the status for CONNECT, if not 200. */
export async function startProxyServer(
  targetPort: number,
  { refuseWith = 200 }: { refuseWith?: number } = {},
): Promise<ProxyServer> {
  const requests: ProxyServer["requests"] = [];
  const sockets = new Set<Socket>();
  const record = ({ method, url, headers }: IncomingMessage): void => {
    requests.push({ line: `${method} ${url}`, credential: headers["proxy-authorization"] ?? null });
  };
  const server = createServer((request, response) => {
    record(request);
    pass(request, response, targetPort);
  });
  server.on("connection", (socket) => sockets.add(socket));
  server.on("connect", (request, socket: Socket) => {
    record(request);
    socket.write(`HTTP/1.1 ${refuseWith} Answer\r\n\r\n`);
    if (refuseWith !== 200) return socket.end();
    const beyond = connect(targetPort, "127.0.0.1").on("error", () => socket.destroy());
    socket.on("error", () => beyond.destroy()).on("close", () => beyond.destroy());
    return socket.pipe(beyond).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, requests, [Symbol.asyncDispose]: close };
}

function pass({ url = "" }: IncomingMessage, response: ServerResponse, port: number): void {
  const { pathname, search } = new URL(url);
  httpRequest({ port, host: "127.0.0.1", path: pathname + search, agent: false }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  }).end();
}
