/**
 * Check JSON values by a JSON Schema: the keywords of 2020-12 that the manifest's schema uses, and no others.
 * `runtime/cvae_runtime/_bundle/schema.py` has the same rules and messages in Python.
 */

export interface Schema {
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly title?: string;
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly not?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly if?: Schema;
  readonly then?: Schema;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly items?: Schema;
  readonly contains?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly maxLength?: number;
}

/**
 * Returns the first error of a value, as "<path>: expected <this>, found <that>"; undefined if the value is valid.
 * A schema's `title` replaces the words for what is expected.
 */
export function findError(value: unknown, schema: Schema): string | undefined {
  return errors(value, schema, "", schema.$defs ?? {}).next().value;
}

/** A JSON value as text, cut to 60 characters. */
export function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function* errors(
  value: unknown,
  schema: Schema,
  path: string,
  definitions: Readonly<Record<string, Schema>>,
): Generator<string, undefined> {
  const error = (words: string, found = excerpt(value)) =>
    `${path || "manifest"}: expected ${schema.title ?? words}, found ${found}`;
  const below = (rule: Schema, inner = value, where = path) => errors(inner, rule, where, definitions);
  const holds = (rule: Schema, inner = value) => below(rule, inner).next().done === true;
  const child = (key: string) => (path ? `${path}.${key}` : key);

  if (schema.$ref !== undefined) yield* below(definitions[schema.$ref.replace("#/$defs/", "")]);
  if (schema.type !== undefined && !isOf(schema.type, value)) yield error(wordsOf(schema));
  if (schema.enum?.includes(value as string) === false) yield error(`one of ${schema.enum.join(", ")}`);
  if ("const" in schema && value !== schema.const) yield error(String(schema.const));
  if (schema.not !== undefined && holds(schema.not)) yield error("another value");
  if (schema.anyOf?.some((rule) => holds(rule)) === false) {
    // The errors of the only alternative besides null say more than "an object".
    const others = schema.anyOf.filter(({ type }) => type !== "null");
    if (others.length === 1) yield* below(others[0]);
    else yield error(others.map(wordsOf).join(" or "));
  }
  if (isObject(value)) {
    const { properties = {}, required = [], additionalProperties } = schema;
    for (const key of new Set([...Object.keys(properties), ...required])) {
      if (Object.hasOwn(value, key)) yield* below(properties[key] ?? {}, value[key], child(key));
      else if (required.includes(key)) yield `${child(key)}: expected, but missing`;
    }
    for (const key of additionalProperties === undefined ? [] : Object.keys(value)) {
      if (!Object.hasOwn(properties, key)) yield* below(additionalProperties ?? {}, value[key], child(key));
    }
  }
  if (Array.isArray(value)) {
    const { minItems: low = 0, maxItems: high = Infinity, items, contains } = schema;
    if (low === high && value.length !== low) yield error(`a list of ${low}`);
    else if (value.length < low) yield error(`at least ${low}`, String(value.length));
    else if (value.length > high) yield error(`at most ${high}`, String(value.length));
    else if (schema.uniqueItems === true && new Set(value.map((item) => JSON.stringify(item))).size < value.length) {
      yield error("different items");
    }
    if (items !== undefined) for (const [n, item] of value.entries()) yield* below(items, item, `${path}[${n}]`);
    if (contains !== undefined && !value.some((item) => holds(contains, item))) yield error("an item", "none");
  }
  const { minimum: low = -Infinity, maximum: high = Infinity, pattern = "", maxLength = Infinity } = schema;
  if (typeof value === "number" && !(low <= value && value <= high)) {
    yield error(high === Infinity ? `at least ${low}` : `${low} to ${high}`);
  }
  if (typeof value === "string" && !(new RegExp(pattern, "u").test(value) && value.length <= maxLength)) {
    yield error("another text");
  }
  for (const rule of schema.allOf ?? []) yield* below(rule);
  if (schema.if !== undefined && holds(schema.if)) yield* below(schema.then ?? {});
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOf(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "object") return isObject(value);
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function wordsOf({ type = "", minItems }: Schema): string {
  const words = { array: "a list", integer: "an integer", object: "an object" }[type] ?? `a ${type}`;
  return minItems === undefined ? words : `${words} of ${minItems}`;
}
