// Writes src/manifest-schema.ts from the Python package's JSON Schema; a test asserts that they are equal.
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";

const schema = readFileSync(new URL("../../cvae_runtime/manifest.schema.json", import.meta.url), "utf8");
const text = `// Made by \`npm run schema\` from manifest.schema.json of the Python package, which owns the format.
import type { Schema } from "@cfworker/json-schema";

export const MANIFEST_SCHEMA: Schema = ${schema}`;
writeFileSync(
  new URL("../src/manifest-schema.ts", import.meta.url),
  await format(text, { parser: "typescript", printWidth: 120 }),
);
