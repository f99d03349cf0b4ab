// An operator changes a password, or replaces a key, while the agent runs: containerd has it within a second, and
// is not restarted. A mirror that refuses what it is given is left out until the file is right.

import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Containerd, startContainerd } from "../lab/containerd.ts";
import {
  findStrays,
  type GuardedPlace,
  startGooglePlace,
  startGuardedPlace,
  writeDockerConfig,
  writeSecretFile,
} from "../lab/credential-node.ts";
import { startGoogleServer } from "../lab/google-server.ts";
import { googleGuard } from "../lab/guarded-registry.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { pullFrom, untilSettled } from "../lab/pull-from.ts";
import { quickest } from "../lab/quickest.ts";
import { createWorkspace } from "../lab/workspace.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const files = makeImageFiles("lab/hello", "1.0");
const PROBE = "probe: { interval: 1s, timeout: 1s }";

/** Waits until a registry's hosts.toml holds a text. */
async function untilHostsHold(containerd: Containerd, registry: string, text: string): Promise<void> {
  const path = join(containerd.certsDir, registry, "hosts.toml");
  const end = performance.now() + 30_000;
  while (!(await readFile(path, "utf8")).includes(text)) {
    if (performance.now() > end) throw new Error(`${path} does not come to hold what it should`);
    await delay(5);
  }
}

const headerOf = (place: GuardedPlace): string =>
  Buffer.from(`${place.tokens.account.username}:${place.tokens.account.password}`).toString("base64");

for (const version of CONTAINERD_VERSIONS) {
  test(`run brings a changed password and a replaced key to containerd ${version} within a second, and restarts nothing`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const mirror = await startGuardedPlace(workspace, { role: "mirror", kind: "passwords", tls, files });
    const empty = await startGuardedPlace(workspace, { role: "mirror", kind: "passwords", tls, files: new Map() });
    const google = await startGooglePlace(workspace, { tls, files });
    const ca = await workspace.file("ca.pem", authority?.cert ?? "");
    const key = await writeSecretFile(workspace, "key.json", google.google.keyJson);
    const [first, second] = [
      await writeDockerConfig(workspace, "empty.json", [empty]),
      await writeDockerConfig(workspace, "mirror.json", [mirror]),
    ];
    const config = `registryMirrors:
  - { endpoint: "${empty.registry.url}", caCertPath: ${ca}, pullCredentialConfigPath: ${first} }
  - { endpoint: "${mirror.registry.url}", caCertPath: ${ca}, pullCredentialConfigPath: ${second} }
gcrKeyPath: ${key}
agent:
  ${PROBE}
  containerd: { restartCommand: [touch, ${workspace.dir}/restarted] }
  upstreams: { gcr.io: { endpoint: "${google.registry.url}", caCertPath: ${ca} } }
`;
    const containerd = await startContainerd(workspace, { version });
    const agent = await startAgent(workspace, { root: containerd.dir, config });
    const servers = [mirror, google].map(({ registry }) => registry);
    const assertPullsFrom = async (url: string) =>
      assert.deepEqual(await pullFrom(containerd, "gcr.io", servers), [url]);
    await untilSettled(agent);
    await assertPullsFrom(mirror.registry.url);
    assert.ok(
      empty.registry.received.some(({ path }) => path.includes("/manifests/")),
      "the first one was tried first",
    );
    const all = [...servers, empty.registry, mirror.tokens, empty.tokens, google.google];
    assert.deepEqual(findStrays([mirror, empty], all), []);

    mirror.tokens.account = { username: "mirror", password: `secret-${crypto.randomUUID()}` };
    mirror.registry.guard = { ...mirror.registry.guard, admits: (header) => header === `Basic ${headerOf(mirror)}` };
    const refused = await agent.untilStatus(
      ({ endpoints: [, each] }) => each?.state === "down" && each.credential?.problem !== null,
    );
    assert.equal(refused.endpoints[1]?.reason, "unauthorized");
    assert.match(refused.endpoints[1]?.credential?.problem ?? "", /refuses the credential; correct it in the file/);
    await agent.waitForLine((line) => line.includes(`${mirror.registry.url} is down: unauthorized`));
    await agent.waitForLine((line) => line.includes(`Cannot authenticate at ${mirror.registry.url}: `));
    await assertPullsFrom(google.registry.url);

    await writeDockerConfig(workspace, "mirror.json", [mirror]);
    await agent.untilStatus(
      ({ endpoints }) => endpoints[1]?.state === "up" && endpoints[1].credential?.problem === null,
    );
    await untilHostsHold(containerd, "gcr.io", headerOf(mirror));
    await assertPullsFrom(mirror.registry.url);

    empty.registry.guard = { ...empty.registry.guard, admits: (header) => header === `Basic ${headerOf(empty)}` };
    const passwordMs = await quickest(1000, async () => {
      empty.tokens.account = { username: "mirror", password: `secret-${crypto.randomUUID()}` };
      const startMs = performance.now();
      await writeDockerConfig(workspace, "empty.json", [empty]);
      await untilHostsHold(containerd, "gcr.io", headerOf(empty));
      return performance.now() - startMs;
    });
    assert.ok(passwordMs < 1000, `a password took ${passwordMs} ms`);

    const keyMs = await quickest(1000, async () => {
      const other = await startGoogleServer(workspace, null);
      google.registry.guard = googleGuard(other);
      const startMs = performance.now(); // making a key takes a second itself on a busy machine
      await writeSecretFile(workspace, "key.json", other.keyJson);
      while (other.tokens[0] === undefined) await delay(5);
      await untilHostsHold(containerd, "gcr.io", other.tokens[0]);
      return performance.now() - startMs;
    });
    assert.ok(keyMs < 1000, `a key took ${keyMs} ms`);
    await assertPullsFrom(mirror.registry.url);
    assert.deepEqual(findStrays([mirror, empty], all), [], "nor did the changed passwords");
    await assert.rejects(stat(`${workspace.dir}/restarted`), "containerd was not restarted");
  });
}

