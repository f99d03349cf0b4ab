import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { askCredentialHelper, type HelperAnswer } from "../../src/node/credential-helper.ts";
import { untilFile } from "../lab/until-file.ts";

const SECRET = "hunter2";

/** A helper named "test" that runs these shell lines with `$dir` as its folder. */
async function helper(context: TestContext, script: string) {
  const folder = await mkdtemp(join(tmpdir(), "helper-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "docker-credential-test");
  await writeFile(path, `#!/bin/sh\ndir='${folder}'\n${script}\n`);
  await chmod(path, 0o755);
  const environment = { PATH: `${folder}:/usr/bin:/bin`, MARK: "here" };
  return {
    folder,
    environment,
    ask: (address = "r.example", timeoutMs = 10_000) =>
      askCredentialHelper("test", address, { environment, timeoutMs }),
  };
}

function shown(answer: HelperAnswer): string {
  if (answer.kind === "problem") return answer.problem;
  if (answer.kind === "absent") return "absent";
  const { credential } = answer;
  if (credential.kind === "basic") return `${credential.username}:${credential.password.reveal()}`;
  return credential.kind === "identityToken" ? `token ${credential.token.reveal()}` : credential.kind;
}

const ROWS: [string, string, string][] = [
  ["takes user and password", `echo '{"ServerURL":"x","Username":"joe","Secret":"${SECRET}"}'`, `joe:${SECRET}`],
  ["takes <token> for an identity token", `echo '{"Username":"<token>","Secret":"${SECRET}"}'`, `token ${SECRET}`],
  ["takes 'credentials not found' for none", "echo 'credentials not found in native keychain'; exit 1", "absent"],
  [
    "takes 'credentials not found' for none, whatever else the helper says",
    "echo 'credentials not found in native keychain'; echo locked >&2; exit 1",
    "absent",
  ],
  ["takes an empty answer for none", `echo '{"ServerURL":"x","Username":"","Secret":""}'`, "absent"],
  [
    "says what the helper wrote to stderr",
    "echo no keyring >&2; exit 3",
    "docker-credential-test failed with exit code 3: no keyring",
  ],
  [
    "says what a silent helper wrote to stdout",
    "echo 'no usernames for x'; exit 1",
    "docker-credential-test failed with exit code 1: no usernames for x",
  ],
  [
    "hides a credential that a failing helper printed",
    `echo '{"Secret":"${SECRET}"}'; exit 1`,
    "docker-credential-test failed with exit code 1",
  ],
  [
    "hides an answer that is none",
    `echo '${SECRET}'`,
    "docker-credential-test answered something that is no credential",
  ],
  [
    "hides an answer that lacks a user",
    `echo '{"Secret":"${SECRET}"}'`,
    "docker-credential-test answered something that is no credential",
  ],
  ["says which signal ended it", "kill -TERM $$", "docker-credential-test was ended by SIGTERM"],
];

for (const [name, script, expected] of ROWS) {
  test(`askCredentialHelper() ${name}`, async (context) => {
    const { ask } = await helper(context, script);
    assert.equal(shown(await ask()), expected);
  });
}

test("askCredentialHelper() passes the server on stdin, `get` alone as argument, and the given environment", async (context) => {
  const { folder, ask } = await helper(
    context,
    'echo "$# $1 $(cat) $MARK $(env | grep -c HOME=)" >"$dir/seen"; exit 1',
  );
  await ask("https://r.example:5000/v1/; touch /tmp/x");
  assert.equal(await readFile(join(folder, "seen"), "utf8"), "1 get https://r.example:5000/v1/; touch /tmp/x here 0\n");
});

test("askCredentialHelper() ends a helper that hangs, with its children", { timeout: 20_000 }, async (context) => {
  const { folder, ask } = await helper(context, 'sleep 600 & echo $! >"$dir/pid"; wait');
  assert.equal(shown(await ask("r.example", 2000)), "docker-credential-test did not answer within 2 s");
  const pid = Number(await readFile(join(folder, "pid"), "utf8"));
  // What was killed takes a moment to go.
  for (const deadline = Date.now() + 10_000; isRunning(pid); await setImmediate()) assert.ok(Date.now() < deadline);
});

test("askCredentialHelper() does not wait for what a helper left behind", { timeout: 20_000 }, async (context) => {
  const { folder, ask } = await helper(
    context,
    `setsid sh -c 'echo $$ >"$0/pid"; exec sleep 600' "$dir" & echo '{"Username":"joe","Secret":"${SECRET}"}'`,
  );
  assert.equal(shown(await ask("r.example", 2000)), "docker-credential-test did not answer within 2 s");
  const pid = await untilFile(join(folder, "pid"), { root: folder, wanted: (text) => (text ?? "").endsWith("\n") });
  process.kill(Number(pid));
});

test("askCredentialHelper() ends at once when it is asked to", { timeout: 20_000 }, async (context) => {
  const { environment, folder } = await helper(context, 'echo >"$dir/started"; exec sleep 600');
  const stop = new AbortController();
  const answer = askCredentialHelper("test", "r.example", { environment, signal: stop.signal, timeoutMs: 600_000 });
  await untilFile(join(folder, "started"), { root: folder, wanted: (text) => text !== null });
  stop.abort();
  assert.equal((await answer).kind, "problem");
});

test("askCredentialHelper() says that there is no such helper", async () => {
  const answer = await askCredentialHelper("nowhere", "r.example", { environment: { PATH: "/usr/bin" } });
  assert.equal(shown(answer), "docker-credential-nowhere is not in PATH");
});

test("askCredentialHelper() takes no path for a name", async () => {
  const answer = await askCredentialHelper("../../bin/sh", "r.example", { environment: { PATH: "/usr/bin" } });
  assert.equal(shown(answer), '"../../bin/sh" is no name of a credential helper');
});

/** Not so for a zombie that nobody has asked about yet. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
