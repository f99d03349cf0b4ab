// How much memory of its own the agent takes at most, as packaged: with one mirror and with large configs, while it
// starts, while nothing happens, and while it follows an edit. The limits in systemd/mirror-agent.service come from it.
// Looked at every 10 ms; the program's file, which can be taken from it at any time, does not count.

import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startFaultyServer } from "../../test/lab/faulty-server.ts";
import { createWorkspace } from "../../test/lab/workspace.ts";
import { bundleSources, makeNode, startAgent } from "./parts/agent-node.ts";
import { type Row, round, tell } from "./parts/results.ts";

const SETTLE_MS = 30_000;
const LOOK_MS = 10;

interface Size {
  readonly mirrors: number;
  readonly registries: number;
}

const SIZES: readonly Size[] = [
  { mirrors: 1, registries: 3 },
  { mirrors: 3, registries: 1000 },
  { mirrors: 1000, registries: 3 },
];

await using workspace = await createWorkspace();
const packaged = await bundleSources(workspace);
const server = await startFaultyServer();
workspace.onEnd(() => server.close());
const rows: Row[] = [];
for (const size of SIZES) rows.push(await measure(size));
tell("memory", { "Anonymous memory, MiB": rows });

async function measure(size: Size): Promise<Row> {
  const { root } = await makeNode(workspace, `node-${size.mirrors}`);
  const config = join(root, "etc/mirror-agent/config.yaml");
  await mkdir(join(root, "etc/mirror-agent"), { recursive: true });
  await writeFile(config, renderConfig(size, "5s"));
  const agent = await startAgent(workspace, { ...packaged, root });
  const most = watchMemory(agent.pid);
  await agent.waitForLine((line) => line.includes("is in force"), { timeoutMs: 120_000 });
  await delay(SETTLE_MS);
  const start = most.take();
  await delay(SETTLE_MS);
  const settled = most.take();
  await writeFile(config, renderConfig(size, "6s"));
  await delay(SETTLE_MS);
  const edit = most.stop();
  await agent.stop();
  const { mirrors, registries } = size;
  return { mirrors, "registries each": registries, "start, most": start, "settled, most": settled, "edit, most": edit };
}

/** Mirrors of registries on loopback: nothing that is asked of an upstream leaves this machine. */
function renderConfig({ mirrors, registries }: Size, interval: string): string {
  const hosts = Array.from({ length: registries }, (_, n) => `"127.1.${n >> 8}.${n & 255}:5000"`).join(", ");
  const entries = Array.from(
    { length: mirrors },
    (_, n) => `  - {endpoint: "${server.url}/v2/n${n}", hosts: [${hosts}]}`,
  );
  return `registryMirrors:\n${entries.join("\n")}\nagent: {failover: never, probe: {interval: ${interval}}}\n`;
}

function watchMemory(pid: number): { take(): number; stop(): number } {
  let most = 0;
  const look = (): void => {
    const kib = Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    most = Math.max(most, kib);
  };
  const timer = setInterval(look, LOOK_MS);
  const take = (): number => {
    const taken = most;
    most = 0;
    return round(taken / 1024);
  };
  return {
    take,
    stop() {
      clearInterval(timer);
      return take();
    },
  };
}
