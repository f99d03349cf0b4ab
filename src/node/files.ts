// Replaces files so that a reader, a crash or a power cut never meets half of one.
//
// Invariants:
// 1. A path holds either its old bytes or its new bytes, whole, at every instant.
// 2. When a call returns, its effect survives a power cut: the file and its folder were synced.
//    (Without both syncs ext4 leaves empty files and xfs loses whole directories, tried.)
// 3. A new file has its final mode from its first byte: a secret is never readable in between.
// 4. A new folder appears together with its first file. containerd prefers an existing, even empty,
//    certs.d/<registry>/ to _default (remotes/docker/config/hosts.go, HostDirFromRoot).
// 5. Temporary names start with TEMPORARY_PREFIX, which no registry's name can.

import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

export const TEMPORARY_PREFIX = ".mirror-agent-";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY, O_RDONLY } = constants;

export interface WriteOptions {
  readonly mode: number;
  /** Keeps a file's owner when it is replaced; null: the writer's own. */
  readonly owner?: { readonly uid: number; readonly gid: number } | null;
  /** What becomes of a symbolic link at the path; "replace" where others than root may put one. Default: "through". */
  readonly link?: "through" | "replace";
}

/** Replaces `path` with `content`, making its folders. */
export async function writeFileAtomic(path: string, content: string | Buffer, options: WriteOptions): Promise<void> {
  const target = options.link === "replace" ? path : await resolveLink(path);
  const folder = dirname(target);
  if (await isFolder(folder)) return replaceFile(target, content, options);
  await writeWithNewFolder(target, content, options);
}

/** Removes `path` durably; says whether it was there. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  await syncFolder(dirname(path));
  return true;
}

/** Removes `path` and then its folder if nothing else is in it; a file is never gone while its empty folder stays. */
export async function removeFileAndEmptyFolder(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(emptyIfMissing);
  if (names.some((name) => name !== basename(path))) {
    await removeFile(path);
    return;
  }
  if (names.length === 0) return removeEmptyFolder(folder);
  const aside = join(dirname(folder), temporaryName());
  await rename(folder, aside);
  await syncFolder(dirname(folder));
  await rm(aside, { recursive: true });
  await syncFolder(dirname(folder));
}

/** The text of a file, or null if there is none. */
export async function readTextIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Permission bits and owner of a file (links followed), or null if there is none. */
export async function statIfThere(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** Removes what an interrupted write left in `folder`. */
export async function removeTemporaries(folder: string): Promise<void> {
  const names = await readdir(folder).catch(emptyIfMissing);
  const left = names.filter((name) => name.startsWith(TEMPORARY_PREFIX));
  await Promise.all(left.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

/** Whether an error says that a path, or a folder on the way to it, does not exist. */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
}

async function replaceFile(target: string, content: string | Buffer, options: WriteOptions): Promise<void> {
  const folder = dirname(target);
  const temporary = join(folder, temporaryName());
  try {
    await writeNew(temporary, content, options);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw nameTarget(error, { temporary, target });
  }
  await syncFolder(folder);
}

async function writeWithNewFolder(target: string, content: string | Buffer, options: WriteOptions): Promise<void> {
  const folder = dirname(target);
  await makeFolder(dirname(folder));
  const aside = join(dirname(folder), temporaryName());
  await mkdir(aside, { mode: 0o755 });
  try {
    await writeNew(join(aside, basename(target)), content, options);
    await syncFolder(aside);
    await rename(aside, folder);
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    if (!(await isFolder(folder))) throw nameTarget(error, { temporary: join(aside, basename(target)), target });
    return replaceFile(target, content, options); // another writer was first with the folder
  }
  await syncFolder(dirname(folder));
}

// "ENOSPC: no space left on device, write" names no file, and others name one that nobody knows.
function nameTarget(error: unknown, { temporary, target }: { temporary: string; target: string }): unknown {
  if (!(error instanceof Error)) return error;
  const { path } = error as NodeJS.ErrnoException;
  error.message = path === undefined ? `${error.message} '${target}'` : error.message.replaceAll(temporary, target);
  return error;
}

/** Makes a folder and its parents, each synced into its own parent. */
export async function makeFolder(folder: string, mode = 0o755): Promise<void> {
  if (await isFolder(folder)) return;
  await makeFolder(dirname(folder));
  await mkdir(folder, { mode }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await syncFolder(dirname(folder));
}

async function writeNew(path: string, content: string | Buffer, { mode, owner }: WriteOptions): Promise<void> {
  const file = await open(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, mode);
  try {
    await file.chmod(mode);
    const { uid, gid } = await file.stat();
    // The service may not call chown at all, and mostly need not.
    if (owner && (owner.uid !== uid || owner.gid !== gid)) await file.chown(owner.uid, owner.gid);
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function resolveLink(path: string): Promise<string> {
  const link = await lstat(path).catch(() => null);
  return link?.isSymbolicLink() ? realpath(path) : path;
}

async function isFolder(path: string): Promise<boolean> {
  return (await statIfThere(path))?.isDirectory() ?? false;
}

async function removeEmptyFolder(folder: string): Promise<void> {
  await rmdir(folder).catch((error) => {
    if (!isMissing(error)) throw error;
  });
}

function emptyIfMissing(error: unknown): string[] {
  if (isMissing(error)) return [];
  throw error;
}

function temporaryName(): string {
  return TEMPORARY_PREFIX + randomBytes(6).toString("hex");
}
