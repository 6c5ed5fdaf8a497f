import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { BundleError, InputError, type Manifest } from "../src/api.ts";
import { parseManifest, rankGraphs } from "../src/manifest.ts";
import { BUNDLES, readJson } from "./golden.ts";

const TEXT = readFileSync(join(BUNDLES.mnist, "manifest.json"), "utf8");

type Loose = Record<string, never>;

/** Parses the packaged manifest after a change to its JSON. */
function parse(change: (manifest: Loose) => void): Manifest {
  const value = JSON.parse(TEXT) as Loose;
  change(value);
  return parseManifest(new TextEncoder().encode(JSON.stringify(value)), "m.json");
}

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

test.each(["[1]", "null"])("the text %s is no manifest", (text) => {
  const message = 'm.json: expected an object with "format": 1; this is not a bundle\'s manifest';
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

interface Case {
  path: (string | number)[];
  value?: unknown;
  message: string;
}

test.each(readJson("tests/golden/manifest.json") as Case[])(
  "$message, as in Python",
  ({ path, message, ...change }) => {
    const changed = () =>
      parse((manifest) => {
        const holder = path.slice(0, -1).reduce<Loose>((part, key) => part[key], manifest);
        const key = path[path.length - 1];
        if ("value" in change) Object.assign(holder, { [key]: change.value });
        else Reflect.deleteProperty(holder, key);
      });
    expect(changed).toThrow(new BundleError(`m.json: ${message}`));
  },
);

test("the standard error of a single image is null", () => {
  const { training } = parse(({ training }) => Object.assign(training, { test_images: 1, test_elbo_stderr: null }));
  expect(training?.test_elbo_stderr).toBeNull();
});

test("the exported checkpoint is optional", () => {
  const older = parse(() => undefined).training;
  expect([older?.epoch, older?.checkpoint]).toEqual([undefined, undefined]);
  const { training } = parse(({ training }) => Object.assign(training, { epoch: 7, checkpoint: "best" }));
  expect([training?.epoch, training?.checkpoint]).toEqual([7, "best"]);
});

test("graphs are ranked by role, precision and target", () => {
  const manifest = parse(() => undefined);
  const ranked = (...[role, precision, onCpu]: [string, "float32" | "int8", boolean]) =>
    rankGraphs(manifest, role, precision, onCpu).map(({ file }) => file);
  expect(ranked("decoder", "float32", true)).toEqual(["decoder_cpu.onnx", "decoder.onnx"]);
  expect(ranked("decoder", "float32", false)).toEqual(["decoder.onnx"]);
  expect(ranked("decoder", "int8", true)).toEqual(["decoder_cpu_int8.onnx", "decoder_cpu.onnx", "decoder.onnx"]);
  expect(ranked("decoder", "int8", false)).toEqual(["decoder.onnx"]);
  expect(ranked("encoder", "int8", true)).toEqual(["encoder.onnx"]);
  expect(() => rankGraphs(manifest, "decoder", "float16", true)).toThrow(
    new InputError("precision float16: the bundle has graphs in float32, int8; choose one of them"),
  );
});
