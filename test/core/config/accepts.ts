// As much of JSON Schema (draft 7) as the published schema uses. A keyword that is not known here fails
// the test that meets it, so that nothing passes unchecked.

export interface JsonSchema {
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly if?: JsonSchema;
  readonly then?: JsonSchema;
  readonly else?: JsonSchema;
}

type Check = (schema: JsonSchema, value: unknown) => boolean;

const always: Check = () => true;
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const CHECKS: Record<string, Check> = {
  $schema: always,
  title: always,
  description: always,
  examples: always,
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: always,
  else: always,
  type: ({ type }, value) => [type].flat().some((name) => hasType(name ?? "", value)),
  const: (schema, value) => value === schema.const,
  enum: (schema, value) => schema.enum?.includes(value) ?? false,
  pattern: ({ pattern = "" }, value) => typeof value !== "string" || new RegExp(pattern, "u").test(value),
  minLength: ({ minLength = 0 }, value) => typeof value !== "string" || value.length >= minLength,
  minimum: ({ minimum = 0 }, value) => typeof value !== "number" || value >= minimum,
  maximum: ({ maximum = 0 }, value) => typeof value !== "number" || value <= maximum,
  minItems: ({ minItems = 0 }, value) => !Array.isArray(value) || value.length >= minItems,
  items: ({ items = {} }, value) => !Array.isArray(value) || value.every((item) => accepts(items, item)),
  required: ({ required = [] }, value) => !isMap(value) || required.every((key) => Object.hasOwn(value, key)),
  properties: ({ properties = {} }, value) =>
    !isMap(value) ||
    Object.entries(properties).every(([key, inner]) => !Object.hasOwn(value, key) || accepts(inner, value[key])),
  propertyNames: ({ propertyNames = {} }, value) =>
    !isMap(value) || Object.keys(value).every((key) => accepts(propertyNames, key)),
  additionalProperties: ({ additionalProperties: others = true, properties = {} }, value) =>
    !isMap(value) ||
    Object.keys(value)
      .filter((key) => !Object.hasOwn(properties, key))
      .every((key) => (typeof others === "boolean" ? others : accepts(others, value[key]))),
  anyOf: ({ anyOf = [] }, value) => anyOf.some((inner) => accepts(inner, value)),
  if: (schema, value) => accepts((accepts(schema.if ?? {}, value) ? schema.then : schema.else) ?? {}, value),
};

/** Whether a value is valid under a schema; throws on a keyword that it does not know. */
export function accepts(schema: JsonSchema, value: unknown): boolean {
  return Object.keys(schema).every((keyword) => {
    const check = CHECKS[keyword];
    if (check === undefined) throw new Error(`Cannot check keyword "${keyword}": it is not known here`);
    return check(schema, value);
  });
}

function hasType(name: string, value: unknown): boolean {
  if (name === "null") return value === null;
  if (name === "array") return Array.isArray(value);
  if (name === "object") return isMap(value);
  if (name === "integer") return Number.isSafeInteger(value);
  return typeof value === name;
}
