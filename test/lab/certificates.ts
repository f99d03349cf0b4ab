// A private certificate authority for tests, made with openssl: node:crypto can read certificates, not write them.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends KeyPair {
  /** Issues a certificate; `names` are SubjectAltNames as openssl writes them: "IP:127.0.0.1", "DNS:mirror.corp". */
  issue(names: readonly string[], options?: { expired?: boolean; client?: boolean; days?: number }): KeyPair;
}

const EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes an authority; what it issues as `expired` ended a day ago. */
export function makeAuthority(name = "test authority"): Authority {
  const pair = inFolder((folder) => {
    const subject = ["-subj", `/CN=${name}`, "-addext", "keyUsage=critical,keyCertSign"];
    openssl(folder, ["req", "-x509", ...EC_KEY, "-keyout", "key", "-out", "cert", "-days", "365", ...subject]);
    return readPair(folder);
  });
  return { ...pair, issue: (names, options = {}) => issue(pair, names, options) };
}

function issue(ca: KeyPair, names: readonly string[], { expired = false, client = false, days = 20 }): KeyPair {
  return inFolder((folder) => {
    writeFileSync(join(folder, "ca"), ca.cert);
    writeFileSync(join(folder, "cakey"), ca.key);
    const subjectAltName = names.length > 0 ? `subjectAltName=${names.join(",")}\n` : "";
    writeFileSync(join(folder, "ext"), `${subjectAltName}extendedKeyUsage=${client ? "clientAuth" : "serverAuth"}\n`);
    openssl(folder, ["req", ...EC_KEY, "-keyout", "key", "-out", "request", "-subj", "/CN=mirror.test"]);
    const signing = ["-CA", "ca", "-CAkey", "cakey", "-extfile", "ext", "-days", expired ? "-1" : `${days}`];
    openssl(folder, ["x509", "-req", "-in", "request", "-out", "cert", ...signing]);
    return readPair(folder);
  });
}

function openssl(folder: string, args: readonly string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
}

function readPair(folder: string): KeyPair {
  return { cert: readFileSync(join(folder, "cert"), "utf8"), key: readFileSync(join(folder, "key"), "utf8") };
}

function inFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "certificates-"));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
