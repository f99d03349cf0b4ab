// What `save images` does: a session with every registry of the list, then one package.

import { readFile } from "node:fs/promises";
import { findPushCredential } from "../push/find-credential.ts";
import { formatBytes, formatCount } from "../push/format-amount.ts";
import type { PushSession } from "../push/push-session.ts";
import { fetchForSave, packageFiles } from "../push/save-images.ts";
import { parsePlatform } from "../push/select-platforms.ts";
import { parseImageList } from "../push/wanted-images.ts";
import { formatOfName, writePackage } from "../push/write-package.ts";
import { connect, startSession } from "./connect.ts";
import { type CommandContext, EXIT } from "./context.ts";
import type { SaveFlags } from "./save-images.ts";
import { UsageError } from "./usage-error.ts";

export interface SaveWish {
  readonly names: readonly string[];
  readonly path: string;
}

/** Saves; resolves with the exit code. */
export async function saveImages(flags: SaveFlags, wish: SaveWish, context: CommandContext): Promise<number> {
  const format = formatOfName(wish.path);
  if (format === null) throw new UsageError(`"${wish.path}" should end in .tar, .tar.xz, .tar.zst or .tar.gz`);
  const platforms = readPlatforms(flags);
  const wishes = parseImageList(await readList(flags, wish));
  if (wishes.length === 0) throw new UsageError("no images are named; give a --list, or names");
  const sessions = new Map<string, Promise<PushSession>>();
  const sessionOf = (registry: string): Promise<PushSession> => {
    const session = sessions.get(registry) ?? openSource(registry, flags, context);
    sessions.set(registry, session);
    return session;
  };
  try {
    const fetched = wishes.map(async ({ name }) =>
      fetchForSave({ name, session: await sessionOf(name.registry) }, platforms),
    );
    const files = packageFiles(await Promise.all(fetched), context.signal);
    await writePackage(files, { path: wish.path, format }, context.signal);
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    context.stdout.write(
      `saved ${formatCount(wishes.length, "image")}, ${formatBytes(bytes)} unpacked: ${wish.path}\n`,
    );
    return EXIT.ok;
  } finally {
    const opened = await Promise.allSettled(sessions.values());
    await Promise.all(opened.map((one) => (one.status === "fulfilled" ? one.value.registry.close() : null)));
  }
}

function readPlatforms({ platform = [] }: SaveFlags): string[] {
  const platforms = platform.flatMap((text) => text.split(","));
  const wrong = platforms.find((text) => parsePlatform(text) === null);
  if (wrong === undefined) return platforms;
  throw new UsageError(`--platform "${wrong}" is none, expected OS/ARCHITECTURE like linux/arm64`);
}

async function readList({ list }: SaveFlags, { names }: SaveWish): Promise<string> {
  const text = list === undefined ? "" : await readFile(list, "utf8");
  return [text, ...names].join("\n");
}

async function openSource(registry: string, flags: SaveFlags, context: CommandContext): Promise<PushSession> {
  // docker.io is a name; the server behind it has another (distribution/reference, containerd's DefaultHost).
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const origin = `${flags.plainHttp ? "http" : "https"}://${host}`;
  const ca = flags.cacert ? await readFile(flags.cacert, "utf8") : null;
  const url = registry === "docker.io" ? "https://docker.io" : origin;
  const wish = { url, needed: true, username: null, password: null, env: context.env, ask: null };
  const credential = await findPushCredential({ ...wish, isAsked: async () => false });
  const tls = { ca, clientCert: null, clientKey: null, insecureSkipVerify: flags.insecureSkipVerify ?? false };
  return startSession(connect({ origin, credential, tls }, flags, context), flags, {
    context,
    onEvent: (event) => {
      if (event.kind === "retry") context.stderr.write(`${event.message}; trying again\n`);
    },
  });
}
