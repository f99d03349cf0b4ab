import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import type { ProbeReason, ProbeResult } from "../../src/core/probe-result.ts";
import { NO_PROXY_ENVIRONMENT } from "../../src/core/proxy.ts";
import { HttpClient, type HttpClientOptions } from "../../src/registry/http-client.ts";
import { type Authorize, ProbeClient, type ProbeTarget } from "../../src/registry/probe.ts";
import { PLAIN_TLS, TlsContexts } from "../../src/registry/tls-material.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Behaviour, type FaultyServerOptions, startFaultyServer } from "../lab/faulty-server.ts";
import { startProxyServer } from "../lab/proxy-server.ts";

const NEVER = new AbortController().signal;
const SECRET = "Basic c2VjcmV0OnNlY3JldA==";
const authority = makeAuthority();
const good = authority.issue(["IP:127.0.0.1", "DNS:mirror.test"]);
const expired = authority.issue(["IP:127.0.0.1"], { expired: true });
const TRUSTING = { ...PLAIN_TLS, ca: authority.cert };

function targetAt(url: string, changes: Partial<ProbeTarget> = {}): ProbeTarget {
  return { url, tls: TRUSTING, authorization: null, timeoutMs: 2000, proxy: NO_PROXY_ENVIRONMENT, ...changes };
}

function makeProber(options: HttpClientOptions & { authorize?: Authorize } = {}): ProbeClient & Disposable {
  const { authorize = null, ...rest } = options;
  const client = new HttpClient({ contexts: new TlsContexts(""), ...rest });
  const prober = new ProbeClient({ client, authorize });
  return Object.assign(prober, { [Symbol.dispose]: () => prober.close() });
}

async function probeOnce(server: FaultyServerOptions, changes: Partial<ProbeTarget> = {}): Promise<ProbeResult> {
  await using running = await startFaultyServer(server);
  using prober = makeProber();
  return await prober.probe(targetAt(running.url, changes), NEVER);
}

function reasonOf(result: ProbeResult): ProbeReason | "up" {
  return result.ok ? "up" : result.reason;
}

/** For what takes all of it; shorter, and a busy machine has not done the handshake until then. */
const SHORT_MS = 1000;

const ANSWERS: readonly (readonly [Behaviour, ProbeReason | "up", string])[] = [
  ["healthy", "up", ""],
  ["status-401", "up", ""],
  ["refused", "refused", "connect ECONNREFUSED 127.0.0.1:PORT"],
  ["reset", "connection-reset", "the server closed the connection without a whole answer"],
  ["silent", "response-timeout", `no answer to the request within ${SHORT_MS} ms`],
  ["stall", "body-stall", `body not complete within ${SHORT_MS} ms: N bytes came, the last N ms ago`],
  ["status-403", "forbidden", "403 Forbidden"],
  ["status-404", "not-found", "404 Not Found"],
  ["status-429", "rate-limited", "429 Too Many Requests, retry after 30 s"],
  ["status-500", "server-error", "500 Internal Server Error"],
  ["status-503", "server-error", "503 Service Unavailable"],
  ["html", "not-a-registry", "200 OK with an HTML page"],
  ["redirect-loop", "redirect-loop", "still redirected after 10 redirects"],
];

