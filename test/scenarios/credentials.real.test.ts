// Real containerds pull from registries that ask for credentials in every way that is met outside, and every
// server keeps what it was sent: pulls work, and no credential reaches a server that it was not for.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { type Containerd, forgetImage, startContainerd } from "../lab/containerd.ts";
import { chooseFor, makeEndpoint, openCredentials, putConfigAuths, putHosts } from "../lab/credential-lab.ts";
import { startGoogleServer } from "../lab/google-server.ts";
import {
  basicGuard,
  carrying,
  type Guard,
  type GuardedRegistry,
  googleGuard,
  OPEN,
  startGuardedRegistry,
  tokenGuard,
  tokenOrBasicGuard,
} from "../lab/guarded-registry.ts";
import { buildImage } from "../lab/image.ts";
import { makeImageFiles } from "../lab/image-files.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { pushImage } from "../lab/push-image.ts";
import type { Received, RecordingServer } from "../lab/recording-server.ts";
import { startRegistry } from "../lab/registry.ts";
import { type Account, basic, startTokenServer, type TokenServer } from "../lab/token-server.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";

const skip = labMissing();
const IMAGE = "gcr.io/lab/hello:1.0";
const authority = skip === false ? makeAuthority() : null;
const tls = authority?.issue(["IP:127.0.0.1"]) ?? null;
const ca = authority?.cert ?? "";
const files = makeImageFiles("lab/hello", "1.0");

interface Place {
  readonly name: string;
  readonly registry: GuardedRegistry;
  readonly endpoint: Endpoint;
  readonly secret: string | null;
  /** Who may see the secret. */
  readonly allowed: readonly RecordingServer[];
}

type Kind = readonly [name: string, guardOf: (tokens: TokenServer) => Guard, needs: boolean];

const KINDS: readonly Kind[] = [
  ["open", () => OPEN, false],
  ["passwords", ({ account }) => basicGuard(account), true],
  ["tokens or passwords", tokenOrBasicGuard, true],
  ["tokens alone", tokenGuard, true],
];

async function startPlace(
  workspace: Workspace,
  role: Endpoint["role"],
  [name, guardOf, needs]: Kind,
  content = files,
): Promise<Place> {
  const account: Account = { username: role, password: `secret-${crypto.randomUUID()}` };
  const tokens = await startTokenServer(workspace, { tls, account });
  const registry = await startGuardedRegistry(workspace, { tls, guard: guardOf(tokens), files: content });
  const endpoint = await makeEndpoint(workspace, { role, url: registry.url, given: needs ? account : null });
  return { name: `${role} with ${name}`, registry, endpoint, secret: account.password, allowed: [registry, tokens] };
}

async function startGooglePlace(workspace: Workspace): Promise<Place> {
  const google = await startGoogleServer(workspace, tls);
  const registry = await startGuardedRegistry(workspace, { tls, guard: googleGuard(google), files });
  const endpoint = await makeEndpoint(workspace, { role: "upstream", url: registry.url, given: google });
  return { name: "upstream like gcr.io", registry, endpoint, secret: null, allowed: [registry, google] };
}

async function pull(containerd: Containerd): Promise<void> {
  await containerd.cri.pullImage(IMAGE);
  await forgetImage(containerd, IMAGE);
}

/** The registries that served blobs since the last look. */
function lookWhoServed(places: readonly Place[]): string[] {
  const served = places.filter(({ registry }) => registry.received.some(({ path }) => path.includes("/blobs/")));
  for (const { registry } of places) registry.received.splice(0, registry.received.length);
  return served.map(({ name }) => name);
}

function assertKept(places: readonly Place[]): void {
  const servers = new Set(places.flatMap(({ allowed }) => allowed));
  for (const { name, secret, allowed } of places) {
    if (secret === null) continue;
    for (const server of servers) {
      const strays: readonly Received[] = allowed.includes(server) ? [] : carrying(server, secret);
      assert.deepEqual(strays, [], `the credential of the ${name} reached ${server.url}`);
    }
  }
}

