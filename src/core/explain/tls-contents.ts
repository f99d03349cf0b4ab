// The TLS files that a host names, put together as containerd loads them. One that is missing or no PEM fails every
// pull of the registry, however many other hosts there are (remotes/docker/config/hosts.go, tlsConfigFromHost).

import { createPrivateKey, X509Certificate } from "node:crypto";
import type { FileReading } from "./hosts-folder.ts";
import type { PullHost } from "./pull-hosts.ts";

/** Contents, not paths. The key is a secret. */
export interface TlsContents {
  readonly ca: string | null;
  readonly clientCert: string | null;
  readonly clientKey: string | null;
  readonly insecureSkipVerify: boolean;
}

export type ReadTls =
  | { readonly ok: true; readonly tls: TlsContents }
  /** Why no pull can be made, in one clause. */
  | { readonly ok: false; readonly because: string };

/** By path; what is not in it is missing. */
export type Files = ReadonlyMap<string, FileReading>;

/** The files that a host names. */
export function tlsPaths({ caPaths, clients }: PullHost): readonly string[] {
  return [
    ...caPaths,
    ...clients.flatMap(({ certPath, keyPath }) => (keyPath === null ? [certPath] : [certPath, keyPath])),
  ];
}

/** Puts a host's TLS files together. */
export function readTls(host: PullHost, files: Files): ReadTls {
  const because =
    tlsPaths(host)
      .flatMap((path) => findUnreadable(path, files))
      .at(0) ?? findWrong(host, files);
  if (because !== undefined) return { ok: false, because };
  const [client] = host.clients;
  const authorities = host.caPaths.map((path) => textAt(path, files));
  return {
    ok: true,
    tls: {
      ca: authorities.length === 0 ? null : authorities.join("\n"),
      clientCert: client ? textAt(client.certPath, files) : null,
      clientKey: client ? textAt(client.keyPath ?? client.certPath, files) : null,
      insecureSkipVerify: host.skipVerify,
    },
  };
}

function findUnreadable(path: string, files: Files): string[] {
  const file = files.get(path);
  if (file?.kind === "text") return [];
  return [`"${path}" cannot be read: ${file?.kind === "unreadable" ? file.problem : "no such file"}`];
}

function findWrong({ caPaths, clients }: PullHost, files: Files): string | undefined {
  const wrong = caPaths.find((path) => readCertificate(textAt(path, files)) === null);
  if (wrong !== undefined) return `"${wrong}" holds no certificate`;
  const pair = clients.find(({ certPath, keyPath }) => {
    const certificate = readCertificate(textAt(certPath, files));
    const key = readKey(textAt(keyPath ?? certPath, files));
    return certificate === null || key === null || !certificate.checkPrivateKey(key);
  });
  return pair && `"${pair.certPath}" and "${pair.keyPath ?? pair.certPath}" are no certificate and its key`;
}

/** When the last certificate of a file ends, since a bundle may hold old ones; null if there is none in it. */
export function findEndMs(text: string): number | null {
  const ends = readCertificates(text).map(({ validTo }) => Date.parse(validTo));
  return ends.length === 0 ? null : Math.max(...ends);
}

function readCertificate(text: string): X509Certificate | null {
  return readCertificates(text)[0] ?? null;
}

// Go takes what it can use of a file of several.
function readCertificates(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
}

function readKey(text: string): ReturnType<typeof createPrivateKey> | null {
  try {
    return createPrivateKey(text);
  } catch {
    return null;
  }
}

function textAt(path: string, files: Files): string {
  const file = files.get(path);
  return file?.kind === "text" ? file.text : "";
}
