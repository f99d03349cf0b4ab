// The published JSON Schema of the mirror config, for completion and checks in editors. Draft 7 is what
// they all know. Other people's documents in a cluster file are let through, as the agent skips them.

import * as z from "zod";
import { configSchema } from "./schema.ts";

/** The text of docs/mirror-agent.schema.json. */
export function renderJsonSchema(): string {
  const { $schema, ...ours } = z.toJSONSchema(configSchema, { target: "draft-7", io: "input", override: keepExamples });
  const schema = {
    $schema,
    title: "mirror-agent config",
    description: "/etc/mirror-agent/config.yaml: the registry mirrors of this node, as in a bmctl cluster file.",
    if: { type: "object", required: ["apiVersion", "kind"] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: {},
    else: { anyOf: [{ type: "null" }, ours] },
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** Zod leaves out examples of values that it transforms, since they could be of the outcome; ours are of the file. */
function keepExamples({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodTypes;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}) {
  const examples = z.globalRegistry.get(zodSchema)?.examples;
  if (Array.isArray(examples)) jsonSchema.examples = examples;
}
