// The image that probes fetch, as the mirror config names it. An operator of one mirror writes "team/pause:3.9" and
// means the mirror's own registry, not docker.io as in an image reference: so a name without registry keeps none.

import { parseImageName } from "../image-name.ts";
import type { ProbeImage } from "../mirror-config.ts";
import { type Parsed, parsed, problem } from "./parsed.ts";

/** Every accepted image matches this; the published schema carries it. */
export const PROBE_IMAGE_PATTERN =
  /^[A-Za-z0-9[][A-Za-z0-9._/:[\]-]*(?::[A-Za-z0-9_][A-Za-z0-9._-]*|@[a-z0-9+._-]+:[0-9a-fA-F]+)$/;

const NAMES_REGISTRY = /^(?:[^/]*[.:A-Z][^/]*|localhost)\//;
/** What bytes can be checked against; containerd knows sha512 too, but no registry is known to use it. */
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Reads `[REGISTRY/]REPOSITORY:TAG` or `[REGISTRY/]REPOSITORY@DIGEST`. */
export function parseProbeImage(text: string): Parsed<ProbeImage> {
  const name = parseImageName(text);
  if (name === null) return problem('expected an image such as "gcr.io/google-containers/pause:3.2"');
  const reference = name.digest ?? name.tag;
  if (reference === null) return problem("expected a tag or a digest behind the image's name");
  if (name.digest !== null && !DIGEST.test(name.digest)) return problem("expected sha256: and 64 digits as its digest");
  if (NAMES_REGISTRY.test(text)) return parsed({ registry: name.registry, repository: name.repository, reference });
  return parsed({ registry: null, repository: text.split(/[:@]/, 1)[0] ?? "", reference });
}
