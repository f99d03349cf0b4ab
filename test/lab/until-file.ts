// Waits for a file to become what is wanted, by being told of changes.

import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { PATIENCE_MS } from "./daemon.ts";

/** The text of `path`, null while there is none, once `wanted` holds for it. `root` is an existing folder above it. */
export async function untilFile(
  path: string,
  { root, wanted }: { root: string; wanted: (text: string | null) => boolean },
): Promise<string | null> {
  const { promise, resolve, reject } = Promise.withResolvers<string | null>();
  let last: string | null = null;
  const look = async (): Promise<void> => {
    last = await readFile(path, "utf8").catch(() => null);
    if (wanted(last)) resolve(last);
  };
  const watcher = watch(root, { recursive: true }, () => void look());
  // Node's recursive watch on Linux does not see a folder that is renamed away.
  const again = setInterval(() => void look(), 100);
  const fail = () => reject(new Error(`"${path}" did not become what was wanted:\n${last}`));
  const timer = setTimeout(fail, PATIENCE_MS);
  await look();
  return promise.finally(() => {
    watcher.close();
    clearInterval(again);
    clearTimeout(timer);
  });
}
