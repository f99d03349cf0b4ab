// The DaemonSet's container on a booted node, from its first start to a mirror that is down, without a cluster.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { machineMissing } from "../lab/machine.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { MANIFESTS, readAgentManifest } from "./kubernetes-manifests.ts";
import { type Contents, layVolume, makeImage, type Pod, readConfinement, startPod } from "./kubernetes-scene.ts";
import { openNodeScene } from "./node-scene.ts";
import { buildPackages } from "./package-file.ts";

const QUICK = `agent:
  probe: { interval: 2s, timeout: 2s }
  jitter: { failover: 0s, failback: 0s } # one node need not avoid the crowd
`;

const shared = await createWorkspace();
after(() => shared[Symbol.asyncDispose]());
const skip = machineMissing();
const deb = skip ? "" : (await buildPackages(shared, ["deb"])).deb;

test("the DaemonSet's container on a node", { skip, timeout: 3_600_000 }, async (t) => {
  await using workspace = await createWorkspace();
  const scene = await openNodeScene(workspace, "1.6");
  const { node, lan } = scene;
  await makeImage(node, deb);
  const original = await node.run("cat /etc/containerd/config.toml");
  const contents: Contents = {
    config: {
      "config.yaml": configOf("base"),
      "mirror-ca.crt": await node.run("cat /usr/local/share/ca-certificates/lab.crt"),
    },
    credentials: { ".dockerconfigjson": await node.run("cat /root/.docker/config.json") },
  };
  const step = (name: string, body: () => Promise<void>) => t.test(name, { timeout: 600_000 }, body);
  const untilStatus = (pattern: string) =>
    node.until(`tr -d ' \\n' </run/mirror-agent/status.json | grep '${pattern}'`);
  const startedAt = async () => (await node.run("systemctl show containerd --property=MainPID --value")).trim();
  const start = (overlay = "base") => {
    const config = { ...contents.config, "config.yaml": configOf(overlay) };
    return startPod(workspace, node, { ...readAgentManifest(overlay), contents: { ...contents, config } });
  };
  // What freeing a pull begins with.
  const readDescriptor = async () => pod.exec(`readlink /proc/${await startedAt()}/fd/0`);
  let pod: Pod = await start();

  await step("starts without a privilege, sets containerd up, and says that a restart is owed", async () => {
    const before = await startedAt();
    await untilStatus('"restartOwed":true');
    assert.match(await readConfinement(pod), /Uid:\t0\t.*\nCapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\nSeccomp:\t2\n/);
    assert.notEqual((await readDescriptor()).code, 0);
    assert.notEqual((await pod.exec("touch /usr/bin/x")).code, 0, "its root is read-only");
    assert.deepEqual([await pod.probe("livenessProbe"), await pod.probe("readinessProbe")], [true, false]);
    await pod.untilSaid("containerd does not read the routes until you restart it");
    assert.match((await pod.exec("mirror-agent doctor")).output, /restart/);
    assert.equal(await startedAt(), before);
  });

  await step("is ready once containerd was restarted, and pulls go to the mirror", async () => {
    await node.run("systemctl restart containerd");
    await untilStatus('"inEffect":true');
    assert.equal(await pod.probe("readinessProbe"), true);
    assert.equal(await scene.pull(), "mirror");
  });

  await step("applies a changed ConfigMap without a restart of the pod", async () => {
    const changed = { ...contents.config, "config.yaml": configOf("base").replace("docker.io", "quay.io") };
    await layVolume(node, "config", { ...contents, config: changed });
    await node.until(
      "test -e /etc/containerd/certs.d/quay.io/hosts.toml && ! test -e /etc/containerd/certs.d/docker.io",
    );
    assert.equal(await pod.probe("readinessProbe"), true);
  });

  await step("goes on with the last good config when the ConfigMap has a mistake", async () => {
    const mistaken = { ...contents.config, "config.yaml": configOf("base").replace("hosts:", "hostz:") };
    await layVolume(node, "config", { ...contents, config: mistaken });
    await untilStatus('"state":"rejected"');
    assert.deepEqual([await pod.probe("livenessProbe"), await pod.probe("readinessProbe")], [true, false]);
    assert.equal(await scene.pull(), "mirror");
    await layVolume(node, "config", contents);
    await untilStatus('"state":"applied"');
  });

  await step("stays alive and ready while the mirror is down, and pulls go to the upstream", async () => {
    await lan.unplug("mirror");
    await untilStatus('"failedOver":true');
    assert.deepEqual([await pod.probe("livenessProbe"), await pod.probe("readinessProbe")], [true, true]);
    const { code, output } = await pod.exec("mirror-agent status");
    assert.equal(code, 1);
    assert.match(output, /0 mirrors up, 1 down/);
    assert.equal(await scene.pull(), "gcr.io");
    await lan.plugIn("mirror");
    await untilStatus('"failedOver":false');
  });

  await step("with free-pulls has two capabilities, and sees containerd's connections", async () => {
    await pod.stop();
    await node.run("rm /run/mirror-agent/status.json"); // it says how the last one ended
    pod = await start("free-pulls");
    await untilStatus('"inEffect":true');
    assert.match(await readConfinement(pod), /CapEff:\t0000000000081000\n.*\nNoNewPrivs:\t1\nSeccomp:\t2\n/);
    assert.equal((await readDescriptor()).code, 0);
  });

  await step("with restarts sets containerd up by itself", async () => {
    await pod.stop();
    await node.run("rm -r /var/lib/mirror-agent /run/mirror-agent /etc/containerd/certs.d");
    await node.write("/etc/containerd/config.toml", original);
    await node.run("systemctl restart containerd");
    const before = await startedAt();
    pod = await start("restarts");
    await pod.untilSaid("containerd was restarted");
    assert.notEqual(await startedAt(), before);
    assert.equal(await scene.pull(), "mirror");
  });
});

/** The ConfigMap's own config, as quick as a test wants it; with what the overlay's comment says to change. */
function configOf(overlay: string): string {
  const text = readAgentManifest().configMap.data?.["config.yaml"]?.replace("agent:\n", QUICK) ?? "";
  if (overlay !== "restarts") return text;
  const comment = readFileSync(join(MANIFESTS, overlay, "kustomization.yaml"), "utf8");
  const changes = [...comment.matchAll(/^# {3}(.*)$/gm)].map(([, line]) => line);
  assert.equal(changes.length, 2);
  return text.replace("restart: never", changes.join("\n    "));
}
