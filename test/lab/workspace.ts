// The laboratory for tests against real programs: a temporary folder that stops what was started in it.
//
//   test("pull", { skip: labMissing() }, async () => {
//     await using workspace = await createWorkspace();
//     const registry = await startRegistry(workspace, "mirror");
//     const containerd = await startContainerd(workspace, { version: "1.7" });
//     ...
//   });
//
// Every start...() of the laboratory takes a workspace and registers its own end with it, so a test that
// fails leaves nothing behind. docs/testing.md has a whole example.

import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface Workspace extends AsyncDisposable {
  readonly dir: string;
  /** Makes and returns a folder in it. */
  folder(name: string): Promise<string>;
  /** Writes a file in it, with its folder, and returns its path. */
  file(name: string, text: string): Promise<string>;
  /** Runs when the test is over, however it ends; what was added last runs first. */
  onEnd(stop: () => Promise<void> | void): void;
}

export async function createWorkspace(): Promise<Workspace> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "mirror-agent-")));
  const ends = new AsyncDisposableStack();
  ends.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 10 })); // what was killed may still write
  return {
    dir,
    async folder(name) {
      await mkdir(join(dir, name), { recursive: true });
      return join(dir, name);
    },
    async file(name, text) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), text);
      return join(dir, name);
    },
    onEnd: (stop) => ends.defer(async () => stop()),
    [Symbol.asyncDispose]: () => ends.disposeAsync(),
  };
}
