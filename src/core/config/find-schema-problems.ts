// Zod's findings as issues with their places: one for every unknown key and every wrong value.

import type * as z from "zod";
import type { ConfigIssue } from "../config-issue.ts";
import { type ConfigPath, renderConfigPath } from "./config-path.ts";
import { quoteText } from "./describe-value.ts";
import { explainUnknownKey } from "./known-keys.ts";
import { errorAt, type Places, placeOfKey } from "./places.ts";

/** Finding a place is a walk through the file; nobody reads more than this. */
const MOST_PROBLEMS = 300;

/** Turns what zod found into issues. */
export function findSchemaProblems(error: z.ZodError, places: Places): ConfigIssue[] {
  return error.issues.slice(0, MOST_PROBLEMS).flatMap((issue) => {
    const path = issue.path.filter((step) => typeof step !== "symbol");
    if (issue.code === "unrecognized_keys")
      return issue.keys.slice(0, MOST_PROBLEMS).map((key) => renderUnknownKey(key, path, places));
    if (issue.code === "invalid_key") return [renderBadKey(issue, path, places)];
    return [renderWrongValue(path, places, messageOf(issue))];
  });
}

/** "Cannot use KEY: TEXT", at the value. */
export function renderWrongValue(path: ConfigPath, places: Places, text: string): ConfigIssue {
  const at = renderConfigPath(path);
  return errorAt(places, at, `Cannot use ${at === "" ? "this file" : at}: ${text}`);
}

function renderUnknownKey(key: string, path: ConfigPath, places: Places): ConfigIssue {
  const at = renderConfigPath([...path, key]);
  const message = `Cannot use ${at}: unknown key ${quoteText(key)}, ${explainUnknownKey(key, path)}`;
  return { severity: "error", ...placeOfKey(places, [...path, key]), at, message };
}

function renderBadKey(issue: z.core.$ZodIssueInvalidKey, path: ConfigPath, places: Places): ConfigIssue {
  const key = String(path.at(-1));
  const text = issue.issues[0]?.message ?? issue.message;
  const message = `Cannot use ${quoteText(key)} as a key of ${renderConfigPath(path.slice(0, -1))}: ${text}`;
  const at = renderConfigPath(path.slice(0, -1));
  return { severity: "error", ...placeOfKey(places, path), at, message };
}

/** Of a union that takes a text or nothing, the text's own problem says most. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== "invalid_union") return issue.message;
  return issue.errors.flat().find(({ code }) => code === "custom")?.message ?? issue.message;
}
