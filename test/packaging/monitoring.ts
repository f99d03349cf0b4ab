// What packaging/monitoring asks Prometheus: every expression of its alerts and its dashboard, taken apart.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export const MONITORING = join(import.meta.dirname, "../../packaging/monitoring");

export interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Panel {
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource: unknown;
  readonly targets: readonly { readonly expr: string; readonly datasource: unknown }[];
}

export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query: unknown }[];
  };
}

export const rules: readonly Rule[] = parse(read("mirror-agent.rules.yaml")).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
);
export const dashboard: Dashboard = JSON.parse(read("mirror-agent.dashboard.json"));

/** Each expression with where it stands; Grafana's variables have become what Grafana would put there. */
export const expressions: ReadonlyMap<string, string> = new Map([
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }, index) => [`${title} ${index}`, substitute(expr)] as const),
  ),
]);

/** What the dashboard asks for the values of its variables. */
export const variableQueries: readonly string[] = dashboard.templating.list.flatMap(({ query, type }) =>
  type === "query" ? [JSON.stringify(query)] : [],
);

export function read(name: string): string {
  return readFileSync(join(MONITORING, name), "utf8");
}

/** The metrics that an expression names, with the labels that it asks of each. */
export function usesOf(expr: string): { readonly name: string; readonly labels: readonly string[] }[] {
  return [...expr.matchAll(/\b(mirror_agent_\w+)(?:\{([^}]*)\})?/g)].map(([, name = "", matchers = ""]) => ({
    name,
    labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label),
  }));
}

/** The labels that an expression groups or joins by. */
export function groupingOf(expr: string): string[] {
  return [...expr.matchAll(/\b(?:by|on|without|ignoring)\s*\(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list.split(",").map((label) => label.trim()),
  );
}

function substitute(expr: string): string {
  return expr.replaceAll("$__rate_interval", "5m").replaceAll("$__range", "6h").replaceAll("$instance", ".*");
}
