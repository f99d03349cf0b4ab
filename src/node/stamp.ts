// Tells whether a file or folder may have changed without reading it: what stat(2) says of it. Status
// changes count (ctime), since cp -p and rsync set back the time of a file's last change.

import { type BigIntStats, lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

// The kernel's file times move in steps of up to 10 ms (CONFIG_HZ=100): a file that changed so lately may
// change once more and keep them (git's "racily clean" entries).
const STEP_MS = 15;

/** Equal stamps: the same file with the same content, or still not there. Follows symlinks. */
export function stampFile(path: string): string {
  return stampWith(path, (stats) => {
    const { dev, ino, size, mode, mtimeNs, ctimeNs } = stats;
    const settled = Math.abs(Date.now() - Number(stats.ctimeMs)) > STEP_MS;
    return [dev, ino, size, mode, mtimeNs, ctimeNs, settled ? "" : `unsettled ${performance.now()}`].join(" ");
  });
}

/** Equal stamps: the same folder, whatever is in it, or still not there. Follows symlinks. */
export function stampFolder(path: string): string {
  // With the time of birth: ext4 gives a new folder the number of the one just removed.
  return stampWith(path, ({ dev, ino, birthtimeNs }) => `${dev} ${ino} ${birthtimeNs}`);
}

/** The stamp of a folder with everything in it, `depth` folders deep. */
export function stampTree(path: string, depth: number): string {
  const stamp = `${path} ${stampFile(path)}`;
  if (depth === 0) return stamp;
  return [stamp, ...readNames(path).map((name) => stampTree(join(path, name), depth - 1))].join("\n");
}

/** True for a folder; not for a link to one, nor for what cannot be looked at. */
export function isFolder(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch {
    return false;
  }
}

function stampWith(path: string, describe: (stats: BigIntStats) => string): string {
  try {
    return describe(statSync(path, { bigint: true }));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
