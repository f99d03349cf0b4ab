// One pass over a real containerd as a program, so that a test can kill it at any step:
// node takeover-pass.ts '{"socket": ..., "killAt": "restarting"}'. Prints the outcome's kind.

import { writeSync } from "node:fs";
import { planTakeover, type TakeoverWish } from "../../src/core/containerd-config/plan-takeover.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { observeContainerd } from "../../src/node/containerd.ts";
import { performTakeover, type RestartPolicy, resumeTakeover, USUAL_POLICY } from "../../src/node/restart.ts";
import { RestartMemory } from "../../src/node/restart-memory.ts";
import { createRestartPorts } from "../../src/node/restart-ports.ts";

export interface PassArguments {
  readonly socket: string;
  readonly configPath: string;
  readonly certsDir: string;
  readonly stateDir: string;
  readonly restartCommand: readonly string[];
  readonly killAt: string | null;
  /** Of the credential that config.toml is to hold for "m:5000"; null: none. */
  readonly password: string | null;
  /** Where it is other than usual. */
  readonly policy: Partial<RestartPolicy>;
}

const args: PassArguments = JSON.parse(process.argv[2] ?? "");
const signal = new AbortController().signal;
const places = { socket: args.socket, configPath: args.configPath, binary: null };
const memory = await RestartMemory.open(args.stateDir);
const { restartCommand, stateDir, certsDir } = args;
const options = { restartCommand, stateDir, wanted: certsDir, backUp: async () => {} };
const onStep = (step: string): void => {
  if (step === args.killAt) process.kill(process.pid, "SIGKILL");
};
const policy = { ...USUAL_POLICY, ...args.policy };

async function openRun() {
  return { memory, ports: { ...createRestartPorts(await observeContainerd(places, signal), options), onStep }, policy };
}

function wishOf({ password }: PassArguments): TakeoverWish {
  if (password === null) return { certsDir, restart: "when-needed" };
  const auth = { kind: "password", username: "joe", password: new Secret(password) } as const;
  return { certsDir, restart: "when-needed", auths: { wanted: [{ host: "m:5000", auth }], undecided: [] } };
}

const resumed = await resumeTakeover(await openRun(), signal);
const run = await openRun();
const plan = planTakeover(await observeContainerd(places, signal), wishOf(args), memory.now);
const outcome = plan.kind === "change" ? await performTakeover(plan, run, signal) : (resumed ?? plan);
writeSync(1, outcome.kind);
