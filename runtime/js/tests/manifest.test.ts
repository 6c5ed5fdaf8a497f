import { readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { BundleError, InputError, type Manifest } from "../src/api.ts";
import { MANIFEST_SCHEMA } from "../src/manifest-schema.ts";
import { chooseGraph, parseManifest } from "../src/manifest.ts";
import { BUNDLES, readJson } from "./golden.ts";

const TEXT = readFileSync(join(BUNDLES.mnist, "manifest.json"), "utf8");

type Loose = Record<string, never>;

/** Parses the packaged manifest after a change to its JSON. */
function parse(change: (manifest: Loose) => void): Manifest {
  const value = JSON.parse(TEXT) as Loose;
  change(value);
  return parseManifest(new TextEncoder().encode(JSON.stringify(value)), "m.json");
}

test("the schema is that of the Python package; make it again by `npm run schema`", () => {
  expect(MANIFEST_SCHEMA).toEqual(readJson("runtime/cvae_runtime/manifest.schema.json"));
});

test("the packaged manifest is read, with unknown keys", () => {
  const manifest = parse((value) => Object.assign(value, { later: { version: 2 } }));
  expect(manifest.model.image_shape).toEqual([28, 28, 1]);
  expect(manifest.graphs.map(({ file }) => file)).toEqual([
    "encoder.onnx",
    "decoder.onnx",
    "decoder_cpu.onnx",
    "decoder_cpu_int8.onnx",
  ]);
});

test.each<[string, string]>([
  ["[1]", 'm.json: expected an object with "format": 1; this is not a bundle\'s manifest'],
  ["null", 'm.json: expected an object with "format": 1; this is not a bundle\'s manifest'],
  [
    '{"format": 2}',
    "m.json: expected format 1, found 2; use the version of cvae-toolkit that wrote it, or export the bundle again",
  ],
])("the text %s is refused", (text, message) => {
  expect(() => parseManifest(new TextEncoder().encode(text), "m.json")).toThrow(new BundleError(message));
});

// The message contains the error text of the JavaScript engine.
test.each(["{", '{"format": NaN}'])("the invalid JSON %s is refused", (text) => {
  const parsed = () => parseManifest(new TextEncoder().encode(text), "m.json");
  expect(parsed).toThrow(BundleError);
  expect(parsed).toThrow(/^m\.json: expected JSON: .*JSON.*; export the bundle again$/);
});

test.each<[string, string, string]>([
  ["a format of lists in lists", '"format": 1', `"format": ${"[".repeat(100_000)}${"]".repeat(100_000)}`],
  ["a recipe of lists in lists", '"config": {', `"config": {"a": ${"[".repeat(65)}${"]".repeat(65)}, `],
])("%s is refused", (_, before, after) => {
  expect(TEXT).toContain(before);
  expect(() => parseManifest(new TextEncoder().encode(TEXT.replace(before, after)), "m.json")).toThrow(
    new BundleError("m.json: expected JSON: lists and objects nested deeper than 64; export the bundle again"),
  );
});

test("an integer of 5,000 digits is refused", () => {
  const text = TEXT.replace(/"latent_dim": \d+/, `"latent_dim": ${"9".repeat(5000)}`);
  expect(() => parseManifest(new TextEncoder().encode(text), "m.json")).toThrow(
    new BundleError("m.json: expected JSON: a number beyond all that float64 holds; export the bundle again"),
  );
});

test("many graphs are refused", () => {
  const graphs = (manifest: Loose) => (manifest as unknown as { graphs: unknown[] }).graphs;
  const many = () => parse((manifest) => graphs(manifest).push(...Array<unknown>(253).fill(graphs(manifest)[0])));
  expect(many).toThrow(new BundleError("m.json: graphs: expected at most 256, found 257; export the bundle again"));
});

test("bytes that are not UTF-8 are refused", () => {
  expect(() => parseManifest(new Uint8Array([0x7b, 0xff]), "m.json")).toThrow(/^m\.json: expected JSON: /);
});

describe("errors name the field", () => {
  test.each<[string, (manifest: Loose) => void, string]>([
    [
      "a field that is missing",
      ({ model }: Loose) => delete (model as Loose).latent_dim,
      'model: Instance does not have required property "latent_dim"',
    ],
    [
      "a field of another type",
      ({ model }) => Object.assign(model, { latent_dim: "50" }),
      'model.latent_dim: Instance type "string" is invalid. Expected "integer"',
    ],
    [
      "a file outside",
      ({ golden }) => Object.assign(golden, { file: "../golden.json" }),
      "golden.file: String does not match pattern",
    ],
    [
      "a hash",
      ({ graphs }) => Object.assign(graphs[1], { sha256: "ab" }),
      "graphs[1].sha256: String does not match pattern",
    ],
    [
      "no portable encoder",
      ({ graphs }) => (graphs as unknown[]).shift(),
      "graphs: expected a portable float32 encoder, found none",
    ],
    [
      "no portable decoder",
      ({ graphs }) => (graphs as unknown[]).splice(1, 1),
      "graphs: expected a portable float32 decoder, found none",
    ],
    [
      "a decoder without its output",
      ({ graphs }) => Object.assign(graphs[1], { outputs: [{ name: "pixels", dtype: "float32", shape: ["batch"] }] }),
      'graphs[1].outputs: expected probs, for the likelihood "bernoulli", found pixels',
    ],
    [
      "a decoder without a scale",
      ({ model }) => Object.assign(model, { likelihood: "discretized-logistic" }),
      'graphs[1].outputs: expected probs and log_scale, for the likelihood "discretized-logistic", found probs',
    ],
    [
      "a decoder without a mixture",
      ({ model }) => Object.assign(model, { likelihood: "discretized-logistic-mixture" }),
      "graphs[1].outputs: expected probs and location and log_scale and mixture_logits, " +
        'for the likelihood "discretized-logistic-mixture", found probs',
    ],
  ])("%s", (_, change, message) => {
    expect(() => parse(change)).toThrow(new BundleError(`m.json: ${message}; export the bundle again`));
  });
});

test("the standard error of a single image is null", () => {
  const { training } = parse(({ training }) => Object.assign(training, { test_images: 1, test_elbo_stderr: null }));
  expect(training?.test_elbo_stderr).toBeNull();
});

test("graphs are chosen by role, precision and target", () => {
  const manifest = parse(() => undefined);
  const chosen = (...[role, precision, onCpu]: [string, "float32" | "int8", boolean]) =>
    chooseGraph(manifest, role, precision, onCpu).file;
  expect(chosen("decoder", "float32", true)).toBe("decoder_cpu.onnx");
  expect(chosen("decoder", "float32", false)).toBe("decoder.onnx");
  expect(chosen("decoder", "int8", true)).toBe("decoder_cpu_int8.onnx");
  expect(chosen("decoder", "int8", false)).toBe("decoder.onnx");
  expect(chosen("encoder", "int8", true)).toBe("encoder.onnx");
  expect(() => chooseGraph(manifest, "decoder", "float16", true)).toThrow(
    new InputError("precision float16: the bundle has graphs in float32, int8; choose one of them"),
  );
});
