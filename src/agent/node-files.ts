// The node's files as a pass sees them: reads them all, and carries out what a pass decides.

import type { NodePaths } from "../core/node-paths.ts";
import type { NodeHave } from "../core/plan-actions.ts";
import { observeCertsDir, observeFolder } from "../node/certs-dir.ts";
import { makeFolder, removeFileAndEmptyFolder, removeTemporaries, writeFileAtomic } from "../node/files.ts";
import { Ledger } from "../node/ledger.ts";
import { rememberMissingFolders } from "../node/made-folders.ts";
import type { Performers } from "./perform.ts";

/** Reads what is ours to change, as it is now. */
export async function observeFiles(paths: NodePaths): Promise<{ have: NodeHave; folders: ReadonlySet<string> }> {
  const [certs, tlsCopies, ledger] = await Promise.all([
    observeCertsDir(paths.certsDir),
    observeFolder(paths.tlsDir),
    Ledger.open(paths.stateDir),
  ]);
  return { have: { hostsFiles: certs.hostsFiles, tlsCopies, backedUp: ledger.paths }, folders: certs.folders };
}

/** How each kind of action is done on this node. */
export async function openPerformers(paths: NodePaths): Promise<Performers> {
  await makeFolder(paths.stateDir, 0o700);
  await rememberMissingFolders(paths.stateDir, paths.certsDir);
  const ledger = await Ledger.open(paths.stateDir);
  return {
    backUpFile: ({ path }) => ledger.backUp(path),
    writeFile: ({ path, text, mode }) => writeFileAtomic(path, text, { mode }),
    restoreFile: ({ path }) => ledger.restore(path),
    removeFile: ({ path }) => removeFileAndEmptyFolder(path),
  };
}

/** Removes what a write that was cut off left behind. Only for a process that holds the lock. */
export async function removeLeftovers(paths: NodePaths): Promise<void> {
  const { folders } = await observeCertsDir(paths.certsDir);
  const places = [
    paths.certsDir,
    ...[...folders].map((name) => `${paths.certsDir}/${name}`),
    paths.stateDir,
    paths.tlsDir,
  ];
  await Promise.all(places.map(removeTemporaries));
}
