// The host around it: space, inodes, what the kernel allows, who else writes the same files; and the agent itself.

import type { Freeing } from "../freeing.ts";
import { isStale } from "../status-age.ts";
import { type Check, fail, ok, warn } from "./check.ts";
import type { DiskFacts, DoctorFacts, HostFacts } from "./facts.ts";

const MIB = 2 ** 20;

/** The config, and what it names. */
export function checkConfig({ config }: DoctorFacts): Check[] {
  const issues = config.issues.map(({ severity, line, column, message }) => {
    const found = `${config.path} line ${line}, column ${column}: ${message}`;
    return severity === "error"
      ? fail("config", found, "mirror-agent check")
      : warn("config", found, "mirror-agent check");
  });
  return issues.length > 0 ? issues : [ok("config", `${config.path} is valid`)];
}

/** Whether the agent runs, and keeps its secrets to itself. */
export function checkAgent({ agent, nowMs }: DoctorFacts): Check[] {
  const { statusAtMs, stateDir, stateDirMode } = agent;
  const isFresh = statusAtMs !== null && !isStale(statusAtMs, nowMs);
  const running = isFresh
    ? ok("agent", "mirror-agent runs")
    : warn(
        "agent",
        "mirror-agent does not run: a mirror that fails stays in the routes",
        "systemctl enable --now mirror-agent",
      );
  if (stateDirMode === null || (stateDirMode & 0o077) === 0) return [running];
  const found = `"${stateDir}" is open to others (mode ${stateDirMode.toString(8).padStart(4, "0")})`;
  return [running, fail("agent", found, `chmod 700 "${stateDir}"`)];
}

/** Space and inodes for images and for state. */
export function checkDisks({ host }: DoctorFacts): Check[] {
  return host.disks.flatMap((disk) => [checkSpace(disk), ...checkInodes(disk)]);
}

function checkSpace({ path, freeBytes, totalBytes }: DiskFacts): Check {
  const found = `${Math.round(freeBytes / MIB)} MiB are free for "${path}"`;
  const mend = "remove images that nobody uses (crictl rmi --prune), or give it more space";
  if (freeBytes < 100 * MIB) return fail("space", `only ${found}`, mend);
  return freeBytes < 1024 * MIB || freeBytes < totalBytes * 0.05
    ? warn("space", `only ${found}`, mend)
    : ok("space", found);
}

function checkInodes({ path, freeInodes, totalInodes }: DiskFacts): Check[] {
  if (totalInodes === 0) return [];
  const share = freeInodes / totalInodes;
  if (share >= 0.05) return [];
  const found = `only ${freeInodes} inodes are left for "${path}"`;
  const mend = "remove images that nobody uses (crictl rmi --prune)";
  return [share < 0.01 ? fail("inodes", found, mend) : warn("inodes", found, mend)];
}

/** Whether a pull that hangs can be freed: as the running agent found out, or else as far as the kernel tells. */
export function checkFreeing({ host, agent }: DoctorFacts): Check[] {
  if (!host.hasSs) return [warn("free-pulls", "there is no ss: pulls that hang cannot be found", "install iproute2")];
  if (agent.freeing !== null) return [checkTried(agent.freeing)];
  if (canEndSockets(host) || host.canAbortSockets === true) {
    return [ok("free-pulls", "the kernel can close connections that hang")];
  }
  if (host.canAbortSockets === null) return [ok("free-pulls", "what the kernel can do is not known")];
  const mend = "use a kernel from 5.6 on, or one with CONFIG_INET_DIAG_DESTROY, as distributions have";
  return [warn("free-pulls", "the kernel cannot close connections of others", mend)];
}

function checkTried({ way, problem }: Freeing): Check {
  if (way === "end") return ok("free-pulls", "the agent can end connections that hang: downloads go on elsewhere");
  if (way === "abort") return ok("free-pulls", "the agent can abort connections that hang: kubelet pulls again");
  const mend = "see mirror-agent.service.d/free-pulls.conf: what of it is missing, and what else the kernel offers";
  return warn("free-pulls", `the agent cannot free pulls that hang: ${problem}`, mend);
}

/** pidfd_getfd(2) is there from Linux 5.6 on. */
function canEndSockets({ kernel }: HostFacts): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  return major > 5 || (major === 5 && minor >= 6);
}

/** Whether files can be watched. */
export function checkInotify({ host }: DoctorFacts): Check[] {
  if (host.inotify === null) return [];
  const { maxWatches, maxInstances, usedInstances } = host.inotify;
  const raise = (key: string): string => `sysctl fs.inotify.${key}=N, and in /etc/sysctl.d`;
  if (usedInstances >= maxInstances * 0.9) {
    const found = `${usedInstances} of ${maxInstances} inotify instances are in use`;
    return [warn("inotify", found, raise("max_user_instances"))];
  }
  if (maxWatches < 8192) return [warn("inotify", `only ${maxWatches} files can be watched`, raise("max_user_watches"))];
  return [ok("inotify", `${usedInstances} of ${maxInstances} inotify instances are in use`)];
}
