// The mirrors of the config file as `verify images` looks at them: as nodes address them, with the CA and the pull
// credentials that nodes have.

import { loadConfig } from "../agent/load-config.ts";
import { tlsMaterialOf } from "../agent/tls-material-of.ts";
import { renderIssues } from "../core/config/render-issues.ts";
import { NO_CREDENTIAL } from "../core/credentials/credential.ts";
import type { Endpoint } from "../core/endpoint.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { nodePaths } from "../core/node-paths.ts";
import { compileRoutes, DEFAULT_REGISTRY, endpointsOf } from "../core/routes.ts";
import { readCredential } from "../node/credential-source.ts";
import { parsePushAddress } from "../push/push-address.ts";
import type { Distribution } from "../registry/distribution.ts";
import { connect } from "./connect.ts";
import type { CommandContext, GlobalOptions } from "./context.ts";
import type { RegistryFlags } from "./registry-flags.ts";
import { UsageError } from "./usage-error.ts";

/** An endpoint that should hold images, connected. */
export interface LookedAt {
  /** "https://172.18.0.20:5000/v2/team-a" */
  readonly url: string;
  readonly namespace: string;
  readonly registry: Distribution;
  /** Whether images of a registry belong there. */
  readonly serves: (registry: string) => boolean;
}

export interface MirrorEndpoints {
  readonly endpoints: readonly LookedAt[];
  readonly config: MirrorConfig;
}

/** Connects to every mirror of the config. Throws UsageError if the config is not valid or has none. */
export async function openMirrors(
  flags: RegistryFlags & GlobalOptions,
  context: CommandContext,
): Promise<MirrorEndpoints> {
  const { config: path } = nodePaths(flags.root, flags.config ?? null, null);
  const { config, issues, tlsFiles } = await loadConfig(path, context.nowMs());
  if (config === null) throw new UsageError(`the config is not valid\n${renderIssues(issues, { path })}`);
  const routes = compileRoutes(config);
  const mirrors = endpointsOf(routes).filter((endpoint) => endpoint.role === "mirror");
  if (mirrors.length === 0) throw new UsageError(`"${path}" names no mirror; give one with --private-registry`);
  const open = async (endpoint: Endpoint): Promise<LookedAt> => {
    const { origin, namespace } = parsePushAddress(endpoint.url, { plainHttp: endpoint.url.startsWith("http:") });
    const { credential, problem, warning } = await readCredential(endpoint, { environment: context.env });
    for (const text of [problem, warning]) if (text !== null) context.stderr.write(`warning: ${text}\n`);
    const tls = tlsMaterialOf(endpoint.tls, tlsFiles);
    const registry = connect({ origin, credential: credential ?? NO_CREDENTIAL, tls }, flags, context);
    const named = routes.filter(({ registry: name }) => name !== DEFAULT_REGISTRY).map(({ registry: name }) => name);
    const own = routes.filter(({ mirrors: list }) => list.some(({ url }) => url === endpoint.url));
    const serves = (name: string): boolean =>
      own.some(({ registry: route }) => route === name || (route === DEFAULT_REGISTRY && !named.includes(name)));
    return { url: endpoint.url, namespace, registry, serves };
  };
  return { endpoints: await Promise.all(mirrors.map(open)), config };
}
