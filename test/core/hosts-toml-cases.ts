// Every shape of hosts.toml that the agent writes. The golden files hold their bytes; the real
// containerds read the same shapes with live servers in the places of these.

import type { HostEntry, HostsFile } from "../../src/core/hosts-toml.ts";

export interface Places {
  readonly mirror: string;
  readonly second: string;
  readonly upstream: string;
  readonly ca: string;
  readonly clientCert: string;
  readonly clientKey: string;
  readonly authorization: string;
}

export const GOLDEN_PLACES: Places = {
  mirror: "https://172.18.0.20:5000",
  second: "https://[fd00::20]:5000",
  upstream: "https://gcr.io",
  ca: "/var/lib/mirror-agent/tls/ca.pem",
  clientCert: "/var/lib/mirror-agent/tls/client.pem",
  clientKey: "/var/lib/mirror-agent/tls/client-key.pem",
  authorization: "Basic dXNlcjpwYXNzd29yZA==",
};

export interface HostsCase {
  readonly name: string;
  readonly file: (places: Places) => HostsFile;
  /** Which server answers a pull of an image that all of them hold. */
  readonly servedBy: "mirror" | "second" | "upstream";
  /** What the serving server has to ask for, so that the test cannot pass without it. */
  readonly needs?: "client certificate" | "authorization" | "namespace";
}

const PLAIN: Omit<HostEntry, "url"> = {
  capabilities: ["pull", "resolve"],
  caPath: null,
  client: null,
  skipVerify: false,
  dialTimeoutMs: null,
  authorization: null,
};

const host = (url: string, settings: Partial<HostEntry>): HostEntry => ({ ...PLAIN, url, ...settings });
const server = ({ upstream, ca }: Places, settings: Partial<HostEntry> = {}): HostEntry =>
  host(upstream, { capabilities: null, caPath: ca, ...settings });

export const HOSTS_CASES: readonly HostsCase[] = [
  {
    name: "one-mirror",
    servedBy: "mirror",
    file: (at) => ({ registry: "gcr.io", hosts: [host(at.mirror, { caPath: at.ca })], server: server(at) }),
  },
  {
    name: "two-mirrors-in-order",
    servedBy: "second",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [host(at.second, { caPath: at.ca }), host(at.mirror, { caPath: at.ca })],
      server: server(at),
    }),
  },
  {
    name: "namespace",
    servedBy: "mirror",
    needs: "namespace",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [host(`${at.mirror}/v2/team-a`, { caPath: at.ca })],
      server: server(at),
    }),
  },
  {
    name: "client-certificate",
    servedBy: "mirror",
    needs: "client certificate",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [host(at.mirror, { caPath: at.ca, client: { certPath: at.clientCert, keyPath: at.clientKey } })],
      server: server(at),
    }),
  },
  {
    name: "skip-verify",
    servedBy: "mirror",
    file: (at) => ({ registry: "gcr.io", hosts: [host(at.mirror, { skipVerify: true })], server: server(at) }),
  },
  {
    name: "dial-timeout",
    servedBy: "mirror",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [host(at.mirror, { caPath: at.ca, dialTimeoutMs: 1500 })],
      server: server(at),
    }),
  },
  {
    name: "authorization-with-two-hosts",
    servedBy: "mirror",
    needs: "authorization",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [
        host(at.mirror, { caPath: at.ca, authorization: at.authorization }),
        host(at.second, { caPath: at.ca, authorization: "Bearer other" }),
      ],
      server: server(at),
    }),
  },
  {
    name: "authorization-upstream",
    servedBy: "upstream",
    needs: "authorization",
    file: (at) => ({ registry: "gcr.io", hosts: [], server: server(at, { authorization: at.authorization }) }),
  },
  {
    name: "no-mirror-left",
    servedBy: "upstream",
    file: (at) => ({ registry: "gcr.io", hosts: [], server: server(at) }),
  },
  {
    name: "never-upstream",
    servedBy: "mirror",
    file: (at) => ({ registry: "gcr.io", hosts: [], server: host(at.mirror, { caPath: at.ca }) }),
  },
  {
    name: "never-upstream-two-mirrors-namespace",
    servedBy: "second",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [host(at.second, { caPath: at.ca })],
      server: host(`${at.mirror}/v2/team-a`, { caPath: at.ca }),
    }),
  },
  {
    name: "tags-resolved-upstream",
    servedBy: "mirror",
    file: (at) => ({
      registry: "gcr.io",
      hosts: [host(at.mirror, { caPath: at.ca, capabilities: ["pull"] })],
      server: server(at),
    }),
  },
  {
    name: "default-registry",
    servedBy: "mirror",
    file: (at) => ({ registry: "_default", hosts: [host(at.mirror, { caPath: at.ca })], server: null }),
  },
  {
    name: "registry-with-port",
    servedBy: "mirror",
    file: (at) => ({
      registry: "registry.corp:5000",
      hosts: [host(at.mirror, { caPath: at.ca })],
      server: server(at),
    }),
  },
];
