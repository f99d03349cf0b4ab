// Every credential that the agent is given, and every one that it gets, is searched for in all that it writes,
// prints, logs and passes as an argument: while all is well, and on every way in which something can go wrong.

import assert from "node:assert/strict";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { runCommand } from "../commands/run-command.ts";
import { type LabAgent, startAgent } from "../lab/agent.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { startContainerd } from "../lab/containerd.ts";
import { startGooglePlace, writeSecretFile } from "../lab/credential-node.ts";
import { basicGuard, startGuardedRegistry, tokenGuard } from "../lab/guarded-registry.ts";
import { ask } from "../lab/metrics.ts";
import { labMissing } from "../lab/parts.ts";
import { findLeaks, readCommandLines, readWritten } from "../lab/planted-secret.ts";
import { type Received, type RecordingServer, startRecordingServer } from "../lab/recording-server.ts";
import { startTokenServer } from "../lab/token-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;

/** Where a secret may be, if only root can read it: what containerd reads, and what leads back there. */
const FOR_ROOT =
  /\/(certs\.d\/[^/]+\/hosts\.toml|etc\/containerd\/config\.toml|mirror-agent\/(takeover\/containerd|google-tokens)\.json)$/;

const plant = (name: string): string => `${name}-ü%&+/="' ${crypto.randomUUID()}`;
const SECRETS = {
  password: plant("password"),
  wrong: plant("wrong"),
  forTokens: plant("for-tokens"),
  forEcho: plant("for-echo"),
  refresh: plant("refresh"),
  helper: plant("helper"),
  registryToken: `registry-token-${crypto.randomUUID()}`,
  inConfig: `in-config-${crypto.randomUUID()}`,
  brokenKey: crypto.randomUUID().repeat(4),
};

// Messages are cut short: the start of a secret is what a leak would show.
const start = (secret: string): string => secret.slice(0, 40);

const hostOf = ({ url }: { url: string }): string => new URL(url).host;

/** A server that puts all that it is sent into every part of its answers. */
function startEcho(workspace: Workspace, challengeOf: (request: Received, url: string) => string) {
  const echo: Promise<RecordingServer> = startRecordingServer(workspace, tls, async (request, response) => {
    const sent = request.authorization ?? "";
    const headers = { "WWW-Authenticate": challengeOf(request, (await echo).url), Server: sent, "X-Error": sent };
    const status = request.path.startsWith("/token") ? 400 : 401;
    response.writeHead(status, sent.replace(/[^\x20-\x7e]/g, "?"), headers);
    response.end(JSON.stringify({ error: request.everything, error_description: request.everything }));
  });
  return echo;
}

