// All checks of `doctor`, in the order in which one would look oneself: the config, containerd, its files, the
// servers, the host.

import { checkCertsDir, checkShadows } from "./certs-checks.ts";
import type { Check } from "./check.ts";
import { checkClock } from "./clock-checks.ts";
import { checkContainerdConfig, checkInEffect, checkKillMode, checkRunning } from "./containerd-checks.ts";
import {
  checkCertificates,
  checkContents,
  checkCredentials,
  checkEndpoints,
  checkFlapping,
  checkImages,
  checkProxy,
} from "./endpoint-checks.ts";
import type { DoctorFacts } from "./facts.ts";
import { checkAgent, checkConfig, checkDisks, checkFreeing, checkInotify } from "./host-checks.ts";
import { checkOthers } from "./other-tools.ts";

const CHECKS: readonly ((facts: DoctorFacts) => Check[])[] = [
  checkConfig,
  checkAgent,
  checkRunning,
  checkKillMode,
  checkContainerdConfig,
  checkInEffect,
  checkCertsDir,
  checkShadows,
  checkOthers,
  checkEndpoints,
  checkContents,
  checkFlapping,
  checkCertificates,
  checkCredentials,
  checkClock,
  checkProxy,
  checkImages,
  checkDisks,
  checkFreeing,
  checkInotify,
];

/** Everything that can be judged about these facts. */
export function runChecks(facts: DoctorFacts): Check[] {
  return CHECKS.flatMap((check) => check(facts));
}
