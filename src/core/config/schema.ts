// The mirror config's shape, once: validation, defaults and the published JSON Schema all come from here.
// The keys outside `agent` are bmctl's (cluster-config-ref, "Credentials" and "Registry mirror"); bmctl's
// templates leave them empty, so null, "" and false mean "not set" wherever bmctl takes them so.

import * as z from "zod";
import { agentSchema, mirrorProbeKeys } from "./agent-schema.ts";
import { duration, endpoint, flag, hosts, list, path, registry, section } from "./schema-parts.ts";

const ignored = z.unknown().optional().meta({ description: "A header key of bmctl that mirror-agent ignores." });

const mirrorSchema = section("a mirror with its endpoint", {
  endpoint: endpoint.meta({
    description: "URL of the mirror. Without scheme it is https. A namespace stands behind /v2.",
    examples: ["https://172.18.0.20:5000", "172.18.0.20:5000/v2/team-a"],
  }),
  hosts: hosts.meta({
    description:
      'Registries it mirrors; "*" is every registry. Default: gcr.io; with privateRegistryConfigPath gcr.io and docker.io.',
    examples: [["gcr.io", "docker.io"], ["*"]],
  }),
  caCertPath: path("mirror-ca.crt").meta({
    description: "CA of the mirror's certificate, PEM. Default: the system's CAs.",
  }),
  pullCredentialConfigPath: path("docker-config.json").meta({
    description: "Docker config file with the mirror's credentials. Default: anonymous.",
  }),
  clientCertPath: path("client.crt").meta({
    description: "Client certificate, PEM. Always together with clientKeyPath, which may name the same file.",
  }),
  clientKeyPath: path("client.key").meta({ description: "Key of the client certificate, PEM." }),
  insecureSkipVerify: flag.meta({ description: "Accepts any certificate of the mirror. Default: false." }),
  resolveTags: flag.meta({
    description: "false: tags are resolved upstream, only digests are fetched here. Default: true.",
  }),
  dialTimeout: duration({ least: "100ms", most: "1m" }).meta({
    description: "How long containerd waits for a connection, if its version can be told. Default: containerd's.",
    examples: ["2s"],
  }),
  probe: section("a map with image and maxLatency", mirrorProbeKeys)
    .nullish()
    .meta({ description: "Probes of this mirror. Default: agent.probe." }),
});

const privateRegistrySchema = section("a registry with its host", {
  host: registry.meta({ description: "Registry without scheme and path.", examples: ["registry.corp:5000"] }),
  caCertPath: path("corp-ca.pem").meta({ description: "CA of the registry's certificate, PEM." }),
  pullCredentialConfigPath: path("docker-config.json").meta({
    description: "Docker config file with the registry's credentials.",
  }),
});

/** The header document of a cluster file; gives names and URLs in canonical form, without defaults. */
export const configSchema = section("a map of settings", {
  registryMirrors: list("a list of mirrors", mirrorSchema).meta({
    description: "Mirrors in the order of trying. The same registry may have several.",
  }),
  gcrKeyPath: path("gcr.json").meta({ description: "Service-account key for gcr.io, *.gcr.io and *.pkg.dev." }),
  privateRegistryConfigPath: path("docker-config.json").meta({
    description: "Docker config file with the credentials of upstream registries (private mode).",
  }),
  privateRegistries: list("a list of registries", privateRegistrySchema).meta({
    description: "Registries with a CA or credentials of their own. With a mirror too, they describe its upstream.",
  }),
  agent: agentSchema,
  sshPrivateKeyPath: ignored,
  gkeConnectAgentServiceAccountKeyPath: ignored,
  gkeConnectRegisterServiceAccountKeyPath: ignored,
  cloudOperationsServiceAccountKeyPath: ignored,
});

export type ConfigInput = z.output<typeof configSchema>;
export type MirrorInput = z.output<typeof mirrorSchema>;
