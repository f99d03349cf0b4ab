// A real docker-registry (CNCF distribution 2.8.2) on a free port of 127.0.0.1, with its own record of who
// asked for what: that is how a test proves from where containerd pulled.

import { execFile } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { get as getTls } from "node:https";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Authority, KeyPair } from "./certificates.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { dockerRegistryBinary } from "./parts.ts";
import type { Workspace } from "./workspace.ts";

export interface Registry {
  /** "https://127.0.0.1:40123" */
  readonly url: string;
  readonly port: number;
  /** All it has answered since it was first started, oldest first. */
  requests(): Promise<readonly RegistryRequest[]>;
  /** Connections are refused until start(). */
  stop(): Promise<void>;
  /** On the same port, with the same content. */
  start(): Promise<void>;
  /** The kernel still accepts connections, nothing answers, until thaw(). */
  freeze(): void;
  thaw(): void;
}

export interface RegistryRequest {
  readonly method: string;
  /** With query: "/v2/lab/hello/manifests/1.0?ns=gcr.io" */
  readonly path: string;
  readonly status: number;
  /** Credentials were needed, and it had the right ones. */
  readonly authorized: boolean;
  /** "containerd/1.6.20~ds1" */
  readonly userAgent: string;
}

export interface RegistryOptions {
  readonly tls?: KeyPair;
  /** Lets only those in who have a certificate that it issued. */
  readonly clientAuthority?: Authority;
  readonly auth?: RegistryAuth;
}

export type RegistryAuth =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** See token-server.ts. */
  | { readonly kind: "token"; readonly realm: string; readonly service: string; readonly signerCert: string };

/** Resolves when it listens. Its content is empty; see push-image.ts. */
export async function startRegistry(
  workspace: Workspace,
  name: string,
  options: RegistryOptions = {},
): Promise<Registry> {
  const dir = `registry-${name}`;
  const earlier: RegistryRequest[] = [];
  const scheme = options.tls ? "https" : "http";
  const listen = async (port: number) => {
    const config = await registryConfig(workspace, { dir, port, options });
    const path = await workspace.file(`${dir}/config.yml`, JSON.stringify(config)); // JSON is YAML
    return startDaemon([dockerRegistryBinary, "serve", path]);
  };
  let daemon = await listen(0);
  workspace.onEnd(() => daemon.kill());
  const port = await listeningPort(daemon);
  const url = `${scheme}://127.0.0.1:${port}`;
  const client = options.clientAuthority?.issue([], { client: true });
  let alive = true;

  return {
    url,
    port,
    async requests() {
      if (alive) await untilLogged(daemon, url, client);
      return [...earlier, ...parseRequests(daemon.lines)];
    },
    async stop() {
      alive = false;
      await daemon.kill();
    },
    async start() {
      earlier.push(...parseRequests(daemon.lines));
      daemon = await listen(port);
      await listeningPort(daemon);
      alive = true;
    },
    freeze() {
      alive = false;
      daemon.signal("SIGSTOP");
    },
    thaw() {
      alive = true;
      daemon.signal("SIGCONT");
    },
  };
}

interface Configuring {
  readonly dir: string;
  readonly port: number;
  readonly options: RegistryOptions;
}

async function registryConfig(workspace: Workspace, { dir, port, options }: Configuring): Promise<object> {
  const { tls, clientAuthority, auth } = options;
  const certificates = tls && {
    certificate: await workspace.file(`${dir}/tls.crt`, tls.cert),
    key: await workspace.file(`${dir}/tls.key`, tls.key),
    ...(clientAuthority && { clientcas: [await workspace.file(`${dir}/client-ca.crt`, clientAuthority.cert)] }),
  };
  return {
    version: "0.1",
    log: { level: "info", formatter: "json", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(workspace.dir, dir, "content") }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, secret: "lab", ...(certificates && { tls: certificates }) },
    ...(auth && { auth: await authConfig(workspace, dir, auth) }),
  };
}

async function authConfig(workspace: Workspace, dir: string, auth: RegistryAuth): Promise<object> {
  if (auth.kind === "basic") {
    const entry = `${auth.username}:${await bcrypt(auth.password)}\n`;
    return { htpasswd: { realm: "lab", path: await workspace.file(`${dir}/htpasswd`, entry) } };
  }
  const { realm, service, signerCert } = auth;
  const rootcertbundle = await workspace.file(`${dir}/signer.crt`, signerCert);
  return { token: { realm, service, issuer: service, rootcertbundle } };
}

// docker-registry takes bcrypt alone, which Node and openssl lack; perl is in every Debian, and its crypt() has it.
async function bcrypt(password: string): Promise<string> {
  const script = 'print crypt($ENV{WORD}, "\\$2y\\$04\\$" . "abcdefghijklmnopqrstuu")';
  const { stdout } = await promisify(execFile)("perl", ["-e", script], { env: { WORD: password } });
  return stdout;
}

function listeningPort(daemon: Daemon): Promise<number> {
  return daemon.waitForLine((line) => Number(/listening on .*?:(\d+)/.exec(line)?.[1]));
}

// A request is logged just after its answer was sent: ask for something and wait until that is in the log.
async function untilLogged(daemon: Daemon, url: string, client: KeyPair | undefined): Promise<void> {
  const mark = `/v2/?mark=${crypto.randomUUID()}`;
  const request = url.startsWith("https:")
    ? getTls(url + mark, { agent: false, rejectUnauthorized: false, ...client })
    : get(url + mark, { agent: false });
  const [response] = await once(request, "response");
  response.resume();
  await daemon.waitForLine((line) => line.includes(mark));
}

type LogEntry = Record<string, string | number | undefined>;

function parseRequests(lines: readonly string[]): RegistryRequest[] {
  const entries = lines.flatMap(parseEntry);
  const authorized = new Set(entries.filter(({ msg }) => msg === "authorized request").map(requestId));
  return entries.flatMap((entry) => {
    const status = statusOf(entry);
    if (status === null) return [];
    const [method, path, userAgent] = ["method", "uri", "useragent"].map((key) => String(entry[`http.request.${key}`]));
    return { method, path, userAgent, status, authorized: authorized.has(requestId(entry)) } as RegistryRequest;
  });
}

function parseEntry(line: string): LogEntry[] {
  if (!line.startsWith("{") || !line.includes('"http.request.uri"') || line.includes("/v2/?mark=")) return [];
  return [JSON.parse(line) as LogEntry];
}

function requestId(entry: LogEntry): string {
  return String(entry["http.request.id"]);
}

function statusOf(entry: LogEntry): number | null {
  const message = String(entry.msg ?? "");
  if (message.startsWith("response completed")) return Number(entry["http.response.status"]);
  if (message.startsWith("error authorizing context")) return 401;
  return null;
}
