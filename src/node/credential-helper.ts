// Asks a credential helper (`docker-credential-NAME get`) for one registry's credential, by the protocol
// of docker/docker-credential-helpers: the server address on stdin, JSON on stdout, and on failure a
// message on stdout, where "credentials not found" is no failure. A helper is another program's code and
// may hang or leave children that hold its pipes open, some in sessions of their own, where no signal of ours
// finds them: it gets a process group of its own and a limit, after which nobody waits for it or for its pipes.

import { kill } from "node:process";
import * as z from "zod";
import type { Credential } from "../core/credentials/credential.ts";
import { Secret } from "../core/credentials/secret.ts";

export interface HelperOptions {
  /** The helper's environment: PATH finds it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** How long a helper has for its answer. */
const HELPER_TIMEOUT_MS = 10_000;

export type HelperAnswer =
  | { readonly kind: "found"; readonly credential: Credential }
  | { readonly kind: "absent" }
  | { readonly kind: "problem"; readonly problem: string };

/** Runs `docker-credential-NAME get`; whatever goes wrong is the answer, as one clause that holds no secret. */
export async function askCredentialHelper(
  name: string,
  serverAddress: string,
  options: HelperOptions,
): Promise<HelperAnswer> {
  if (!/^[\w][\w.-]*$/.test(name)) return problem(`"${name}" is no name of a credential helper`);
  const program = `docker-credential-${name}`;
  const outcome = await runHelper(program, serverAddress, options);
  if ("credentialsJson" in outcome) return readAnswer(program, outcome.credentialsJson);
  if (outcome.isAbsent) return { kind: "absent" };
  return problem(`${program} ${outcome.failure}${outcome.said === "" ? "" : `: ${outcome.said}`}`);
}

type Outcome = { readonly credentialsJson: string } | Failure;

interface Failure {
  readonly failure: string;
  readonly said: string;
  readonly isAbsent: boolean;
}

async function runHelper(program: string, serverAddress: string, options: HelperOptions): Promise<Outcome> {
  const { timeoutMs = HELPER_TIMEOUT_MS, signal, environment } = options;
  const { execa } = await import("execa");
  const deadline = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal === undefined ? [] : [signal])]);
  const child = execa(program, ["get"], {
    input: serverAddress,
    env: { ...environment },
    extendEnv: false,
    reject: false,
    detached: true,
    maxBuffer: 1_000_000,
  });
  const late = Promise.withResolvers<null>();
  const end = (): void => {
    killGroup(child.pid);
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe?.destroy();
    late.resolve(null);
  };
  if (deadline.aborted) end();
  deadline.addEventListener("abort", end, { once: true });
  try {
    const result = await Promise.race([child, late.promise]);
    if (result === null || deadline.aborted) return failed(`did not answer within ${timeoutMs / 1000} s`);
    if (!result.failed) return { credentialsJson: result.stdout };
    const isAbsent = /credentials not found/i.test(result.stdout);
    return { failure: howItEnded(result), said: whatItSaid(result.stderr, result.stdout), isAbsent };
  } finally {
    deadline.removeEventListener("abort", end);
  }
}

function failed(failure: string): Failure {
  return { failure, said: "", isAbsent: false };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself in the meantime.
  }
}

interface Ending {
  readonly code?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

function howItEnded({ code, exitCode, signal }: Ending): string {
  if (code === "ENOENT") return "is not in PATH";
  if (code === "EACCES") return "is not executable";
  if (exitCode !== undefined) return `failed with exit code ${exitCode}`;
  return signal === undefined ? "could not be run" : `was ended by ${signal}`;
}

// On stdout there may be a credential even when the helper fails.
function whatItSaid(stderr: string, stdout: string): string {
  const said = stderr.trim() === "" && !stdout.includes("{") ? stdout : stderr;
  return said.trim().replace(/\s+/g, " ").slice(0, 200);
}

const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

function readAnswer(program: string, json: string): HelperAnswer {
  const answer = answerSchema.safeParse(parseJson(json));
  if (!answer.success) return problem(`${program} answered something that is no credential`);
  const { Username: username, Secret: text } = answer.data;
  if (username === "" && text === "") return { kind: "absent" };
  const secret = new Secret(text);
  if (username === "<token>") return { kind: "found", credential: { kind: "identityToken", token: secret } };
  return { kind: "found", credential: { kind: "basic", username, password: secret } };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function problem(text: string): HelperAnswer {
  return { kind: "problem", problem: text };
}
