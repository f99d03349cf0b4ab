// What a mirror without `hosts` serves. bmctl's mirrors stand for gcr.io; in private mode, which
// privateRegistryConfigPath tells apart, for docker.io too (private-mode documentation).

import type { Registry } from "../mirror-config.ts";

/** The registries of a mirror whose `hosts` is not set. */
export function defaultHosts(isPrivateMode: boolean): readonly Registry[] {
  return isPrivateMode ? ["gcr.io", "docker.io"] : ["gcr.io"];
}