describe("ProbeClient.probe() says why a server is not up", () => {
  for (const [behaviour, reason, detail] of ANSWERS) {
    for (const tls of [null, good]) {
      test(`${behaviour} over ${tls ? "https" : "http"} is ${reason}`, async () => {
        const options = { behaviour, ...(tls ? { tls } : {}) };
        const result = await probeOnce(options, { timeoutMs: reason.match(/timeout|stall/) ? SHORT_MS : 2000 });
        assert.equal(reasonOf(result), reason);
        if (!result.ok)
          assert.equal(
            result.detail
              .replace(/:\d{4,5}$/, ":PORT")
              .replace(/\d+ bytes came, the last \d+/, "N bytes came, the last N"),
            detail,
          );
        const shown = tls !== null && behaviour !== "refused" && behaviour !== "reset";
        if (reason !== "redirect-loop") assert.equal(result.certificateExpiresAtMs !== null, shown);
      });
    }
  }

  test("a handshake that never completes is tls-timeout", async () => {
    const result = await probeOnce({ tls: good, behaviour: "tls-stalls" }, { timeoutMs: SHORT_MS });
    assert.equal(reasonOf(result), "tls-timeout");
    assert.ok(result.latencyMs < 5000);
  });

  test("plain http where https is expected is tls", async () => {
    await using server = await startFaultyServer();
    using prober = makeProber();
    const result = await prober.probe(targetAt(server.url.replace("http:", "https:")), NEVER);
    assert.ok(!result.ok);
    assert.equal(result.reason, "tls");
    assert.match(result.detail, /^TLS: [a-z ]+$/);
  });

  test("https where plain http is expected is not up", async () => {
    await using server = await startFaultyServer({ tls: good });
    using prober = makeProber();
    const result = await prober.probe(targetAt(server.url.replace("https:", "http:")), NEVER);
    assert.ok(!result.ok);
  });

  test("a body that ends too early is connection-reset", async () => {
    await using server = await startPlain((request, response) => {
      response.writeHead(200, { "Content-Length": 10 });
      response.write("{", () => request.socket.destroy());
    });
    using prober = makeProber();
    assert.equal(reasonOf(await prober.probe(targetAt(server.url), NEVER)), "connection-reset");
  });

  test("a server that speaks something else is not-a-registry", async () => {
    const server = createTcpServer((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n")).listen(0, "127.0.0.1");
    await once(server, "listening");
    using prober = makeProber();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    assert.equal(reasonOf(await prober.probe(targetAt(url), NEVER)), "not-a-registry");
    server.close();
  });

  test("a name that does not exist, and a resolver that is silent, is dns", async () => {
    using unknowing = makeProber({
      lookup: (hostname, _options, done) => done(Object.assign(new Error(`no ${hostname}`), { code: "ENOTFOUND" }), []),
    });
    const unknown = await unknowing.probe(targetAt("https://mirror.test"), NEVER);
    assert.equal(unknown.ok ? "" : `${unknown.reason}: ${unknown.detail}`, "dns: no mirror.test");
    using silent = makeProber({ lookup: () => {} });
    const unanswered = await silent.probe(targetAt("https://mirror.test", { timeoutMs: 100 }), NEVER);
    assert.equal(unanswered.ok ? "" : unanswered.detail, "no answer from the resolver within 100 ms");
  });

  test("asks for /v2/ at the server's root, whatever the namespace", async () => {
    await using server = await startFaultyServer({ tls: good });
    using prober = makeProber();
    assert.equal(reasonOf(await prober.probe(targetAt(`${server.url}/v2/team-a`), NEVER)), "up");
    assert.deepEqual(
      server.requests.map(({ method, url, serverName }) => `${method} ${url} ${serverName}`),
      ["GET /v2/ null"],
    );
  });
});

describe("ProbeClient.probe() trusts as containerd does", () => {
  test("a certificate from the CA is up, and its end is reported, also on a connection that is kept", async () => {
    await using server = await startFaultyServer({ tls: good });
    using prober = makeProber();
    const days = 24 * 3600 * 1000;
    for (let i = 0; i < 2; i += 1) {
      const result = await prober.probe(targetAt(server.url), NEVER);
      const left = (result.certificateExpiresAtMs ?? 0) - Date.now();
      assert.ok(result.ok && left > 19 * days && left < 21 * days);
    }
    assert.equal(server.connections, 1);
  });

  test("an expired certificate is certificate-expired, with its end", async () => {
    const result = await probeOnce({ tls: good, expiredTls: expired, behaviour: "certificate-expired" });
    assert.equal(reasonOf(result), "certificate-expired");
    assert.ok((result.certificateExpiresAtMs ?? Number.POSITIVE_INFINITY) < Date.now());
    assert.match(result.ok ? "" : result.detail, /^certificate has been expired since 20/);
  });

  test("an expired certificate is up where verification is switched off", async () => {
    const tls = { ...PLAIN_TLS, insecureSkipVerify: true };
    const result = await probeOnce({ tls: good, expiredTls: expired, behaviour: "certificate-expired" }, { tls });
    assert.equal(reasonOf(result), "up");
  });

  test("a certificate from an unknown CA is certificate-untrusted", async () => {
    const result = await probeOnce({ tls: good }, { tls: PLAIN_TLS });
    assert.equal(reasonOf(result), "certificate-untrusted");
    assert.match(result.ok ? "" : result.detail, /^certificate not trusted: unable to /);
  });

  test("a certificate for another name is certificate-untrusted", async () => {
    const result = await probeOnce({ tls: authority.issue(["DNS:other.test"]) });
    assert.equal(reasonOf(result), "certificate-untrusted");
    assert.equal(result.ok ? "" : result.detail, "certificate is for DNS:other.test, not for 127.0.0.1");
  });

  test("a certificate with its name in the Common Name alone is certificate-untrusted, as in Go", async () => {
    const result = await probeOnce({ tls: authority.issue([]) });
    assert.equal(reasonOf(result), "certificate-untrusted");
    assert.match(result.ok ? "" : result.detail, /no names at all/);
    await using server = await startFaultyServer({ tls: authority.issue([]) });
    await using proxy = await startProxyServer(server.port);
    using prober = makeProber();
    const named = targetAt("https://mirror.test", { proxy: { httpProxy: "", httpsProxy: proxy.url, noProxy: "" } });
    assert.equal(reasonOf(await prober.probe(named, NEVER)), "certificate-untrusted");
  });

  test("a certificate that ends while its connection is kept is certificate-expired", async (context) => {
    await using server = await startFaultyServer({ tls: good });
    using prober = makeProber();
    assert.ok((await prober.probe(targetAt(server.url), NEVER)).ok);
    context.mock.timers.enable({ apis: ["Date"], now: Date.now() + 30 * 24 * 3600 * 1000 });
    assert.equal(reasonOf(await prober.probe(targetAt(server.url), NEVER)), "certificate-expired");
    assert.equal(server.connections, 1);
  });

  test("the server's own certificate is an anchor, as in Go", async () => {
    assert.equal(reasonOf(await probeOnce({ tls: good }, { tls: { ...PLAIN_TLS, ca: good.cert } })), "up");
  });

  test("a client certificate is shown, and its absence is tls", async () => {
    const client = authority.issue([], { client: true });
    const tls = { ...good, clientCa: authority.cert };
    assert.equal(reasonOf(await probeOnce({ tls })), "tls");
    const shown = { ...TRUSTING, clientCert: client.cert, clientKey: client.key };
    assert.equal(reasonOf(await probeOnce({ tls }, { tls: shown })), "up");
    const inOneFile = { ...TRUSTING, clientCert: client.cert + client.key };
    assert.equal(reasonOf(await probeOnce({ tls }, { tls: inOneFile })), "up");
  });

  test("a client certificate that cannot be read is tls", async () => {
    const result = await probeOnce({ tls: good }, { tls: { ...TRUSTING, clientCert: "no PEM" } });
    assert.equal(reasonOf(result), "tls");
  });
});

describe("ProbeClient.probe() keeps credentials to itself", () => {
  test("401 to a credential is unauthorized, and no result holds the credential", async () => {
    const result = await probeOnce({ behaviour: "status-401" }, { authorization: SECRET });
    assert.deepEqual(
      result.ok ? "" : `${result.reason}: ${result.detail}`,
      "unauthorized: 401 Unauthorized to our credential",
    );
    assert.ok(!JSON.stringify(result).includes("c2VjcmV0"));
  });

  test("401 without a challenge is unauthorized", async () => {
    await using server = await startPlain((_request, response) => response.writeHead(401).end());
    using prober = makeProber();
    assert.equal(reasonOf(await prober.probe(targetAt(server.url), NEVER)), "unauthorized");
  });

  test("a credential does not follow a redirect to another port, but to another path", async () => {
    await using other = await startFaultyServer();
    const seen: (string | undefined)[] = [];
    await using server = await startPlain((request, response) => {
      seen.push(request.headers.authorization);
      const place = request.url === "/v2/" ? "/login" : `${other.url}/v2/`;
      response.writeHead(307, { Location: place }).end();
    });
    using prober = makeProber();
    assert.equal(reasonOf(await prober.probe(targetAt(server.url, { authorization: SECRET }), NEVER)), "up");
    assert.deepEqual(seen, [SECRET, SECRET]);
    assert.deepEqual(
      other.requests.map(({ headers }) => headers.authorization),
      [undefined],
    );
  });

  test("401 from where a redirect led, which never got the credential, is up", async () => {
    await using other = await startFaultyServer({ behaviour: "status-401" });
    await using server = await startPlain((_request, response) => {
      response.writeHead(302, { Location: `${other.url}/v2/` }).end();
    });
    using prober = makeProber();
    assert.equal(reasonOf(await prober.probe(targetAt(server.url, { authorization: SECRET }), NEVER)), "up");
  });

  test("ten redirects are followed, and not one more", async () => {
    await using server = await startFaultyServer({ behaviour: "redirect-loop" });
    using prober = makeProber();
    await prober.probe(targetAt(server.url), NEVER);
    assert.equal(server.requests.length, 11);
  });

  test("a server that is open, and refuses a wrong credential, is asked without one", async () => {
    await using server = await startPlain(({ headers }, response) => {
      response.writeHead(headers.authorization === undefined ? 200 : 401, { "WWW-Authenticate": "Basic" }).end("{}");
    });
    using prober = makeProber({ authorize: async () => null });
    assert.equal(reasonOf(await prober.probe(targetAt(server.url, { authorization: SECRET }), NEVER)), "up");
  });

  test("a challenge is given to authorize, and its answer is tried once", async () => {
    const offered: string[] = [];
    await using server = await startPlain((request, response) => {
      const allowed = request.headers.authorization === "Bearer token";
      response.writeHead(allowed ? 200 : 401, { "WWW-Authenticate": 'Bearer realm="x"' }).end();
    });
    const probeWith = async (answer: string | null): Promise<ProbeResult> => {
      using prober = makeProber({
        authorize: async ({ challenge }) => {
          offered.push(challenge);
          return answer;
        },
      });
      return await prober.probe(targetAt(server.url), NEVER);
    };
    assert.equal(reasonOf(await probeWith("Bearer token")), "up");
    assert.equal(reasonOf(await probeWith("Bearer wrong")), "unauthorized");
    assert.equal(reasonOf(await probeWith(null)), "up");
    assert.deepEqual(offered, ['Bearer realm="x"', 'Bearer realm="x"', 'Bearer realm="x"']);
  });
});

describe("ProbeClient.probe() keeps connections", () => {
  test("three probes are one connection, and another client certificate is another", async () => {
    await using server = await startFaultyServer({ tls: good });
    using prober = makeProber();
    for (let i = 0; i < 3; i += 1) assert.ok((await prober.probe(targetAt(server.url), NEVER)).ok);
    assert.equal(server.connections, 1);
    const client = authority.issue([], { client: true });
    const tls = { ...TRUSTING, clientCert: client.cert, clientKey: client.key };
    assert.ok((await prober.probe(targetAt(server.url, { tls }), NEVER)).ok);
    assert.equal(server.connections, 2);
  });

  test("a connection that has grown old is not used again", async () => {
    await using server = await startFaultyServer();
    using prober = makeProber({ maxConnectionAgeMs: 0 });
    for (let i = 0; i < 2; i += 1) assert.ok((await prober.probe(targetAt(server.url), NEVER)).ok);
    assert.equal(server.connections, 2);
  });

  test("a kept connection that the server closes under the request is tried again on a new one", async () => {
    const connections = new Set<Socket>();
    await using server = await startPlain((request, response) => {
      if (connections.has(request.socket)) request.socket.destroy();
      else response.end();
      connections.add(request.socket);
    });
    using prober = makeProber();
    for (let i = 0; i < 3; i += 1) assert.equal(reasonOf(await prober.probe(targetAt(server.url), NEVER)), "up");
    assert.ok(connections.size >= 2);
  });

  test("a kept connection to a server that is gone is refused, not up", async () => {
    await using server = await startFaultyServer();
    using prober = makeProber();
    assert.ok((await prober.probe(targetAt(server.url), NEVER)).ok);
    await server.become("refused");
    assert.equal(reasonOf(await prober.probe(targetAt(server.url), NEVER)), "refused");
  });

  test("a body without end is not read to its end", async () => {
    await using server = await startPlain((_request, response) => {
      const fill = (): void => {
        while (response.write("x".repeat(1 << 16)));
      };
      response.on("drain", fill);
      fill();
    });
    using prober = makeProber();
    assert.equal(reasonOf(await prober.probe(targetAt(server.url), NEVER)), "up");
  });

  test("an abort rejects at once, in every phase", async () => {
    for (const behaviour of ["tls-stalls", "silent", "stall"] as const) {
      await using server = await startFaultyServer({ tls: good, behaviour });
      using prober = makeProber();
      const abort = new AbortController();
      const probing = prober.probe(targetAt(server.url, { timeoutMs: 10_000 }), abort.signal);
      while (server.connections === 0) await new Promise(setImmediate);
      const start = performance.now();
      abort.abort();
      await assert.rejects(probing, { name: "AbortError" });
      assert.ok(performance.now() - start < 2000, "long before the time limit");
    }
  });
});

describe("ProbeClient.probe() goes through the proxy", () => {
  const throughProxy = (url: string): Partial<ProbeTarget> => ({
    proxy: { httpProxy: url, httpsProxy: url, noProxy: "" },
  });

  test("https in a tunnel, with the proxy's credential, on a connection that is kept", async () => {
    await using server = await startFaultyServer({ tls: good });
    await using proxy = await startProxyServer(server.port);
    using prober = makeProber();
    const target = targetAt("https://mirror.test", throughProxy(proxy.url.replace("//", "//user:p%40ss@")));
    assert.equal(reasonOf(await prober.probe(target, NEVER)), "up");
    assert.equal(reasonOf(await prober.probe(target, NEVER)), "up");
    const credential = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    assert.deepEqual(proxy.requests, [{ line: "CONNECT mirror.test:443", credential }]);
    assert.equal(server.requests[0]?.headers.host, "mirror.test");
    assert.equal(server.requests[0]?.serverName, "mirror.test");
    assert.equal(server.requests[0]?.headers["proxy-authorization"], undefined);
  });

  test("plain http with the whole address in the request", async () => {
    await using server = await startFaultyServer();
    await using proxy = await startProxyServer(server.port);
    using prober = makeProber();
    const target = targetAt("http://mirror.test:5000", throughProxy(proxy.url.replace("//", "//user:@")));
    assert.equal(reasonOf(await prober.probe(target, NEVER)), "up");
    const credential = `Basic ${Buffer.from("user:").toString("base64")}`;
    assert.deepEqual(proxy.requests, [{ line: "GET http://mirror.test:5000/v2/", credential }]);
  });

  test("what the proxy refuses, and a proxy that is not there, is proxy", async () => {
    await using server = await startFaultyServer({ tls: good });
    await using proxy = await startProxyServer(server.port, { refuseWith: 407 });
    using prober = makeProber();
    const refused = await prober.probe(targetAt("https://mirror.test", throughProxy(proxy.url)), NEVER);
    assert.equal(refused.ok ? "" : refused.detail, "proxy answered 407 Proxy Authentication Required to CONNECT");
    await server.become("refused");
    const url = `http://user:secret@127.0.0.1:${server.port}`;
    const absent = await prober.probe(targetAt("https://mirror.test", throughProxy(url)), NEVER);
    assert.equal(reasonOf(absent), "proxy");
    assert.ok(!JSON.stringify(absent).includes("secret"));
    const socks = await prober.probe(targetAt("https://mirror.test", throughProxy("socks5://127.0.0.1:1080")), NEVER);
    assert.equal(reasonOf(socks), "proxy");
  });

  test("a fault of the server behind the proxy is the server's", async () => {
    await using server = await startFaultyServer({ tls: good, behaviour: "silent" });
    await using proxy = await startProxyServer(server.port);
    using prober = makeProber();
    const target = targetAt("https://mirror.test", { ...throughProxy(proxy.url), timeoutMs: SHORT_MS });
    assert.equal(reasonOf(await prober.probe(target, NEVER)), "response-timeout");
  });
});

async function startPlain(onRequest: Parameters<typeof createServer>[1]): Promise<AsyncDisposable & { url: string }> {
  const server = createServer(onRequest).listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}
