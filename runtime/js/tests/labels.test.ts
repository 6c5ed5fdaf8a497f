/** Labels of a model with classes, and that other models refuse them. */

import { createHash } from "node:crypto";

import { afterAll, describe, expect, test } from "vitest";

import { fromFiles } from "../src/bundle.ts";
import { labelArray } from "../src/labels.ts";
import { loadOn } from "../src/load.ts";
import { parseManifest } from "../src/manifest.ts";
import * as cvae from "../src/node.ts";
import type { Ort, OrtSession } from "../src/ort.ts";
import { BUNDLES, filesOf, readGolden, valuesOf } from "./golden.ts";
import { platform, REAL } from "./stand-in.ts";

const model = await cvae.load(BUNDLES.labelled);
const plain = await cvae.load(BUNDLES.learned);
const IMAGES = Uint8Array.from(valuesOf(readGolden("labelled").images));
const SIZE = 12 * 16 * 3;
const NAMES = ["square", "tall", "wide"];
const NO_LABELS = "the model has no labels: leave label and labels out, or train one with cvae-train --labels";

afterAll(() => Promise.all([model.close(), plain.close()]));

test("the names are those of the manifest", () => {
  expect(model.labels).toEqual(NAMES);
  expect(model.manifest).toMatchObject({ format: 2, model: { labels: NAMES } });
  expect(plain.labels).toBeUndefined();
});

describe("a class", () => {
  test("is a name or an index, of all or of each", async () => {
    const [byName, byIndex] = [await model.generate(3, { label: "tall" }), await model.generate(3, { label: 1 })];
    expect(byIndex).toEqual(byName);
    expect(await model.generate(3, { labels: ["tall", 1, "tall"] })).toEqual(byName);
    expect(await model.generate(3, { label: "wide" })).not.toEqual(byName);
  });

  test("is none by default", async () => {
    const none = await model.generate(2);
    for (const options of [{ label: null }, { labels: [null, null] }, { label: undefined } as never]) {
      expect(await model.generate(2, options)).toEqual(none);
    }
    expect(await model.score(IMAGES)).toEqual(await model.score(IMAGES, { label: null }));
  });

  test("belongs to its image, in every micro-batch", async () => {
    const count = model.receipt().graphs.decoder.micro_batch + 3;
    const labels = Array.from({ length: count }, (_, n) => n % 3);
    const all = await model.generate(count, { seed: 7, labels });
    for (const n of [0, 1, count - 1]) {
      const one = await model.generate(1, { seed: 7, first: n, label: n % 3 });
      const part = all.data.subarray(n * SIZE, (n + 1) * SIZE);
      expect(Math.max(...one.data.map((value, i) => Math.abs(value - part[i])))).toBeLessThan(1e-6);
    }
    const { mean } = await model.encode(new Uint8Array(count * SIZE).fill(9), { labels });
    const row = (n: number) => [...mean.data.subarray(3 * n, 3 * n + 3)].map((value) => value.toFixed(4));
    expect(row(count - 1)).toEqual(row((count - 1) % 3));
    expect(row(0)).not.toEqual(row(1));
  });

  test("is copied before the call waits", async () => {
    const labels = [0, 1];
    const asked = Promise.all([model.generate(2), model.generate(2, { labels })]);
    labels.reverse();
    expect((await asked)[1]).toEqual(await model.generate(2, { labels: [0, 1] }));
  });

  test("keeps the noise", async () => {
    const labels = [0, 1, 2, null];
    const drawn = await model.latents(4, { seed: 3, labels });
    expect(await model.decode(drawn, { labels })).toEqual(await model.generate(4, { seed: 3, labels }));
    // The prior of this model is learned, so that its latents depend on the class.
    expect(drawn.data.subarray(0, 3)).not.toEqual((await model.latents(1, { seed: 3, label: 1 })).data);
  });

  test("belongs to all draws of its image", async () => {
    const { elbo } = await model.score(IMAGES.subarray(0, 2 * SIZE), { samples: 5, labels: [2, null] });
    const first = await model.score(IMAGES.subarray(0, SIZE), { samples: 5, label: 2 });
    const second = await model.score(IMAGES.subarray(SIZE, 2 * SIZE), { samples: 5, first: 1 });
    expect(elbo[0]).toBeCloseTo(first.elbo[0], 3);
    expect(elbo[1]).toBeCloseTo(second.elbo[0], 3);
  });
});

