// Whether the CRI pulls with its own code or through the transfer service. Only its own code takes a colon-separated
// config_path apart: the transfer service looks for one folder with that whole name, finds none and says nothing
// (v2.1.9:image_pull.go:311).

import { tableAt } from "./legacy-registry.ts";
import type { TomlMap } from "./toml-text.ts";
import { type ContainerdVersion, pullsByTransfer } from "./versions.ts";

/** Before 2.1 always; later where these settings of the images plugin say so, or do not go with the transfer service (v2.1.9:config.go:535). */
export function pullsLocally(images: TomlMap, version: ContainerdVersion): boolean {
  return !pullsByTransfer(version) || images.use_local_image_pull === true || isBeyondTransfer(images);
}

/** Whether it does so whatever becomes of the registry table: credentials in there come and go. */
export function alwaysPullsLocally(images: TomlMap, version: ContainerdVersion): boolean {
  return pullsLocally({ ...images, registry: {} }, version);
}

function isBeyondTransfer(images: TomlMap): boolean {
  const registry = tableAt(images, "registry");
  return (
    images.disable_snapshot_annotations === false ||
    images.discard_unpacked_layers === true ||
    images.image_pull_with_sync_fs === true ||
    (images.max_concurrent_downloads ?? 3) !== 3 ||
    ["mirrors", "configs", "auths"].some((key) => Object.keys(tableAt(registry, key)).length > 0)
  );
}