for (const version of CONTAINERD_VERSIONS) {
  test(`containerd ${version} pulls from every kind of mirror and upstream with credentials that stay where they belong`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    const mirrors = await Promise.all(KINDS.map((kind) => startPlace(workspace, "mirror", kind)));
    const upstreams = await Promise.all([
      ...KINDS.map((kind) => startPlace(workspace, "upstream", kind)),
      startGooglePlace(workspace),
    ]);
    const all = [...mirrors, ...upstreams];
    const containerd = await startContainerd(workspace, { version });
    const credentials = openCredentials(workspace, { ca });
    const choices = await chooseFor(
      credentials,
      all.map(({ endpoint }) => endpoint),
      containerd,
    );
    const kinds = [...choices.values()].map(({ kind }) => kind);
    const forTokens = version === "2.1" ? "header-token-endpoint" : "config-auth";
    const expected = ["anonymous", "header", "header", forTokens];
    assert.deepEqual(kinds, [...expected, ...expected, "header"]);
    assert.equal(await putConfigAuths(containerd, choices.values()), version === "2.1" ? 0 : 2);
    const caPath = await workspace.file("ca.crt", ca);

    for (const upstream of upstreams) {
      for (const mirror of mirrors) {
        await putHosts(containerd, choices, { mirrors: [mirror.endpoint], upstream: upstream.endpoint, caPath });
        assertKept(all);
        lookWhoServed(all);
        await pull(containerd);
        assertKept(all);
        assert.deepEqual(lookWhoServed(all), [mirror.name], `${mirror.name}, ${upstream.name}`);
      }
      await putHosts(containerd, choices, { mirrors: [], upstream: upstream.endpoint, caPath });
      await pull(containerd);
      assertKept(all);
      assert.deepEqual(lookWhoServed(all), [upstream.name]);
    }
  });

  test(`containerd ${version} keeps the credentials of two mirrors of one registry apart`, { skip }, async () => {
    await using workspace = await createWorkspace();
    const kind: Kind = ["passwords", ({ account }) => basicGuard(account), true];
    const empty = await startPlace(workspace, "mirror", kind, new Map());
    const full = await startPlace(workspace, "mirror", ["tokens or passwords", tokenOrBasicGuard, true]);
    const upstream = await startPlace(workspace, "upstream", kind);
    const all = [empty, full, upstream];
    const containerd = await startContainerd(workspace, { version });
    const choices = await chooseFor(
      openCredentials(workspace, { ca }),
      all.map(({ endpoint }) => endpoint),
      containerd,
    );
    const caPath = await workspace.file("ca.crt", ca);
    const mirrors = [empty.endpoint, full.endpoint];
    await putHosts(containerd, choices, { mirrors, upstream: upstream.endpoint, caPath });
    await pull(containerd);
    assert.ok(carrying(empty.registry, empty.secret ?? "").some(({ path }) => path.includes("/manifests/")));
    assertKept(all);
    assert.deepEqual(lookWhoServed(all.slice(1)), [full.name]);
  });

  test(`containerd ${version} pulls from docker-registry itself with token and with password authentication`, {
    skip,
  }, async () => {
    await using workspace = await createWorkspace();
    assert.ok(tls);
    const account: Account = { username: "puller", password: `secret-${crypto.randomUUID()}` };
    const tokens = await startTokenServer(workspace, { tls, account });
    const { realm, service, signerCert } = tokens;
    const withTokens = await startRegistry(workspace, "tokens", {
      tls,
      auth: { kind: "token", realm, service, signerCert },
    });
    const withPasswords = await startRegistry(workspace, "passwords", { tls, auth: { kind: "basic", ...account } });
    const image = buildImage({ seed: "real" });
    const target = { repository: "lab/hello", tag: "1.0", ca };
    const pushToken = tokens.issue("repository:lab/hello:pull,push");
    await pushImage(image, { ...target, url: withTokens.url, authorization: `Bearer ${pushToken}` });
    await pushImage(image, { ...target, url: withPasswords.url, authorization: basic(account) });
    const upstreams = await Promise.all(
      [withTokens, withPasswords].map(({ url }) => makeEndpoint(workspace, { role: "upstream", url, given: account })),
    );

    const containerd = await startContainerd(workspace, { version });
    const choices = await chooseFor(openCredentials(workspace, { ca }), upstreams, containerd);
    const forTokens = version === "2.1" ? "header-token-endpoint" : "config-auth";
    assert.deepEqual(
      [...choices.values()].map(({ kind }) => kind),
      [forTokens, "header"],
    );
    await putConfigAuths(containerd, choices.values());
    const caPath = await workspace.file("ca.crt", ca);
    for (const upstream of upstreams) {
      await putHosts(containerd, choices, { mirrors: [], upstream, caPath });
      await pull(containerd);
    }
  });

  test(`containerd ${version} goes on pulling while access tokens of seconds come and go`, {
    skip,
    timeout: 60_000,
  }, async () => {
    await using workspace = await createWorkspace();
    const google = await startGoogleServer(workspace, tls);
    google.lifetimeS = 6;
    const registry = await startGuardedRegistry(workspace, { tls, guard: googleGuard(google), files });
    const upstream = await makeEndpoint(workspace, { role: "upstream", url: registry.url, given: google });
    const containerd = await startContainerd(workspace, { version });
    const caPath = await workspace.file("ca.crt", ca);
    let renewed = Promise.withResolvers<void>();
    const credentials = openCredentials(workspace, { ca, onTokenChange: () => renewed.resolve() });
    const isFirstGood = () => google.admits(google.tokens[0] ?? "");
    do {
      const choices = await chooseFor(credentials, [upstream], containerd);
      await putHosts(containerd, choices, { mirrors: [], upstream, caPath });
      await pull(containerd);
      await renewed.promise;
      renewed = Promise.withResolvers();
    } while (isFirstGood());
    await putHosts(containerd, await chooseFor(credentials, [upstream], containerd), {
      mirrors: [],
      upstream,
      caPath,
    });
    await pull(containerd);
    const key = (JSON.parse(google.keyJson) as { private_key: string }).private_key.slice(100, 150);
    for (const server of [registry, google]) assert.deepEqual(carrying(server, key), []);
  });
}
