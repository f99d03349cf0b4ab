// Every shape of hosts.toml, read by every real containerd: the pull has to be served by the server that
// the shape means. A file that containerd cannot parse would send it to the real registry, out of reach here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { renderHostsToml } from "../../src/core/hosts-toml.ts";
import { makeAuthority } from "../lab/certificates.ts";
import { forgetImage, startContainerd } from "../lab/containerd.ts";
import { buildImage } from "../lab/image.ts";
import { CONTAINERD_VERSIONS, labMissing } from "../lab/parts.ts";
import { pushImage } from "../lab/push-image.ts";
import { type Registry, startRegistry } from "../lab/registry.ts";
import { createWorkspace, type Workspace } from "../lab/workspace.ts";
import { HOSTS_CASES, type HostsCase, type Places } from "./hosts-toml-cases.ts";

const skip = labMissing();
const IMAGE = buildImage({ layerSizes: [1000] });
const ACCOUNT = { username: "puller", password: "secret" };
const AUTHORIZATION = `Basic ${Buffer.from("puller:secret").toString("base64")}`;

interface Servers {
  readonly places: Places;
  readonly plain: Record<HostsCase["servedBy"], Registry>;
  /** What answers only to those who bring what it needs. */
  readonly guarded: Record<NonNullable<HostsCase["needs"]>, Registry>;
}

async function startServers(workspace: Workspace): Promise<Servers> {
  const authority = makeAuthority();
  const tls = authority.issue(["IP:127.0.0.1"]);
  const client = authority.issue([], { client: true });
  const serve = async (name: string, options: object, push: object = {}): Promise<Registry> => {
    const registry = await startRegistry(workspace, name, { tls, ...options });
    await pushImage(IMAGE, { url: registry.url, repository: "lab/hello", tag: "1.0", ca: authority.cert, ...push });
    return registry;
  };
  const mirror = await serve("mirror", {});
  const second = await serve("second", {});
  const upstream = await serve("upstream", {});
  const basic = { auth: { kind: "basic", ...ACCOUNT } };
  await pushImage(IMAGE, { url: mirror.url, repository: "team-a/lab/hello", tag: "1.0", ca: authority.cert });
  return {
    places: {
      mirror: mirror.url,
      second: second.url,
      upstream: upstream.url,
      ca: await workspace.file("ca.pem", authority.cert),
      clientCert: await workspace.file("client.pem", client.cert),
      clientKey: await workspace.file("client-key.pem", client.key),
      authorization: AUTHORIZATION,
    },
    plain: { mirror, second, upstream },
    guarded: {
      "client certificate": await serve("client", { clientAuthority: authority }, client),
      authorization: await serve("basic", basic, { authorization: AUTHORIZATION }),
      namespace: await serve("namespace", {}, { repository: "team-a/lab/hello" }),
    },
  };
}

function layersServed(requests: Awaited<ReturnType<Registry["requests"]>>): number {
  const [layer] = IMAGE.layers;
  return requests.filter(
    ({ method, status, path }) => method === "GET" && status === 200 && path.includes(layer?.digest ?? ""),
  ).length;
}

for (const version of CONTAINERD_VERSIONS) {
  test(`renderHostsToml() writes what containerd ${version} reads as meant, in every shape`, {
    skip,
  }, async (context) => {
    await using workspace = await createWorkspace();
    const servers = await startServers(workspace);
    const containerd = await startContainerd(workspace, { version });
    for (const { name, file, servedBy, needs } of HOSTS_CASES) {
      await context.test(name, async () => {
        const server = needs ? servers.guarded[needs] : servers.plain[servedBy];
        const hosts = file({ ...servers.places, [servedBy]: server.url });
        const before = layersServed(await server.requests());
        await containerd.writeHosts(hosts.registry, renderHostsToml(hosts));
        const image = `${hosts.registry === "_default" ? "unknown.example" : hosts.registry}/lab/hello:1.0`;
        assert.equal(await containerd.cri.pullImage(image), IMAGE.config.digest);
        assert.equal(layersServed(await server.requests()), before + 1);
        await forgetImage(containerd, image);
      });
    }
  });
}
