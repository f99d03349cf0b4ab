// What a pod's own pull secret does at a mirror, as docs/credentials.md tells it. containerd offers it to every
// host that answers 401, since kubelet does not say which registry it is for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAuthority } from "../lab/certificates.ts";
import { startContainerd } from "../lab/containerd.ts";
import { chooseFor, makeEndpoint, openCredentials, putConfigAuths, putHosts } from "../lab/credential-lab.ts";
import {
  basicGuard,
  carrying,
  type Guard,
  OPEN,
  startGuardedRegistry,
  tokenGuard,
  tokenOrBasicGuard,
} from "../lab/guarded-registry.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { startTokenServer, type TokenServer } from "../lab/token-server.ts";
import { createWorkspace } from "../lab/workspace.ts";

const skip = labMissing();
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const ca = authority?.cert ?? "";
const files = makeImageFiles("lab/hello", "1.0");
const ours = { username: "mirror", password: "ours" };
const secret = { username: "pod", password: "pull-secret-of-a-pod" };

interface Row {
  readonly mirror: string;
  readonly guardOf: (tokens: TokenServer) => Guard;
  readonly given: typeof ours | null;
  readonly shown: "nobody" | "the mirror" | "its token server";
  readonly served: boolean;
}

const ROWS: readonly Row[] = [
  { mirror: "an open mirror", guardOf: () => OPEN, given: null, shown: "nobody", served: true },
  {
    mirror: "a mirror with passwords that has ours",
    guardOf: () => basicGuard(ours),
    given: ours,
    shown: "nobody",
    served: true,
  },
  {
    mirror: "a mirror with passwords that has none",
    guardOf: () => basicGuard(ours),
    given: null,
    shown: "the mirror",
    served: false,
  },
  {
    mirror: "a mirror with tokens or passwords that has ours",
    guardOf: tokenOrBasicGuard,
    given: ours,
    shown: "nobody",
    served: true,
  },
  {
    mirror: "a mirror with tokens alone that has ours",
    guardOf: tokenGuard,
    given: ours,
    shown: "its token server",
    served: false,
  },
];

for (const version of CONTAINERD_VERSIONS) {
  for (const { mirror, guardOf, given, shown, served } of ROWS) {
    test(`containerd ${version} shows a pod's pull secret to ${shown}: ${mirror}`, { skip }, async () => {
      await using workspace = await createWorkspace();
      const tokens = await startTokenServer(workspace, { tls, account: ours });
      const registry = await startGuardedRegistry(workspace, { tls, guard: guardOf(tokens), files });
      const origin = await startGuardedRegistry(workspace, { tls, guard: basicGuard(secret), files });
      const endpoint = await makeEndpoint(workspace, { role: "mirror", url: registry.url, given });
      const upstream = await makeEndpoint(workspace, { role: "upstream", url: origin.url, given: null });
      const containerd = await startContainerd(workspace, { version });
      const choices = await chooseFor(openCredentials(workspace, { ca }), [endpoint, upstream], containerd);
      await putConfigAuths(containerd, choices.values());
      await putHosts(containerd, choices, {
        mirrors: [endpoint],
        upstream,
        caPath: await workspace.file("ca.crt", ca),
      });

      await containerd.cri.pullImage("gcr.io/lab/hello:1.0", { auth: secret });
      const seen = { "the mirror": registry, "its token server": tokens };
      for (const [name, server] of Object.entries(seen)) {
        assert.equal(carrying(server, secret.password).length > 0, name === shown, name);
      }
      const got = registry.received.filter(
        ({ path, authorization }) => path.includes("/blobs/") && registry.guard.admits(authorization),
      );
      assert.equal(got.length > 0, served);
    });
  }
}
