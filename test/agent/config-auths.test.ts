// Which credentials belong into config.toml, and what an endpoint counts for until containerd has them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { compileAuthWishes, findWhyUnused } from "../../src/agent/config-auths.ts";
import type { CredentialState } from "../../src/agent/endpoint-credentials.ts";
import { unknownTakeover } from "../../src/agent/takeover-state.ts";
import type { AuthState } from "../../src/core/containerd-config/plan-auths.ts";
import { Secret } from "../../src/core/credentials/secret.ts";
import type { EndpointCredential } from "../../src/core/credentials/strategy.ts";

const joe = { kind: "password", username: "joe", password: new Secret("hunter2") } as const;
const ann = { kind: "password", username: "ann", password: new Secret("hunter3") } as const;
const said = { because: "", warnings: [] };
const header: EndpointCredential = { kind: "header", authorization: new Secret("x"), ...said };
const refused: EndpointCredential = { kind: "impossible", mend: "", isProvisional: true, ...said };

function inConfig(host: string, auth: typeof joe | typeof ann = joe): EndpointCredential & { kind: "config-auth" } {
  return { kind: "config-auth", host, auth, ...said };
}

function stateOf(url: string, choice: EndpointCredential, problem: string | null = null): CredentialState {
  const tls = { caCertPath: null, clientCertPath: null, clientKeyPath: null, insecureSkipVerify: false };
  const from = { credentialPath: "/c.json", gcrKeyPath: null, resolveTags: true, dialTimeoutMs: null };
  return { endpoint: { role: "mirror", url, tls, ...from }, choice, problem, warnings: [], tokenExpiresAtMs: null };
}

test("compileAuthWishes() wants one credential a server, the first, and leaves open what may change soon", () => {
  const wishes = compileAuthWishes([
    stateOf("https://m:5000/v2/a", inConfig("m:5000")),
    stateOf("https://m:5000/v2/b", inConfig("m:5000", ann)),
    stateOf("https://direct", header),
    stateOf("https://silent:1", { ...header, isProvisional: true }),
    stateOf("https://refuses:2", refused),
    stateOf("https://unread:3", { kind: "anonymous", ...said }, "the file is gone"),
  ]);
  assert.deepEqual(wishes, {
    wanted: [{ host: "m:5000", auth: joe }],
    undecided: ["silent:1", "refuses:2", "unread:3"],
  });
});

const right: AuthState = { host: "m:5000", auth: joe, entry: "right", isLoaded: true, blocked: null };
const ROWS: readonly (readonly [
  name: string,
  auths: readonly AuthState[],
  loaded: string[] | undefined,
  isUsed: boolean,
])[] = [
  ["is loaded", [right], [], true],
  ["waits for a restart", [{ ...right, isLoaded: false }], [], false],
  ["is somebody else's", [{ ...right, entry: "theirs" }], [], true],
  ["is another endpoint's", [{ ...right, auth: ann }], ["m:5000"], false],
  ["is not decided, and containerd has one", [], ["m:5000"], true],
  ["is not decided, and containerd has none", [], [], false],
  ["cannot be known", [], undefined, true],
];

for (const [name, auths, loadedHosts, isUsed] of ROWS) {
  test(`findWhyUnused() where the credential ${name}: ${isUsed ? "containerd uses it" : "it does not"}`, () => {
    const takeover = { ...unknownTakeover(""), auths, ...(loadedHosts ? { loadedHosts } : {}) };
    const because = "containerd has not loaded our credential from its config.toml";
    assert.equal(findWhyUnused(inConfig("m:5000"), takeover), isUsed ? null : because);
    assert.equal(findWhyUnused(header, takeover), null);
  });
}
