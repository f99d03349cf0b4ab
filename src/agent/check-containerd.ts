// What `check` has to say of this node's containerd: that it would be left alone, and why. It also runs where the
// caller may read little, or where there is no containerd at all; then there is nothing to say.

import type { TakeoverPlan } from "../core/containerd-config/plan-takeover.ts";
import type { MirrorConfig } from "../core/mirror-config.ts";
import { NOTHING_REMEMBERED } from "../node/restart-memory.ts";
import type { Host } from "./host.ts";
import { planContainerd } from "./takeover-state.ts";

/** The refusal to take this node's containerd over for a config; null if there is none. */
export async function findRefusal(
  host: Host,
  config: MirrorConfig,
  signal: AbortSignal,
): Promise<Extract<TakeoverPlan, { kind: "refused" }> | null> {
  try {
    const { observed, certsDir } = await host.lookAtContainerd(config, signal);
    if (observed.version === null) return null;
    const plan = planContainerd(observed, { config, certsDir }, NOTHING_REMEMBERED);
    return plan.kind === "refused" ? plan : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return null;
    throw error;
  }
}
