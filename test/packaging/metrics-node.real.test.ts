// Metrics on a booted node, where the service's sandbox, its umask and its few capabilities decide what can be shown.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { createLan } from "../lab/lan.ts";
import { bootMachine, machineMissing } from "../lab/machine.ts";
import { ask } from "../lab/metrics.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { buildPackages } from "./package-file.ts";

const shared = await createWorkspace();
after(() => shared[Symbol.asyncDispose]());
const deb = machineMissing() ? "" : (await buildPackages(shared, ["deb"])).deb;

const FOLDER = "/var/lib/prometheus/node-exporter";
const TEXTFILE = `${FOLDER}/mirror-agent.prom`;
const SOCKET = "/run/mirror-agent/metrics.sock";
const configOf = (metrics: string) => `registryMirrors: [{ endpoint: "https://172.18.0.20:5000", hosts: [gcr.io] }]
agent: { failover: never, metrics: ${metrics} }\n`;

test("metrics of the package on a node", { skip: machineMissing(), timeout: 3_600_000 }, async (t) => {
  await using workspace = await createWorkspace();
  const lan = await createLan(workspace);
  const node = await bootMachine(workspace, { name: "node", network: await lan.addHost("node", "172.18.0.10") });
  const step = (name: string, body: () => Promise<void>) => t.test(name, { timeout: 600_000 }, body);
  const configure = (metrics: string) => node.write("/etc/mirror-agent/config.yaml", configOf(metrics));
  const said = (text: string) => node.until(`journalctl -u mirror-agent -o cat | grep -F '${text}'`);
  await node.put("/root/mirror-agent.deb", await readFile(deb));
  await node.run("dpkg -i /root/mirror-agent.deb");

  await step("the sandbox is in the way of a textfile, and the agent says so and goes on", async () => {
    // As Debian's prometheus-node-exporter makes it: the folder above is another account's.
    await node.run(`mkdir -p ${FOLDER} && chown daemon: /var/lib/prometheus`);
    await configure(`{ textfile: ${TEXTFILE} }`);
    await said(`Cannot write metrics to "${TEXTFILE}": EROFS: read-only file system; this is tried again`);
    assert.equal((await node.run("systemctl is-active mirror-agent")).trim(), "active");
  });

  await step("the drop-in of operations.md lets it write, for everybody to read", async () => {
    await node.write(
      "/etc/systemd/system/mirror-agent.service.d/metrics.conf",
      `[Service]\nReadWritePaths=${FOLDER}\n`,
    );
    await node.run("systemctl daemon-reload && systemctl restart mirror-agent");
    await node.until(`grep '^mirror_agent_endpoint_up{.*} 0$' ${TEXTFILE}`);
    assert.equal((await node.run(`stat -c '%a %U' ${TEXTFILE}`)).trim(), "644 root");
    await node.until(`test "$(ls -A ${FOLDER})" = mirror-agent.prom`); // the next one may be on its way
  });

  await step(
    "a socket in the service's own folder is there for every account, a port for this node alone",
    async () => {
      await configure(`{ listen: "unix:${SOCKET}" }`);
      // Nobody can make a socket with a mode: for a moment it has that of the service's umask.
      await node.until(`test "$(stat -c '%F %a' ${SOCKET})" = 'socket 666' && ! test -e ${TEXTFILE}`);
      const answer = await ask({ socketPath: node.path(SOCKET) });
      assert.match(answer.text, /^mirror_agent_build_info\{.*\} 1$/m);
      await configure("{ listen: 127.0.0.1:9464 }");
      await node.until("ss -Hltn | grep '127.0.0.1:9464 '");
      const request = "exec 3<>/dev/tcp/127.0.0.1/9464; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3";
      const overTcp = await node.run(`bash -c "${request}"`);
      assert.match(overTcp, /^mirror_agent_config_state\{state="applied"\} 1$/m);
    },
  );

  await step("a purge takes the textfile away", async () => {
    await configure(`{ textfile: ${TEXTFILE} }`);
    // A purge takes away what the last good config names.
    await node.until(`test -e ${TEXTFILE} && grep -F ${TEXTFILE} /var/lib/mirror-agent/last-good.json`);
    await node.run("dpkg --purge mirror-agent");
    assert.equal((await node.run(`ls -A ${FOLDER}`)).trim(), "");
  });
});
