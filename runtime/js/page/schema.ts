/**
 * The part of JSON Schema 2020-12 that the manifest's schema uses. Replaces @cfworker/json-schema at a tenth of its size,
 * with the same interface and the same error texts. Unknown keywords raise an error.
 */

import type { OutputUnit } from "@cfworker/json-schema";

type Rules = Readonly<Record<string, unknown>>;
type Items = readonly unknown[];
type Fields = Readonly<Record<string, unknown>>;

/** Context of a check: the value's place, and the whole schema for references. */
interface Place {
  readonly at: string;
  readonly root: Rules;
}

type Check = (rule: never, value: unknown, place: Place, schema: Rules) => OutputUnit[];

const ANNOTATIONS = new Set(["$schema", "$defs", "$comment", "title", "description"]);

const isList = (value: unknown): value is Items => Array.isArray(value);
const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !isList(value);
const typeOf = (value: unknown) => (value === null ? "null" : isList(value) ? "array" : typeof value);
const has = (value: Fields, key: string) => Object.hasOwn(value, key);

function unit(place: Place, keyword: string, error: string, inner: OutputUnit[] = []): OutputUnit[] {
  return [{ instanceLocation: place.at, keyword, keywordLocation: "", error }, ...inner];
}

function inside(place: Place, key: string | number): Place {
  const step = encodeURI(String(key).replaceAll("~", "~0").replaceAll("/", "~1")).replaceAll("#", "%23");
  return { ...place, at: `${place.at}/${step}` };
}

/** Adds the keyword's own error to those of a subschema; no errors if the subschema holds. */
function below(place: Place, keyword: string, error: string, errors: OutputUnit[]): OutputUnit[] {
  return errors.length > 0 ? unit(place, keyword, error, errors) : [];
}

/** The keywords, in the order of checking. */
const CHECKS: Record<string, Check> = {
  $ref: (rule: string, value, place) => {
    const target = rule
      .split("/")
      .slice(1)
      .reduce((part, key) => part[key] as Rules, place.root);
    return below(place, "$ref", "A subschema had errors.", validate(value, target, place));
  },
  type: (rule: string, value, place) => {
    const fits = rule === "integer" ? Number.isInteger(value) : typeOf(value) === rule;
    return fits ? [] : unit(place, "type", `Instance type "${typeOf(value)}" is invalid. Expected "${rule}".`);
  },
  const: (rule: unknown, value, place) =>
    value === rule ? [] : unit(place, "const", `Instance does not match ${JSON.stringify(rule)}.`),
  enum: (rule: Items, value, place) =>
    rule.includes(value) ? [] : unit(place, "enum", `Instance does not match any of ${JSON.stringify(rule)}.`),
  not: (rule: Rules, value, place) =>
    validate(value, rule, place).length > 0 ? [] : unit(place, "not", 'Instance matched "not" schema.'),
  anyOf: (rule: readonly Rules[], value, place) => {
    const all = rule.map((schema) => validate(value, schema, place));
    if (all.some((errors) => errors.length === 0)) return [];
    return unit(place, "anyOf", "Instance does not match any subschemas.", all.flat());
  },
  allOf: (rule: readonly Rules[], value, place) => {
    const errors = rule.flatMap((schema) => validate(value, schema, place));
    return below(place, "allOf", "Instance does not match every subschema.", errors);
  },
  if: (rule: Rules, value, place, { then }) => {
    if (validate(value, rule, place).length > 0) return [];
    return below(place, "if", 'Instance does not match "then" schema.', validate(value, then as Rules, place));
  },
  then: () => [],
  required: (rule: readonly string[], value, place) =>
    rule
      .filter((key) => isObject(value) && !has(value, key))
      .flatMap((key) => unit(place, "required", `Instance does not have required property "${key}".`)),
  properties: (rule: Readonly<Record<string, Rules>>, value, place) => {
    if (!isObject(value)) return [];
    for (const [key, schema] of Object.entries(rule)) {
      const errors = has(value, key) ? validate(value[key], schema, inside(place, key)) : [];
      if (errors.length > 0) return unit(place, "properties", `Property "${key}" does not match schema.`, errors);
    }
    return [];
  },
  additionalProperties: (rule: Rules, value, place, { properties = {} }) => {
    if (!isObject(value)) return [];
    const others = Object.keys(value).filter((key) => !has(properties as Fields, key));
    return others.flatMap((key) => {
      const message = `Property "${key}" does not match additional properties schema.`;
      return below(place, "additionalProperties", message, validate(value[key], rule, inside(place, key)));
    });
  },
  maxItems: (rule: number, value, place) => {
    if (!isList(value) || value.length <= rule) return [];
    return unit(place, "maxItems", `Array has too many items (${value.length} > ${rule}).`);
  },
  minItems: (rule: number, value, place) => {
    if (!isList(value) || value.length >= rule) return [];
    return unit(place, "minItems", `Array has too few items (${value.length} < ${rule}).`);
  },
  items: (rule: Rules, value, place) => {
    for (const [index, item] of isList(value) ? value.entries() : []) {
      const errors = validate(item, rule, inside(place, index));
      if (errors.length > 0) return unit(place, "items", "Items did not match schema.", errors);
    }
    return [];
  },
  contains: (rule: Rules, value, place) => {
    if (!isList(value)) return [];
    const all = value.map((item, index) => validate(item, rule, inside(place, index)));
    if (all.some((errors) => errors.length === 0)) return [];
    const empty = "Array is empty. It must contain at least one item matching the schema.";
    return unit(place, "contains", all.length > 0 ? "Array does not contain item matching schema." : empty);
  },
  minimum: (rule: number, value, place) =>
    typeof value === "number" && value < rule ? unit(place, "minimum", `${value} is less than ${rule}.`) : [],
  maximum: (rule: number, value, place) =>
    typeof value === "number" && value > rule ? unit(place, "maximum", `${value} is greater than ${rule}.`) : [],
  maxLength: (rule: number, value, place) => {
    const length = typeof value === "string" ? Array.from(value).length : 0;
    return length > rule ? unit(place, "maxLength", `String is too long (${length} > ${rule}).`) : [];
  },
  pattern: (rule: string, value, place) => {
    const fits = typeof value !== "string" || new RegExp(rule, "u").test(value);
    return fits ? [] : unit(place, "pattern", "String does not match pattern.");
  },
};

function validate(value: unknown, schema: Rules, place: Place): OutputUnit[] {
  const unknown = Object.keys(schema).filter((keyword) => !has(CHECKS, keyword) && !ANNOTATIONS.has(keyword));
  if (unknown.length > 0) throw new Error(`the page's schema check does not know ${unknown.join(", ")}`);
  return Object.entries(CHECKS).flatMap(([keyword, check]) =>
    has(schema, keyword) ? check(schema[keyword] as never, value, place, schema) : [],
  );
}

export class Validator {
  readonly #schema: Rules;

  constructor(schema: Rules) {
    this.#schema = schema;
  }

  validate(value: unknown): { valid: boolean; errors: OutputUnit[] } {
    const errors = validate(value, this.#schema, { at: "#", root: this.#schema });
    return { valid: errors.length === 0, errors };
  }
}
