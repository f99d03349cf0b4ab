// The kinds of values that the mirror config has. Each part says what it expects in words, for
// messages, and as a pattern, for the published schema; the exact rules are in the parse functions.

import * as z from "zod";
import { describeKind, describeValue, quoteText } from "./describe-value.ts";
import { DURATION_PATTERN, type DurationBounds, parseDuration } from "./duration.ts";
import { ENDPOINT_PATTERN, parseEndpointUrl } from "./endpoint-url.ts";
import { LISTEN_PATTERN, parseListenAddress } from "./listen-address.ts";
import { findNearestKey } from "./nearest-key.ts";
import { type Parsed, parsed, problem } from "./parsed.ts";
import { PROBE_IMAGE_PATTERN, parseProbeImage } from "./probe-image.ts";
import { HOSTS_ENTRY_PATTERN, parseHostsEntry, parseRegistryName, REGISTRY_PATTERN } from "./registry-name.ts";

const LONGEST_PATH = 4095; // PATH_MAX without its closing NUL

/** Zod's error option: what was expected in words, and what was found. */
export function wrong(expected: string) {
  return { error: (issue: { input?: unknown }) => `expected ${expected}, found ${describeValue(issue.input)}` };
}

/** A URL such as "https://172.18.0.20:5000/v2/team-a", as parseEndpointUrl() reads it. */
export const endpoint = text('a URL such as "https://172.18.0.20:5000"', ENDPOINT_PATTERN, parseEndpointUrl);

/** The image that probes fetch. */
export const image = text('an image such as "team/pause:3.2"', PROBE_IMAGE_PATTERN, parseProbeImage).nullish();

/** Where this node alone may ask for metrics. */
export const listenAddress = text(
  'an address of this node alone such as "127.0.0.1:9464"',
  LISTEN_PATTERN,
  parseListenAddress,
).nullish();

/** The name of one registry. */
export const registry = text('a registry such as "registry.corp:5000"', REGISTRY_PATTERN, parseRegistryName);

/** The name of one registry as the key of a map; stays as it is spelled. */
export const registryKey = z
  .string()
  .check((context) => {
    const result = parseRegistryName(context.value);
    if (!result.ok) context.issues.push({ code: "custom", message: result.problem, input: context.value });
  })
  .meta({ pattern: REGISTRY_PATTERN.source });

/** The registries that a mirror serves. */
export const hosts = list(
  'a list of registries such as ["gcr.io", "docker.io"]',
  text('a registry such as "gcr.io"', HOSTS_ENTRY_PATTERN, parseHostsEntry),
  1,
);

/** true or false; YAML 1.2 reads "yes" and "on" as texts. */
export const flag = z.boolean(wrong("true or false")).nullish();

/** How many times in a row. */
export const count = z
  .int(wrong("a whole number from 1 to 100"))
  .min(1, wrong("a whole number from 1 to 100"))
  .max(100, wrong("a whole number from 1 to 100"))
  .nullish();

/** A duration; gives milliseconds. */
export function duration(bounds: DurationBounds) {
  const parse = (found: string) => parseDuration(found, bounds);
  return text('a duration such as "5s"', DURATION_PATTERN, parse).nullish();
}

/** The absolute path of a file; null, "" and false are not set. It may be a pasted key or password: it is not shown. */
export function path(example: string, folder = "/etc/mirror-agent") {
  return absolute(`${folder}/${example}`, "^(?:/.*)?$");
}

/** As path(), for a folder where containerd takes a list of them, divided by colons. */
export function oneFolder(example: string) {
  return absolute(example, "^(?:/[^:]*)?$");
}

/** As path(), for a file that Prometheus' node-exporter is to find: its textfile collector reads *.prom alone. */
export function metricsFile(example: string) {
  return absolute(example, "^(?:/.*[.]prom)?$", 'does not end in ".prom"');
}

function absolute(example: string, pattern: string, flaw = "is not one path") {
  const expected = `an absolute path such as "${example}"`;
  const schema = z.string().meta({ pattern, examples: [example] });
  const parse = (found: string): Parsed<string | null> => {
    if (found === "") return parsed(null);
    if (!found.startsWith("/")) return problem(`expected ${expected}, found ${describePath(found)}`);
    if (found.length <= LONGEST_PATH && new RegExp(pattern).test(found)) return parsed(found);
    return problem(`expected ${expected}, found a text of ${found.length} characters that ${flaw}`);
  };
  const error = (issue: { input?: unknown }) => `expected ${expected}, found ${describeKind(issue.input)}`;
  return z.union([checked(schema, parse), z.literal(false), z.null()], { error }).optional();
}

/** One of some words. */
export function choice<const Word extends string>(words: readonly Word[]) {
  const expected = words.map((word) => `"${word}"`).join(" or ");
  const error = (issue: { input?: unknown }) => {
    const nearest = typeof issue.input === "string" ? findNearestKey(issue.input, words) : null;
    const hint = nearest === null ? "" : `, the nearest is "${nearest}"`;
    return `expected ${expected}, found ${describeValue(issue.input)}${hint}`;
  };
  return z.enum(words, { error }).nullish();
}

/** A list; null is not set. */
export function list<Item extends z.ZodType>(expected: string, item: Item, least = 0) {
  const items = z.array(item, wrong(expected));
  const error = () => `expected ${expected}, found an empty list; leave the key out for its default`;
  return (least === 0 ? items : items.min(least, { error })).nullish();
}

/** A map with these keys and no others. */
export function section<Shape extends z.ZodRawShape>(expected: string, shape: Shape) {
  return z.strictObject(shape, wrong(expected));
}

function text<T>(expected: string, pattern: RegExp, parse: (found: string) => Parsed<T>) {
  const matching = z.string(wrong(expected)).meta({ pattern: pattern.source });
  return checked(matching, (found) => {
    const result = parse(found);
    return result.ok ? result : problem(`${result.problem}, found ${describeValue(found)}`);
  });
}

function checked<T>(schema: z.ZodString, parse: (found: string) => Parsed<T>) {
  return schema.transform((found, context) => {
    const result = parse(found);
    if (result.ok) return result.value;
    context.issues.push({ code: "custom", message: result.problem, input: found });
    return z.NEVER;
  });
}

/** Shows only what is clearly a file's name. */
function describePath(found: string): string {
  const isName = /^[\w.~:/ -]{1,200}\.(?:json|crt|cert|cer|pem|key|toml|sock|prom)$/.test(found);
  return isName ? quoteText(found) : "a text that is none";
}
