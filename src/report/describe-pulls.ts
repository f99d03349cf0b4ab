// Says where pulls go now: what somebody who is woken up by a mirror's failure wants to know first.

import type { RouteDecision } from "../core/routes.ts";
import { humaniseList } from "./humanise.ts";

/** "pulls of gcr.io and docker.io go to https://m:5000; pulls of quay.io ..."; "" without decisions. */
export function describePulls(decisions: readonly RouteDecision[]): string {
  const byWay = Map.groupBy(decisions, describeWay);
  return [...byWay].map(([way, group]) => `pulls of ${describeRegistries(group)} ${way}`).join("; ");
}

function describeRegistries(decisions: readonly RouteDecision[]): string {
  return humaniseList(
    decisions.map(({ route }) => (route.registry === "_default" ? "all other registries" : route.registry)),
  );
}

function describeWay({ route, mirrors, failedOver, doubted }: RouteDecision): string {
  const urls = mirrors.map(({ url }) => url).join(", then ");
  if (doubted) return `stay with ${urls || "the upstream"}, since nothing else is known to answer`;
  if (failedOver) return `go to the upstream${route.registry === "_default" ? "" : ` ${route.upstream?.url}`} instead`;
  if (mirrors.length > 0) return `go to ${urls}`;
  return `go to the upstream${route.registry === "_default" ? "" : ` ${route.upstream?.url}`}`;
}
