// Reads every credential file that the config names, as a pass would, and says what is wrong with one at the
// config's key that names it. For `check` alone: to the agent a credential that cannot be had is the problem
// of one endpoint, to somebody who is about to install the config it is a mistake.

import type { MirrorConfig } from "../core/mirror-config.ts";
import { compileRoutes, endpointsOf } from "../core/routes.ts";
import type { HelperOptions } from "./credential-helper.ts";
import { type CredentialOwner, readCredential } from "./credential-source.ts";
import type { FileProblem } from "./tls-files.ts";

interface Use {
  readonly at: string;
  readonly owner: CredentialOwner;
}

/** What is wrong with credential files, entries and helpers; helpers are run. Each sentence once. */
export async function checkCredentials(config: MirrorConfig, options: HelperOptions): Promise<FileProblem[]> {
  const uses = [...mirrorUses(config), ...privateRegistryUses(config), ...sharedUses(config)];
  const problems = await Promise.all(uses.map((use) => checkUse(use, options)));
  return [...new Map(problems.flat().map((problem) => [`${problem.at} ${problem.message}`, problem])).values()];
}

async function checkUse({ at, owner }: Use, options: HelperOptions): Promise<FileProblem[]> {
  const { problem, warning } = await readCredential(owner, options);
  if (problem !== null) return [{ severity: "error", at, message: problem }];
  return warning === null ? [] : [{ severity: "warning", at, message: warning }];
}

function mirrorUses({ mirrors }: MirrorConfig): Use[] {
  return mirrors.map(({ endpoint: url, pullCredentialConfigPath }, index) => ({
    at: `registryMirrors[${index}].pullCredentialConfigPath`,
    owner: { role: "mirror", url, credentialPath: pullCredentialConfigPath, gcrKeyPath: null },
  }));
}

function privateRegistryUses(config: MirrorConfig): Use[] {
  const routes = compileRoutes({ ...config, agent: { ...config.agent, failover: "auto" } });
  return config.privateRegistries.map(({ host, pullCredentialConfigPath }, index) => {
    const url = routes.find(({ registry }) => registry === host)?.upstream?.url ?? `https://${host}`;
    const own = { role: "upstream", isCredentialOwn: true } as const;
    const owner = { ...own, url, credentialPath: pullCredentialConfigPath, gcrKeyPath: null };
    return { at: `privateRegistries[${index}].pullCredentialConfigPath`, owner };
  });
}

// What several upstreams share is read for each of them: a helper may know one and fail for another.
function sharedUses(config: MirrorConfig): Use[] {
  const { gcrKeyPath, privateRegistryConfigPath } = config;
  const nobody = { role: "upstream", url: "https://gcr.io" } as const;
  const key = { at: "gcrKeyPath", owner: { ...nobody, credentialPath: null, gcrKeyPath } };
  if (privateRegistryConfigPath === null) return [key];
  const upstreams = endpointsOf(compileRoutes(config)).filter(({ role }) => role === "upstream");
  const owners = upstreams.filter(({ credentialPath }) => credentialPath === privateRegistryConfigPath);
  const at = "privateRegistryConfigPath";
  const file = { at, owner: { ...nobody, credentialPath: privateRegistryConfigPath, gcrKeyPath: null } };
  return [key, ...(owners.length === 0 ? [file] : owners.map((owner) => ({ at, owner })))];
}
