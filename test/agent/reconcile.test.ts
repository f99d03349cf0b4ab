// Credentials that only config.toml can hold: whether they are there is seen, and missed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { CredentialState } from "../../src/agent/endpoint-credentials.ts";
import { type ObservedNode, planPass } from "../../src/agent/reconcile.ts";
import { unknownTakeover } from "../../src/agent/takeover-state.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import { config, mirror } from "../core/samples.ts";

function problemsWith(authHosts: readonly string[]): (string | null)[] {
  const node: ObservedNode = {
    have: { hostsFiles: new Map(), tlsCopies: new Map(), backedUp: new Set() },
    folders: new Set(),
    certsDir: "/certs.d",
    tlsDir: "/tls",
    containerdVersion: { major: 1, minor: 7, patch: 24 },
    takeover: { ...unknownTakeover(""), authHosts },
  };
  const auth = { kind: "password", username: "joe", password: new Secret("hunter2") } as const;
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

test("planPass() says where a credential is missing that only config.toml can hold, without showing it", () => {
  const mend = `set registry.configs."m:5000".auth in containerd's config.toml, and restart containerd`;
  const missing = `Cannot authenticate at https://m:5000: it takes nothing but tokens; ${mend}`;
  assert.deepEqual(problemsWith([]), [missing, "the file is gone"]);
  assert.deepEqual(problemsWith(["m:5000"]), [null, "the file is gone"]);
});
