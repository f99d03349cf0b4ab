// A credential that goes through containerd's config.toml is searched for in all that the agent writes, prints, logs
// and passes as an argument: while it is brought there, used, changed, refused, owed, torn apart and taken out again.

import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "../commands/run-command.ts";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startGuardedPlace, writeDockerConfig } from "../lab/credential-node.ts";
import { labMissing } from "../lab/parts.ts";
import { findLeaks, readCommandLines, readWritten } from "../lab/planted-secret.ts";
import { createWorkspace } from "../lab/workspace.ts";
import { startSupervised } from "../node/supervised-containerd.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const PATIENT = { timeoutMs: 60_000 };
const BARE = 'version = 2\n\n[plugins."io.containerd.grpc.v1.cri"]\n  sandbox_image = "pause" # kept\n';
/** Where it may be, if only root can read it. */
const FOR_ROOT = /\/(etc\/containerd\/config\.toml|mirror-agent\/takeover\/containerd\.json)$/;

test("run, plan, apply, check, doctor, status and restore show no credential of config.toml, whatever goes wrong", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const plant = (name: string): string => `${name}-ü%&+/="' ${crypto.randomUUID()}`;
  const [first, unloadable, owed] = [plant("first"), plant("unloadable"), plant("owed")];
  const startsIf = (dir: string) => `! grep -q unloadable- ${dir}/etc/containerd/config.toml`;
  const [mirror, containerd] = await Promise.all([
    startGuardedPlace(workspace, { role: "mirror", kind: "tokens-alone", tls, files: new Map() }),
    startSupervised(workspace, { version: "1.7", configToml: () => BARE, startsIf }),
  ]);
  const ca = await workspace.file("ca.pem", authority?.cert ?? "");
  const use = async (password: string): Promise<string> => {
    mirror.tokens.account = { ...mirror.tokens.account, password };
    return writeDockerConfig(workspace, "mirror.json", [mirror]);
  };
  const credentials = await use(first);
  const configOf = (restart: string): string => `registryMirrors:
  - { endpoint: "${mirror.registry.url}", hosts: [gcr.io], caCertPath: ${ca}, pullCredentialConfigPath: ${credentials} }
agent:
  log: { level: debug }
  probe: { interval: 1s, timeout: 1s }
  containerd: { restart: ${restart}, restartCommand: ${JSON.stringify(containerd.restartCommand)} }
  upstreams: { gcr.io: { endpoint: "http://127.0.0.1:9" } }
`;
  const texts = new Map<string, string>();
  const commandLines = new Set<string>();
  const collect = async (stage: string, commands = ["plan", "check", "status", "doctor"]): Promise<void> => {
    for (const command of commands) {
      for (const format of ["text", "json"]) {
        const args = ["--root", containerd.dir, "--output", format, command];
        const { stdout, stderr } = await runCommand(args, {});
        texts.set(`${command} --output ${format}, ${stage}`, stdout + stderr);
      }
    }
    for (const [path, text] of await readWritten(containerd.dir, (each) => FOR_ROOT.test(each))) {
      if (!/\/(var\/lib|run)\/containerd\/|config\.yaml$/.test(path)) texts.set(`${path}, ${stage}`, text);
    }
    const backups = join(containerd.dir, "var/lib/mirror-agent/backups");
    for (const name of await readdir(backups).catch(() => []))
      texts.set(`backup ${name}, ${stage}`, await readFile(join(backups, name), "latin1"));
  };

  const agent = await startAgent(workspace, { root: containerd.dir, config: configOf("when-needed") });
  const sampling = setInterval(async () => {
    for (const line of await readCommandLines(agent.pid)) commandLines.add(line);
  }, 20);
  workspace.onEnd(() => clearInterval(sampling));
  await agent.untilStatus(
    ({ endpoints: [each], containerd: { lastRestartAt } }) => each?.state === "up" && lastRestartAt !== null,
    PATIENT,
  );
  assert.ok((await readFile(containerd.configPath, "utf8")).includes(first.slice(0, 8)), "it is there");
  await collect("in effect");

  await use(unloadable);
  await agent.waitForLine((line) => line.includes("containerd did not come back"), PATIENT);
  await collect("taken back", ["plan", "check", "status", "doctor", "apply"]);

  const whole = await readFile(containerd.configPath, "utf8");
  await writeFile(containerd.configPath, whole.replace(/(password = ".{10}).*/, "$1"));
  await agent.waitForLine((line) => line.includes("is not valid TOML"));
  await collect("torn apart in the password", ["plan", "check", "status", "doctor", "apply"]);
  await writeFile(containerd.configPath, whole);

  await agent.configure(configOf("never"));
  await use(owed);
  await agent.untilStatus((status) => status.containerd.restartOwed, PATIENT);
  await collect("owed", ["plan", "check", "status", "doctor", "apply"]);
  agent.signal("SIGTERM");
  await agent.ended;
  await collect("given back", ["restore", "status"]);
  assert.equal(await readFile(containerd.configPath, "utf8"), BARE);

  texts.set("log", agent.lines.join("\n"));
  texts.set("arguments", [...commandLines].join("\n"));
  assert.ok(
    [...commandLines].some((line) => line.includes("config\0dump")),
    "containerd was asked to read it",
  );
  const starts = [first, unloadable, owed].map((secret) => secret.slice(0, 14));
  assert.deepEqual(findLeaks(texts, [first, unloadable, owed, ...starts]), []);
});
