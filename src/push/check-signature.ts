// Checks a package against its detached signature as the original publishes them: `PACKAGE.1.sig`, ECDSA P-256 over
// SHA-256, what `openssl dgst -verify public.key -signature X.1.sig X` checks.

import { createPublicKey, createVerify, type KeyObject } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";

/** Throws unless `PACKAGE.1.sig` is a signature of the package by the key in `keyPath`. */
export async function checkSignature(packagePath: string, keyPath: string, signal: AbortSignal): Promise<void> {
  const signaturePath = `${packagePath}.1.sig`;
  const key = await readKey(keyPath);
  const signature = await readNamed(signaturePath);
  const verify = createVerify("sha256");
  for await (const piece of createReadStream(packagePath, { highWaterMark: 1024 * 1024, signal })) verify.update(piece);
  if (verify.verify(key, signature)) return;
  throw new Error(`Cannot trust "${packagePath}": "${signaturePath}" is not its signature by the key in "${keyPath}"`);
}

async function readKey(path: string): Promise<KeyObject> {
  const pem = await readNamed(path);
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new Error(`Cannot use "${path}" as public key: it holds none in PEM form`, { cause });
  }
}

async function readNamed(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`Cannot read "${path}": ${code === "ENOENT" ? "no such file" : code}`, { cause });
  }
}
