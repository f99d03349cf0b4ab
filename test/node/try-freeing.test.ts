import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { tryFreeing } from "../../src/node/try-freeing.ts";
import { startDaemon } from "../lab/daemon.ts";
import { closingMissing } from "../lab/sockets.ts";
import { createWorkspace } from "../lab/workspace.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const cannotAbort = await closingMissing();
const SOURCE = fileURLToPath(new URL("../../src/node/try-freeing.ts", import.meta.url));
const PROGRAM = `import { tryFreeing } from ${JSON.stringify(SOURCE)};
console.log(JSON.stringify(await tryFreeing(new AbortController().signal)));`;

interface Sandbox {
  readonly lost: string;
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

async function tryWithout({ lost, options = [], env = {} }: Sandbox): Promise<unknown> {
  await using workspace = await createWorkspace();
  const program = [process.execPath, "--disable-warning=ExperimentalWarning", ...options, "--input-type=module"];
  const command = ["setpriv", "--bounding-set", lost, ...program, "--eval", PROGRAM];
  const daemon = await startDaemon(command, { env });
  workspace.onEnd(() => daemon.kill());
  const found = await daemon.waitForLine((line) => (/^(null$|\{)/.test(line) ? line : null));
  assert.equal(await daemon.ended, 0, "nothing was left open");
  return JSON.parse(found);
}

const WITHOUT_FFI = ["--no-experimental-ffi"];

test("tryFreeing() ends a connection where that is permitted, and needs no CAP_NET_ADMIN for it", {
  skip,
}, async () => {
  assert.deepEqual(await tryWithout({ lost: "-net_admin" }), { way: "end", problem: null });
});

test("tryFreeing() aborts one where that is all that is left", { skip: skip || cannotAbort }, async () => {
  const found = await tryWithout({ lost: "-sys_boot", options: WITHOUT_FFI });
  assert.deepEqual(found, { way: "abort", problem: null });
});

for (const [name, sandbox, problem] of [
  ["neither way is permitted", { lost: "-net_admin", options: WITHOUT_FFI }, /not permitted \(CAP_NET_ADMIN\)/],
  ["descriptors cannot be read", { lost: "-sys_ptrace" }, /CAP_SYS_PTRACE/],
  ["nothing is measured", { lost: "-sys_boot", env: { PROC_NET_TCP: "/proc/net/tcp" } }, /received \(tcp_diag\)/],
] as const) {
  test(`tryFreeing() says why it can do nothing where ${name}`, { skip }, async () => {
    const found = (await tryWithout(sandbox)) as Awaited<ReturnType<typeof tryFreeing>>;
    assert.equal(found?.way, null);
    assert.match(found?.problem ?? "", problem);
  });
}
