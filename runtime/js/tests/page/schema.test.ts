/** The page's own schema check gives the same errors as the library. */

import { Validator as Whole } from "@cfworker/json-schema";
import { expect, test } from "vitest";

import { Validator } from "../../page/schema.ts";
import { MANIFEST_SCHEMA } from "../../src/manifest-schema.ts";
import { BUNDLES, readJson } from "../golden.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const MANIFEST = readJson(`${BUNDLES.mnist.replace(/.*(?=runtime\/cvae_runtime)/, "")}/manifest.json`) as Json;
const WRONG: Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  "",
  "decoder",
  "cpu",
  "../up",
  "a\n",
  "x".repeat(200),
  [],
  [0, 0, 0, 0],
  {},
];

/** The errors of both, without the keyword's location in the schema. */
function said(value: Json): unknown {
  const plain = (errors: { instanceLocation: string; keyword: string; error: string }[]) =>
    errors.map(({ instanceLocation, keyword, error }) => ({ instanceLocation, keyword, error }));
  const ours = plain(new Validator(MANIFEST_SCHEMA).validate(value).errors);
  expect(ours).toEqual(plain(new Whole(MANIFEST_SCHEMA, "2020-12").validate(value).errors));
  return ours.at(-1);
}

/** Yields every copy of a value with one place changed or removed. */
function* changed(value: Json): Generator<Json> {
  yield* WRONG;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield value.filter((_, place) => place !== index);
      for (const other of changed(item)) yield value.map((kept, place) => (place === index ? other : kept));
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      const rest = Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
      yield rest;
      for (const other of changed(item)) yield { ...value, [key]: other };
    }
  }
}

test("a good manifest has no errors", () => {
  expect(said(MANIFEST)).toBeUndefined();
});

test("damaged manifests give the same errors", () => {
  let refused = 0;
  for (const value of changed(MANIFEST)) if (said(value) !== undefined) refused++;
  expect(refused).toBeGreaterThan(1000);
});

test("an unknown keyword of a schema is refused", () => {
  expect(() => new Validator({ uniqueItems: true }).validate([])).toThrow(
    "the page's schema check does not know uniqueItems",
  );
});
