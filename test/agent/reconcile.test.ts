// Credentials that only config.toml can hold: whether they are there is seen, and missed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CredentialState } from "../../src/agent/endpoint-credentials.ts";
import { type ObservedNode, planPass } from "../../src/agent/reconcile.ts";
import { unknownTakeover } from "../../src/agent/takeover-state.ts";
import type { AuthState } from "../../src/core/containerd-config/plan-auths.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { config, mirror } from "../core/samples.ts";

const auth = { kind: "password", username: "joe", password: new Secret("hunter2") } as const;

function problemsWith(auths: readonly AuthState[]): (string | null)[] {
  const node: ObservedNode = {
    have: { hostsFiles: new Map(), tlsCopies: new Map(), backedUp: new Set() },
    folders: new Set(),
    certsDir: "/certs.d",
    tlsDir: "/tls",
    containerdVersion: { major: 1, minor: 7, patch: 24 },
    takeover: { ...unknownTakeover("it is not known"), auths },
  };
  const because = "it takes nothing but tokens";
  const input = {
    config: config({ mirrors: [mirror("https://m:5000")] }),
    tlsFiles: new Map(),
    stateOf: () => "up" as const,
    out: {},
    credentialOf: (endpoint: CredentialState["endpoint"]): CredentialState => {
      const choice = { kind: "config-auth", host: new URL(endpoint.url).host, auth, because, warnings: [] } as const;
      return {
        endpoint,
        choice,
        problem: endpoint.role === "upstream" ? "the file is gone" : null,
        warnings: [],
        tokenExpiresAtMs: null,
      };
    },
  };
  return [...planPass(input, node).credentials.values()].map(({ problem }) => problem);
}

function stateWith(changes: Partial<AuthState>): AuthState {
  return { host: "m:5000", auth, entry: "right", isLoaded: true, blocked: null, ...changes };
}

test("planPass() says where a credential is missing that only config.toml can hold, without showing it", () => {
  const missing = (mend: string) => `Cannot authenticate at https://m:5000: it takes nothing but tokens; ${mend}`;
  const byHand = `set registry.configs."m:5000".auth in containerd's config.toml, and restart containerd`;
  const other = { ...auth, password: new Secret("hunter3") };
  const taken = `config.toml can hold one credential for "m:5000", and another endpoint's is there`;
  const rows: readonly (readonly [readonly AuthState[], string | null])[] = [
    [[], missing(byHand)],
    [[stateWith({})], null],
    [[stateWith({ entry: "theirs" })], null],
    [[stateWith({ auth: other })], missing(taken)],
    [[stateWith({ isLoaded: false, blocked: "it holds more" })], missing(`it holds more: ${byHand}`)],
    [[stateWith({ isLoaded: false })], missing("it is not known; nothing of containerd is changed until then")],
  ];
  for (const [auths, problem] of rows) assert.deepEqual(problemsWith(auths), [problem, "the file is gone"]);
});
