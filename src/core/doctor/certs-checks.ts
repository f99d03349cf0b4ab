// certs.d, as containerd reads it: files that it ignores, that make every pull fail, or that hide others.

import type { ContainerdVersion } from "../containerd-config/versions.ts";
import { chooseFolder, type FoundFolder, folderCandidates } from "../explain/hosts-folder.ts";
import { type ReadRoute, readRoute } from "../explain/pull-hosts.ts";
import { findEndMs, readTls } from "../explain/tls-contents.ts";
import { hostsTomlPath, isManaged } from "../hosts-toml.ts";
import { type Check, fail, ok, SOON_MS, warn } from "./check.ts";
import type { DoctorFacts } from "./facts.ts";

/** Every folder of certs.d. */
export function checkCertsDir({
  containerd,
  certs,
  nowMs,
}: Pick<DoctorFacts, "containerd" | "certs" | "nowMs">): Check[] {
  const version = containerd.daemon?.version ?? containerd.version;
  if (version === null) return [];
  const checks = [...certs.places].flatMap(([path, place]) => {
    if (place.kind === "file")
      return [fail("certs-dir", `"${path}" is a file, where a folder is expected`, `remove "${path}"`)];
    if (place.kind === "unreadable")
      return [fail("certs-dir", `"${path}" cannot be read: ${place.problem}`, `chmod 755 "${path}"`)];
    if (place.kind === "missing") return [];
    return checkFolder({ ...place, kind: "found", path, hidden: [] }, { version, certs, nowMs });
  });
  const count = certs.places.size;
  return checks.length > 0
    ? checks
    : [ok("certs-dir", `${count} folders in "${certs.certsDir}" are read as they are meant`)];
}

function checkFolder(
  folder: FoundFolder,
  { version, certs, nowMs }: Pick<DoctorFacts, "certs" | "nowMs"> & { version: ContainerdVersion },
): Check[] {
  const { path, hostsToml } = folder;
  if (hostsToml.kind === "unreadable") {
    const mend = `mend or remove "${path}/hosts.toml"`;
    return [fail("certs-dir", `"${path}/hosts.toml" cannot be read (${hostsToml.problem}): every pull fails`, mend)];
  }
  const name = path.slice(path.lastIndexOf("/") + 1);
  const route = readRoute(folder, { registry: name.replace(/_(\d+)_$/, ":$1"), version });
  return [
    ...checkSource(route, name, certs),
    ...checkTls(route, { path, certs }),
    ...(hostsToml.kind === "text" && isManaged(hostsToml.text) ? [] : checkEnds(route, { path, certs, nowMs })),
    ...checkMode(folder, certs),
    ...route.doubts.map((doubt) => warn("certs-dir", `"${path}/hosts.toml": ${doubt}`, `mend "${path}/hosts.toml"`)),
  ];
}

function checkSource({ source }: ReadRoute, name: string, { places, certsDir }: DoctorFacts["certs"]): Check[] {
  if (source.kind === "ignored") {
    const found = `containerd ignores "${source.path}" and pulls from the registry itself: ${source.because}`;
    return [fail("certs-dir", found, `mend "${source.path}"`)];
  }
  const hidesDefault = name !== "_default" && places.has(`${certsDir}/_default`);
  if (source.kind !== "certificates" || !source.isEmpty || !hidesDefault || name.startsWith("_")) return [];
  const found = `"${source.path}" has no hosts.toml, and hides "${certsDir}/_default" for this registry`;
  return [warn("certs-dir", found, `rmdir "${source.path}"`)];
}

function checkTls({ hosts }: ReadRoute, { path, certs }: { path: string; certs: DoctorFacts["certs"] }): Check[] {
  return hosts.flatMap((host) => {
    const read = readTls(host, certs.tlsFiles);
    const mend = `mend "${path}/hosts.toml" or the file that it names`;
    return read.ok ? [] : [fail("certs-dir", `${read.because}: every pull that reads "${path}" fails`, mend)];
  });
}

// Of the agent's own files the config's check tells, by the paths that the config names.
function checkEnds(
  { hosts }: ReadRoute,
  { path, certs, nowMs }: Pick<DoctorFacts, "certs" | "nowMs"> & { path: string },
): Check[] {
  const named = hosts.flatMap(({ caPaths, clients }) => [...caPaths, ...clients.map(({ certPath }) => certPath)]);
  return [...new Set(named)].flatMap((file) => {
    const read = certs.tlsFiles.get(file);
    const endsAtMs = read?.kind === "text" ? findEndMs(read.text) : null;
    if (endsAtMs === null || endsAtMs > nowMs + SOON_MS) return [];
    const day = new Date(endsAtMs).toISOString().slice(0, 10);
    const mend = `renew "${file}"`;
    return endsAtMs <= nowMs
      ? [fail("certs-dir", `"${file}", which "${path}" names, expired on ${day}`, mend)]
      : [warn("certs-dir", `"${file}", which "${path}" names, expires on ${day}`, mend)];
  });
}

function checkMode({ path, hostsToml }: FoundFolder, { modes }: DoctorFacts["certs"]): Check[] {
  const file = `${path}/hosts.toml`;
  const mode = modes.get(file) ?? 0;
  const hasHeader =
    hostsToml.kind === "text" && /^\s*"?(authorization|[\w-]*(token|key|cookie)[\w-]*)"?\s*=/im.test(hostsToml.text);
  if (!hasHeader || (mode & 0o077) === 0) return [];
  const found = `"${file}" holds a credential, and others may read it (mode ${mode.toString(8).padStart(4, "0")})`;
  return [fail("certs-dir", found, `chmod 600 "${file}"`)];
}

/** Whether containerd reads the agent's file for every registry of the config. */
export function checkShadows({ config, certs }: DoctorFacts): Check[] {
  const folders = new Set([...certs.places.keys()].map((path) => path.slice(path.lastIndexOf("/") + 1)));
  return config.registries.flatMap((registry) => {
    const ours = hostsTomlPath(certs.certsDir, registry, folders);
    const chosen = chooseFolder(folderCandidates([certs.certsDir], registry), certs.places);
    if (chosen.kind !== "found") return [fail("shadow", `there is no "${ours}" yet`, "mirror-agent apply")];
    const file = `${chosen.path}/hosts.toml`;
    const text = chosen.hostsToml.kind === "text" ? chosen.hostsToml.text : "";
    if (file === ours && isManaged(text)) return [];
    const whose = isManaged(text) ? "is read instead of it" : "is not the agent's";
    return [
      fail(
        "shadow",
        `${registry}: "${file}" ${whose}`,
        "mirror-agent plan shows what would change, mirror-agent apply does it",
      ),
    ];
  });
}
