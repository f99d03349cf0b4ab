// Looks for secrets that a test planted, in every form in which one leaks without anybody noticing.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** Where one was found. */
export interface Leak {
  readonly where: string;
  readonly form: string;
}

/** The forms of planted secrets: as they are, in JSON, URLs and forms, and in base64 wherever it may start. */
export function formsOf(secrets: readonly string[]): readonly string[] {
  const forms = secrets.flatMap((secret) => [
    secret,
    inJson(secret),
    inJson(inJson(secret)),
    encodeURIComponent(secret),
    new URLSearchParams({ a: secret }).toString().slice(2),
    ...base64Forms(secret),
  ]);
  return [...new Set(forms)];
}

/** Finds planted secrets in texts, by the name of each text. */
export function findLeaks(texts: ReadonlyMap<string, string>, secrets: readonly string[]): Leak[] {
  const forms = formsOf(secrets);
  return [...texts].flatMap(([where, text]) =>
    forms.filter((form) => text.includes(form)).map((form) => ({ where, form })),
  );
}

/** The files below a folder that others than their owner can read, and those that `isFree` does not excuse. */
export async function readWritten(folder: string, isFree: (path: string) => boolean): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of await listBelow(folder)) {
    const stats = await stat(path).catch(() => null);
    const excused = stats !== null && (stats.mode & 0o077) === 0 && isFree(path);
    if (stats?.isFile() && !excused) texts.set(path, await readFile(path, "latin1").catch(ifGone("")));
  }
  return texts;
}

/** Also while folders come and go in it, as a running agent and a containerd make them. */
async function listBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(ifGone([]));
  const inner = entries.map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listBelow(path) : [path];
  });
  return (await Promise.all(inner)).flat();
}

function ifGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw error;
  };
}

/** The command lines of a process and all that it has started and that still run. */
export async function readCommandLines(pid: number): Promise<readonly string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const parents = new Map(await Promise.all(pids.map(async (each) => [each, await parentOf(each)] as const)));
  const isBelow = (each: string): boolean => {
    const parent = parents.get(each);
    return each === String(pid) || (parent !== undefined && parent !== null && parent !== "0" && isBelow(parent));
  };
  const below = pids.filter(isBelow);
  return Promise.all(below.map((each) => readFile(`/proc/${each}/cmdline`, "latin1").catch(() => "")));
}

async function parentOf(pid: string): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => "");
  return /\) \S (\d+)/.exec(text)?.[1] ?? null;
}

// Behind "user:" the same bytes become one of three texts, of which the inner part does not depend on the neighbours.
function base64Forms(secret: string): string[] {
  return [0, 1, 2].map((shift) => {
    const encoded = Buffer.from(`${" ".repeat(shift)}${secret}`)
      .toString("base64")
      .replace(/=+$/, "");
    return encoded.slice(shift === 0 ? 0 : 4, -2);
  });
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