/** What was put out so far, by name. */
class Outputs {
  readonly texts = new Map<string, string>();
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Runs the commands that show something, in both formats. */
  async collect(
    stage: string,
    environment: Readonly<Record<string, string>>,
    commands = ["plan", "check", "status", "doctor", "explain echo.test/lab/hello:1.0"],
  ): Promise<void> {
    for (const command of commands) {
      for (const format of ["text", "json"]) {
        const args = ["--root", this.#root, "--output", format, ...command.split(" ")];
        const { stdout, stderr } = await runCommand(args, { env: environment });
        this.texts.set(`${command} --output ${format}, ${stage}`, stdout + stderr);
      }
    }
  }
}

async function startScene(workspace: Workspace) {
  const [tokens, identity] = await Promise.all([
    startTokenServer(workspace, { tls, account: { username: "t", password: SECRETS.forTokens } }),
    startTokenServer(workspace, { tls, account: { username: "i", password: "-", refreshToken: SECRETS.refresh } }),
  ]);
  tokens.lifetimeS = 3;
  const startWith = (guard: Parameters<typeof startGuardedRegistry>[1]["guard"]) =>
    startGuardedRegistry(workspace, { tls, guard });
  const [basic, bearer, refreshed, helped, registryToken, echo, tokenEcho, jsonPlace, google] = await Promise.all([
    startWith(basicGuard({ username: "b", password: SECRETS.password })),
    startWith(tokenGuard(tokens)),
    startWith(tokenGuard(identity)),
    startWith(basicGuard({ username: "h", password: SECRETS.helper })),
    startWith({ admits: (header) => header === `Bearer ${SECRETS.registryToken}`, challenge: () => 'Basic realm="x"' }),
    startEcho(workspace, ({ authorization }) => `Basic realm="${authorization}"`),
    startEcho(workspace, (_, url) => `Bearer realm="${url}/token"`),
    startGooglePlace(workspace, { tls, files: new Map() }),
    startGooglePlace(workspace, { tls, files: new Map() }),
  ]);
  const jsonKey = jsonPlace.google;
  const auths = {
    basic: { [hostOf(basic)]: { username: "b", password: SECRETS.password } },
    bearer: { [hostOf(bearer)]: { username: "t", password: SECRETS.forTokens } },
    refreshed: { [hostOf(refreshed)]: { identitytoken: SECRETS.refresh } },
    registryToken: { [hostOf(registryToken)]: { registrytoken: SECRETS.registryToken } },
    echo: { [hostOf(echo)]: { auth: Buffer.from(`e:${SECRETS.forEcho}`).toString("base64") } },
    tokenEcho: { [hostOf(tokenEcho)]: { username: "e", password: SECRETS.forEcho } },
  };
  const mirrors = { basic, bearer, refreshed, helped, registryToken, echo, tokenEcho };
  const paths: Record<string, string> = {};
  for (const [name, entry] of Object.entries(auths)) {
    paths[name] = await writeSecretFile(workspace, `${name}.json`, JSON.stringify({ auths: entry }));
  }
  paths.helped = await writeSecretFile(workspace, "helped.json", '{ "credsStore": "planted" }');
  const keyEntry = { [hostOf(jsonPlace.registry)]: { username: "_json_key", password: jsonKey.keyJson } };
  const shared = await writeSecretFile(workspace, "shared.json", JSON.stringify({ auths: keyEntry }));
  const ca = await workspace.file("ca.pem", authority?.cert ?? "");
  const key = await writeSecretFile(workspace, "key.json", google.google.keyJson);
  const names = Object.keys(mirrors);
  const lines = Object.entries(mirrors).map(
    ([name, { url }]) =>
      `  - { endpoint: "${url}", hosts: [${name}.test], caCertPath: ${ca}, pullCredentialConfigPath: ${paths[name]} }\n`,
  );
  const places = [
    ...names.map((name) => [`${name}.test`.toLowerCase(), jsonPlace] as const),
    ["gcr.io", google] as const,
  ];
  const upstreams = places.map(
    ([name, { registry }]) => `    ${name}: { endpoint: "${registry.url}", caCertPath: ${ca} }\n`,
  );
  const config = `registryMirrors:\n${lines.join("").replaceAll(/hosts: \[(\w+)/g, (text) => text.toLowerCase())}gcrKeyPath: ${key}
privateRegistryConfigPath: ${shared}
agent:
  log: { level: debug }
  metrics: { textfile: "${workspace.dir}/mirror-agent.prom", listen: "unix:${workspace.dir}/metrics.sock" }
  probe: { interval: 1s, timeout: 1s }
  containerd: { restart: never }
  upstreams:
${upstreams.join("")}`;
  return { config, paths, key, google, jsonKey, tokens, identity, basic };
}

async function writeHelper(workspace: Workspace, body: string): Promise<void> {
  await mkdir(`${workspace.dir}/bin`, { recursive: true });
  const path = `${workspace.dir}/bin/docker-credential-planted`;
  await writeFile(path, `#!/bin/sh\ncat > /dev/null\n${body}\n`);
  await chmod(path, 0o755);
}

/** Breaks one thing after the other, and waits until the agent has said so. */
function stagesOf(
  workspace: Workspace,
  { paths, key, google, basic, tokens }: Awaited<ReturnType<typeof startScene>>,
  agent: LabAgent,
): readonly (readonly [string, RegExp, () => Promise<unknown>])[] {
  const wrong = { auths: { [hostOf(basic)]: { username: "b", password: SECRETS.wrong } } };
  const asHelper = { Username: "h", Secret: SECRETS.helper };
  const brokenPem = `-----BEGIN PRIVATE KEY-----\n${SECRETS.brokenKey}\n-----END PRIVATE KEY-----\n`;
  const brokenKey = { ...JSON.parse(google.google.keyJson), private_key: brokenPem };
  return [
    [
      "a config.json that is broken off in a password",
      /it is not JSON/,
      () => writeFile(paths.basic as string, `${SECRETS.password}": {} }`),
    ],
    [
      "a helper that fails, and prints what it knows",
      /docker-credential-planted failed with exit code 3: no access/,
      async () => {
        await writeHelper(
          workspace,
          `echo '${JSON.stringify(asHelper).replaceAll("'", "'\\''")}'; echo no access >&2; exit 3`,
        );
        await writeFile(paths.helped as string, '{"credsStore": "planted" }');
      },
    ],
    [
      "a helper that answers with something else",
      /answered something that is no credential/,
      async () => {
        await writeHelper(workspace, `echo '${SECRETS.helper.replaceAll("'", "'\\''")}'`);
        await writeFile(paths.helped as string, '{"credsStore":"planted" }');
      },
    ],
    [
      "a credential that is refused",
      new RegExp(`Cannot authenticate at ${basic.url}: .* refuses`),
      () => writeFile(paths.basic as string, JSON.stringify(wrong)),
    ],
    ["a token server that is gone", /is down: refused/, () => tokens.close()],
    [
      "a token server of Google's that repeats what it is sent",
      /Cannot get an access token with .*: 400/,
      async () => {
        google.google.echoing = true;
        await writeFile(key, ` ${google.google.keyJson}`);
      },
    ],
    [
      "a key file whose key is none",
      /Cannot get an access token with (?!.*: 400)/,
      () => writeFile(key, JSON.stringify(brokenKey)),
    ],
    ["a key file that is broken off", /it is no Google key/, () => writeFile(key, google.google.keyJson.slice(0, -20))],
    [
      "a password in the config's own text",
      /Config rejected/,
      () =>
        agent.configure(
          `registryMirrors:\n  - endpoint: "https://joe:${SECRETS.inConfig}@m.example"\n    password: ${SECRETS.inConfig}\n    hosts: ["${SECRETS.inConfig}@x"]\ngcrKeyPath: { key: ${SECRETS.inConfig} }\n`,
        ),
    ],
  ];
}

test("run and the commands show no secret, whatever goes wrong", { skip }, async () => {
  await using workspace = await createWorkspace();
  const asHelper = JSON.stringify({ Username: "h", Secret: SECRETS.helper }).replaceAll("'", "'\\''");
  await writeHelper(
    workspace,
    `sleep 0.2; tr '\\0' ' ' < /proc/$$/cmdline >> ${workspace.dir}/helper-arguments; echo '${asHelper}'`,
  );
  const scene = await startScene(workspace);
  const containerd = await startContainerd(workspace, { version: "2.1" });
  const env = { PATH: `${workspace.dir}/bin:${process.env.PATH}` };
  const agent = await startAgent(workspace, { root: containerd.dir, config: scene.config, env });
  const commandLines = new Set<string>();
  const sampling = setInterval(async () => {
    for (const line of await readCommandLines(agent.pid)) commandLines.add(line);
  }, 100);
  workspace.onEnd(() => clearInterval(sampling));

  const outputs = new Outputs(containerd.dir);
  const kinds = (wanted: string[]) => (status: { endpoints: readonly { credential: { kind: string } | null }[] }) =>
    JSON.stringify(status.endpoints.slice(0, 5).map(({ credential }) => credential?.kind)) === JSON.stringify(wanted);
  await agent.untilStatus(kinds(["header", "header-token-endpoint", "config-auth", "header", "header"]));
  await outputs.collect("all is well", env);
  await outputs.collect("all is well", env, ["apply", "migrate"]);
  const { text: wellMetrics } = await ask({ socketPath: `${workspace.dir}/metrics.sock` });
  assert.match(wellMetrics, /^mirror_agent_token_expiry_timestamp_seconds\{.*\} \d/m);
  for (const [stage, said, breakIt] of stagesOf(workspace, scene, agent)) {
    const before = agent.lines.length;
    await breakIt();
    await agent
      .waitForLine((line) => agent.lines.indexOf(line, before) >= 0 && said.test(line))
      .catch((error) => {
        throw new Error(`${stage}: ${error.message}`);
      });
    await outputs.collect(stage, env);
    outputs.texts.set(`metrics, ${stage}`, (await ask({ socketPath: `${workspace.dir}/metrics.sock` })).text);
  }
  agent.signal("SIGTERM");
  await agent.ended;
  const metrics = await readFile(`${workspace.dir}/mirror-agent.prom`, "utf8");
  assert.match(metrics, /^mirror_agent_credential_ok\{.*\} 0$/m);

  const { google, jsonKey, tokens, identity } = scene;
  const keys = [google.google, jsonKey].map(
    ({ keyJson }) => (JSON.parse(keyJson) as { private_key: string }).private_key,
  );
  // What a parser quotes of a file is shorter than its secret.
  const starts = Object.values(SECRETS).flatMap((secret) => /^[a-z-]+-ü%&/.exec(secret)?.[0] ?? []);
  const given = [...Object.values(SECRETS), ...starts, ...keys.flatMap((key) => key.split("\n").slice(1, -2))];
  const assertions = [google.google, jsonKey].flatMap(({ received }) =>
    received.flatMap(({ body }) => (new URLSearchParams(body).get("assertion") ?? "").split(".").slice(1).map(start)),
  );
  const got = [...google.google.tokens, ...jsonKey.tokens, ...tokens.tokens, ...identity.tokens, ...assertions];
  assert.ok(got.length > 8, `${got.length} tokens and assertions`);
  const isFree = (path: string) => FOR_ROOT.test(path);
  const written = await readWritten(containerd.dir, isFree);
  for (const path of [...written.keys()]) {
    if (/\/(var\/lib|run)\/containerd\/|config\.yaml$/.test(path)) written.delete(path);
  }
  await outputs.collect("at the end", env, ["restore"]);
  const texts = new Map([
    ...written,
    ...outputs.texts,
    ["metrics", wellMetrics + metrics] as const,
    ["log", agent.lines.join("\n")] as const,
    ["arguments", [...commandLines].join("\n")] as const,
    ...(await readWritten(workspace.dir, () => true)).entries().filter(([path]) => path.endsWith("helper-arguments")),
  ]);
  assert.deepEqual(findLeaks(texts, [...given, ...got]), []);
  assert.ok(commandLines.size > 1, "other processes were seen");
});