test("run goes on with an access token over its own restart while Google cannot be reached, until the token ends", {
  skip,
}, async () => {
  await using workspace = await createWorkspace();
  const google = await startGooglePlace(workspace, { tls, files });
  google.google.lifetimeS = 40;
  const ca = await workspace.file("ca.pem", authority?.cert ?? "");
  const key = await writeSecretFile(workspace, "key.json", google.google.keyJson);
  const config = `gcrKeyPath: ${key}
privateRegistries: [{ host: gcr.io, caCertPath: ${ca} }]
agent:
  ${PROBE}
  upstreams: { gcr.io: { endpoint: "${google.registry.url}", caCertPath: ${ca} } }
`;
  const containerd = await startContainerd(workspace, { version: "1.7" });
  const first = await startAgent(workspace, { root: containerd.dir, config });
  await untilSettled(first);
  const token = google.google.tokens.at(-1) ?? "";
  await untilHostsHold(containerd, "gcr.io", token);
  first.signal("SIGTERM");
  await first.ended;
  const kept = join(containerd.dir, "var/lib/mirror-agent/google-tokens.json");
  assert.equal((await stat(kept)).mode & 0o777, 0o600);

  await google.google.close();
  const second = await startAgent(workspace, { root: containerd.dir, config: null });
  await second.waitForLine((line) => line.includes("is in force"));
  await untilSettled(second);
  assert.equal(await pullFrom(containerd, "gcr.io", [google.registry]).then(String), google.registry.url);
  await untilHostsHold(containerd, "gcr.io", token);

  while (google.google.admits(token)) await delay(50);
  await second.waitForLine((line) => line.includes("Cannot get an access token"));
  const path = join(containerd.certsDir, "gcr.io/hosts.toml");
  while ((await readFile(path, "utf8")).includes("Authorization")) await delay(50);
  second.signal("SIGTERM");
  await second.ended;
  const third = await startAgent(workspace, { root: containerd.dir, config: null });
  await third.waitForLine((line) => line.includes("is in force"));
  assert.doesNotMatch(await readFile(path, "utf8"), /Authorization/);
  const told = [first, second, third].flatMap(({ lines }) => lines);
  assert.ok(!told.some((line) => line.includes(token)));
});
