// A real Prometheus scrapes a real daemon, with the alerts loaded, and answers every question of the dashboard.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { startDaemon } from "../lab/daemon.ts";
import { startFaultyServer } from "../lab/faulty-server.ts";
import { freePort } from "../lab/free-port.ts";
import { prometheusBinary, promtoolMissing } from "../lab/parts.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { expressions, MONITORING } from "./monitoring.ts";

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: {
    readonly result: readonly { readonly metric: Record<string, string>; readonly value: [number, string] }[];
  };
}

/** Panels that are empty where all is well, or nothing of the kind is there. */
const MAY_BE_EMPTY = /^(Nothing answers|Silent|What ends soon|MirrorAgent)/;

test("Prometheus answers every panel of the dashboard from what a daemon tells of a failover", {
  skip: promtoolMissing(),
  timeout: 300_000,
}, async () => {
  await using workspace = await createWorkspace();
  const [mirror, upstream, port] = await Promise.all([startFaultyServer(), startFaultyServer(), freePort()]);
  workspace.onEnd(() => Promise.all([mirror.close(), upstream.close()]).then(() => {}));
  const config = `registryMirrors: [{ endpoint: "${mirror.url}", hosts: [gcr.io] }]
agent:
  probe: { interval: 1s, timeout: 1s } # shorter, and a busy machine looks like a mirror that is down
  upstreams: { gcr.io: { endpoint: "${upstream.url}" } }
  metrics: { listen: "127.0.0.1:${port}" }\n`;
  const agent = await startAgent(workspace, { root: await workspace.folder("root"), config });
  await agent.untilStatus(({ endpoints }) => endpoints[0]?.state === "up", { timeoutMs: 60_000 });

  const settings = await workspace.file(
    "prometheus.yaml",
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [join(MONITORING, "mirror-agent.rules.yaml")],
      scrape_configs: [{ job_name: "mirror-agent", static_configs: [{ targets: [`127.0.0.1:${port}`] }] }],
    }),
  );
  const prometheus = await startDaemon([
    prometheusBinary,
    `--config.file=${settings}`,
    `--storage.tsdb.path=${await workspace.folder("tsdb")}`,
    "--web.listen-address=127.0.0.1:0",
  ]);
  workspace.onEnd(() => prometheus.stop());
  await prometheus.waitForLine((line) => line.includes("Server is ready to receive web requests"), {
    timeoutMs: 60_000,
  });
  const address = await prometheus.waitForLine((line) => /"Listening on" address=(\S+)/.exec(line)?.[1]);
  const query = async (expr: string): Promise<Answer> => {
    const url = `http://${address}/api/v1/query?query=${encodeURIComponent(expr)}`;
    return (await (await fetch(url)).json()) as Answer;
  };
  const until = async (expr: string): Promise<Answer> => {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await delay(100)) {
      const answer = await query(expr);
      assert.equal(answer.status, "success", `${expr}: ${answer.error}`);
      if (answer.data.result.length > 0) return answer; // Prometheus tells nobody of a scrape
    }
    throw new Error(`Prometheus found nothing for ${expr}:\n${prometheus.lines.slice(-10).join("\n")}`);
  };

  await until('increase(mirror_agent_failovers_total{registry="gcr.io"}[1m]) == 0');
  await mirror.become("silent");
  await until('increase(mirror_agent_failovers_total{registry="gcr.io"}[1m]) > 0');
  await until("increase(mirror_agent_failed_over_seconds_total[1m]) > 0");
  await agent.configure("registryMirrors: [{ endpont: x }]\n");
  await until('mirror_agent_config_state{state="rejected"} == 1');
  await until("rate(mirror_agent_probes_failed_total[1m]) > 0");
  await until('ALERTS{alertname="MirrorAgentMirrorDown", alertstate="pending"}');

  for (const [where, expr] of expressions) {
    const { status, error } = await query(expr);
    assert.equal(status, "success", `${where}: ${error}`);
    // A reason that is new on a node that is new itself may be an old one.
    if (MAY_BE_EMPTY.test(where) || where.startsWith("Transitions")) continue;
    await until(expr); // some need two scrapes
  }
  for (const alert of ["MirrorAgentConfigRejected", "MirrorAgentFailedOver", "MirrorAgentManyFailedOver"]) {
    await until(`ALERTS{alertname="${alert}", alertstate="pending"}`);
  }
});