test("restyle takes one class for all images", async () => {
  const all = await model.restyle(IMAGES, ["wide"]);
  expect(all).toEqual(await model.restyle(IMAGES, ["wide", 2, "wide", 2]));
  const { data } = await model.classify(IMAGES);
  const own = [0, 1, 2, 3].map((image) => {
    const of = [...data.subarray(3 * image, 3 * image + 3)];
    return of.indexOf(Math.max(...of));
  });
  expect(all).toEqual(await model.restyle(IMAGES, ["wide"], { of: own }));
});

test("restyle to the class that is given for an image reconstructs it", async () => {
  const labels = ["tall", 2, 1, 0];
  const found = await model.restyle(IMAGES, labels, { of: labels });
  const { data, shape } = await model.reconstruct(IMAGES, { labels });
  expect(found.shape).toEqual(shape);
  found.data.forEach((value, index) => {
    expect(Math.abs(value - data[index])).toBeLessThan(1e-4);
  });
});

test("probabilities of the classes add up to 1", async () => {
  const { data, shape } = await model.classify(IMAGES);
  expect(shape).toEqual([4, 3]);
  for (let image = 0; image < 4; image++) {
    expect(data.subarray(3 * image, 3 * image + 3).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  }
});

describe("wrong classes are refused", () => {
  const list = (found: string) =>
    `labels: expected a list of 4 classes, one for each item, found ${found}; pass one for each`;
  test.each<[string, (m: cvae.Model) => Promise<unknown>, string]>([
    ["a name", (m) => m.generate(1, { label: "round" }), 'label must be one of square, tall, wide; found "round"'],
    ["an index above", (m) => m.latents(1, { label: 3 }), "label must be a name, or an index from 0 to 2; found 3"],
    [
      "an index below",
      (m) => m.encode(IMAGES, { label: -1 }),
      "label must be a name, or an index from 0 to 2; found -1",
    ],
    [
      "a fraction",
      (m) => m.decode(new Float32Array(3), { label: 0.5 }),
      "label must be a name, or an index from 0 to 2; found 0.5",
    ],
    [
      "another type",
      (m) => m.generate(1, { label: true as never }),
      "label must be a name, or an index from 0 to 2; found true",
    ],
    [
      "one of several",
      (m) => m.score(IMAGES, { labels: [0, 1, 2, 7] }),
      "labels[3] must be a name, or an index from 0 to 2; found 7",
    ],
    [
      "one that images have",
      (m) => m.restyle(IMAGES, [0], { of: [0, 1, 2, 7] }),
      "of[3] must be a name, or an index from 0 to 2; found 7",
    ],
    ["fewer", (m) => m.reconstruct(IMAGES, { labels: [0, 1] }), list("a list of 2")],
    ["a name for a list", (m) => m.encode(IMAGES, { labels: "tall" as never }), list('"tall"')],
    ["no list", (m) => m.encode(IMAGES, { labels: null as never }), list("null")],
    ["two for a style", (m) => m.restyle(IMAGES, [0, 1]), list("a list of 2")],
    ["a name for a style", (m) => m.restyle(IMAGES, "tall" as never), list('"tall"')],
    ["nothing for a style", (m) => m.restyle(IMAGES, undefined as never), list("a list of 0")],
    [
      "both",
      (m) => m.generate(1, { label: 0, labels: [0] }),
      "label and labels both choose the classes: give one of them",
    ],
    [
      "a walk's",
      (m) => m.interpolate(new Float32Array(3), new Float32Array(3), { label: "round" }),
      'label must be one of square, tall, wide; found "round"',
    ],
    [
      "a traversal's",
      (m) => m.traverse(new Float32Array(3), [0], { label: 3 }),
      "label must be a name, or an index from 0 to 2; found 3",
    ],
    ["a manifold's", (m) => m.manifold([0, 1], { label: 3 }), "label must be a name, or an index from 0 to 2; found 3"],
  ])("%s", async (_, call, message) => {
    await expect(call(model)).rejects.toThrow(new cvae.InputError(message));
  });

  test("a name among many", () => {
    const labels = Array.from({ length: 1012 }, (_, n) => String(n));
    expect(() => labelArray({ labels }, 1, { label: "x" })).toThrow(
      new cvae.InputError('label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1,002 more; found "x"'),
    );
    expect(() => labelArray({ labels }, 1000, { labels: [] })).toThrow(
      new cvae.InputError(
        "labels: expected a list of 1,000 classes, one for each item, found a list of 0; pass one for each",
      ),
    );
    expect(labelArray({ labels }, 2, {})).toEqual(new BigInt64Array([1012n, 1012n]));
  });

  test.each<[string, (m: cvae.Model) => Promise<unknown>]>([
    ["generate", (m) => m.generate(1, { label: "tall" })],
    ["latents", (m) => m.latents(1, { label: 0 })],
    ["encode", (m) => m.encode(IMAGES, { labels: [0, 0, 0, 0] })],
    ["decode", (m) => m.decode(new Float32Array(3), { label: 0 })],
    ["reconstruct", (m) => m.reconstruct(IMAGES, { label: 0 })],
    ["score", (m) => m.score(IMAGES, { label: 0 })],
    ["interpolate", (m) => m.interpolate(new Float32Array(3), new Float32Array(3), { label: 0 })],
    ["traverse", (m) => m.traverse(new Float32Array(3), [0], { label: 0 })],
    ["manifold", (m) => m.manifold([0, 1], { label: 0 })],
  ])("by %s of a model without labels", async (_, call) => {
    await expect(call(plain)).rejects.toThrow(new cvae.InputError(NO_LABELS));
  });

  test("by methods that need labels", async () => {
    const message = "expected a model with labels, found one without; train one with cvae-train --labels";
    await expect(plain.classify(IMAGES)).rejects.toThrow(new cvae.InputError(message));
    await expect(plain.restyle(IMAGES, [0])).rejects.toThrow(new cvae.InputError(message));
  });
});

test("only graphs of a model with labels get them, as int64", async () => {
  const fed: Record<string, string>[] = [];
  const create: Ort["InferenceSession"]["create"] = async (bytes, options) => {
    const session = await REAL.InferenceSession.create(bytes, { ...options, executionProviders: ["cpu"] });
    const { inputNames, outputNames } = session;
    const run: OrtSession["run"] = (feeds, fetches) => {
      fed.push(Object.fromEntries(Object.entries(feeds).map(([name, { type }]) => [name, type])));
      return session.run(feeds, fetches);
    };
    return { inputNames, outputNames, run, release: () => session.release() };
  };
  const spy: Ort = { Tensor: REAL.Tensor, env: REAL.env, InferenceSession: { create } };
  for (const name of ["labelled", "learned"] as const) {
    const opened = await loadOn(platform(spy), fromFiles(filesOf(name)), {});
    await opened.generate(1);
    await opened.score(IMAGES.subarray(0, SIZE));
    await opened.close();
  }
  const inputs = [{ noise: "float32" }, { z: "float32" }, { images: "uint8" }, { z: "float32" }, { z: "float32" }];
  expect(fed).toEqual([...inputs.map((one) => ({ ...one, label: "int64" })), ...inputs]);
});

describe("bundles are refused", () => {
  interface Loose {
    format: number;
    model: { labels?: unknown };
    graphs: { role: string; bytes: number; sha256: string; inputs: { name: string }[] }[];
    golden: { bytes: number; sha256: string };
  }
  const changedFiles = (change: (manifest: Loose) => unknown, others: Record<string, Uint8Array> = {}) => {
    const files = new Map([...filesOf("labelled"), ...Object.entries(others)]);
    const manifest = JSON.parse(new TextDecoder().decode(files.get("manifest.json"))) as Loose;
    change(manifest);
    files.set("manifest.json", new TextEncoder().encode(JSON.stringify(manifest)));
    return files;
  };
  const hashOf = (bytes: Uint8Array) => ({
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });

  test.each<[string, (manifest: Loose) => unknown, string]>([
    [
      "no names",
      (m) => (m.model.labels = 3),
      "m.json: model.labels: expected a list, found 3; export the bundle again",
    ],
    [
      "a graph without the input",
      (m) => m.graphs[0].inputs.pop(),
      "m.json: graphs[0].inputs: expected the input label, for a model with labels, found none; export the bundle again",
    ],
  ])("%s", (_, change, message) => {
    const bytes = changedFiles(change).get("manifest.json") ?? new Uint8Array();
    expect(() => parseManifest(bytes, "m.json")).toThrow(new cvae.BundleError(message));
  });

  test("labels without format 2", () => {
    const files = changedFiles((m) => {
      m.format = 1;
      delete (m.model as Record<string, unknown>).prior;
    });
    expect(() => parseManifest(files.get("manifest.json") ?? new Uint8Array(), "m.json")).toThrow(
      new cvae.BundleError("m.json: format: expected 2, for labels, found 1; export the bundle again"),
    );
  });

  test("a graph that takes labels, of a model that has none", async () => {
    const opened = await cvae.load(changedFiles((m) => delete m.model.labels));
    await expect(opened.encode(IMAGES)).rejects.toThrow(
      new cvae.BundleError(
        "encoder.onnx: expected images -> mean, logvar; found images, label -> mean, logvar; export it again",
      ),
    );
  });

  test("a graph that takes no labels, of a model that has some", async () => {
    const other = filesOf("learned").get("decoder.onnx") ?? new Uint8Array();
    const files = changedFiles(
      (m) => Object.assign(m.graphs.find(({ role }) => role === "decoder") ?? {}, hashOf(other)),
      { "decoder.onnx": other },
    );
    await expect((await cvae.load(files)).decode(new Float32Array(3))).rejects.toThrow(
      new cvae.BundleError(
        "decoder.onnx: expected z, label -> probs, log_scale; found z -> probs, log_scale; export it again",
      ),
    );
  });

  test.each<[string, (inputs: Record<string, { dtype: string; shape: number[] }>) => unknown, RegExp]>([
    [
      "no labels",
      (inputs) => delete inputs.label,
      /^golden\.json: the vectors do not fit encoder\.onnx; export the bundle again$/,
    ],
    [
      "labels of another type",
      (inputs) => (inputs.label = { ...inputs.images }),
      /^golden\.json: the vectors do not fit encoder\.onnx; export the bundle again$/,
    ],
    [
      "no images",
      (inputs) => delete inputs.images,
      /^golden\.json: the vectors do not fit encoder\.onnx; export the bundle again$/,
    ],
    [
      "an unknown type",
      (inputs) => (inputs.label.dtype = "int8"),
      /^golden\.json: not golden vectors: dtype must be uint8, bool, float32 or int64; found "int8"; export the bundle again$/,
    ],
  ])("golden vectors with %s", async (_, change, message) => {
    const golden = JSON.parse(new TextDecoder().decode(filesOf("labelled").get("golden.json"))) as {
      cases: { inputs: Record<string, { dtype: string; shape: number[] }> }[];
    };
    change(golden.cases[0].inputs);
    const bytes = new TextEncoder().encode(JSON.stringify(golden));
    const opened = await cvae.load(
      changedFiles((m) => Object.assign(m.golden, hashOf(bytes)), { "golden.json": bytes }),
    );
    await expect(opened.selfCheck()).rejects.toThrow(message);
    await opened.close();
  });
});
