/** Detection with a calibrated bundle; node.test.ts compares it with Python. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

import { findBox, smoothMap } from "../src/heat-map.ts";
import * as cvae from "../src/node.ts";
import { BUNDLES, filesOf, readGolden, valuesOf } from "./golden.ts";

const [HEIGHT, WIDTH] = [12, 16];
const SIZE = HEIGHT * WIDTH * 3;
const images = Uint8Array.from(valuesOf(readGolden("detector").images));
const model = await cvae.load(BUNDLES.detector);

afterAll(() => model.close());

test("a detection has an alarm, a box and a map for each image", async () => {
  const { alarm, boxes, map, mapThreshold } = await model.detect(images);
  expect(alarm).toEqual([false, true, false, true]);
  expect(boxes).toEqual([
    null,
    { top: 2, left: 4, bottom: 9, right: 8 },
    null,
    { top: 0, left: 0, bottom: 12, right: 16 },
  ]);
  expect(map.shape).toEqual([4, HEIGHT, WIDTH]);
  expect(map.data).toHaveLength(4 * HEIGHT * WIDTH);
  expect(mapThreshold).toBe(model.manifest.detector?.map_threshold);
});

test("an image has the same bits in any call", async () => {
  const all = await model.detect(images);
  for (const image of [0, 1, 3]) {
    const one = await model.detect(images.subarray(image * SIZE, (image + 1) * SIZE));
    expect([one.score[0], one.pValue[0], one.alarm[0]]).toEqual([
      all.score[image],
      all.pValue[image],
      all.alarm[image],
    ]);
    const size = HEIGHT * WIDTH;
    expect(one.map.data).toEqual(all.map.data.slice(image * size, (image + 1) * size));
    expect(one.boxes).toEqual([all.boxes[image]]);
  }
});

test("an alarm is a score above the threshold", async () => {
  const { score, alarm, pValue } = await model.detect(await model.generate(20, { seed: 5, temperature: 2 }));
  const { threshold, false_alarms: rate } = model.manifest.detector ?? { threshold: NaN, false_alarms: NaN };
  expect(alarm).toEqual(Array.from(score, (value) => value > threshold));
  expect(alarm).toEqual(Array.from(pValue, (value) => value <= rate));
});

test("the detector is one of the model's graphs, and part of its self-check", async () => {
  expect(model.graphs.detector?.file).toBe("detector.onnx");
  expect(model.receipt().graphs.detector).toEqual({ file: "detector.onnx", precision: "float32", micro_batch: 1 });
  const { agrees, results } = await model.selfCheck();
  expect(agrees).toBe(true);
  const checked = results.filter(({ file }) => file === "detector.onnx").map(({ output }) => output);
  expect(checked).toEqual(["score", "map", "p_value", "alarm"]);
});

test("images are checked", async () => {
  await expect(model.detect(new Uint8Array(5))).rejects.toThrow(
    new cvae.InputError(
      "images must be raw pixels 0 to 255 of images of shape [12, 16, 3], 576 values each; found 5 values",
    ),
  );
});

test("a model without a detector", async () => {
  const plain = await cvae.load(BUNDLES.colour);
  expect(plain.graphs.detector).toBeUndefined();
  await expect(plain.detect(images)).rejects.toThrow(
    new cvae.InputError(
      "the model has no detector: expected a bundle that cvae-calibrate wrote; " +
        "make one from images of good parts: cvae-calibrate BUNDLE GOOD -o NEW",
    ),
  );
  await plain.close();
});

test("a bundle without the detector's file still generates", async () => {
  const files = filesOf("detector");
  const partial = await cvae.load(files);
  expect((await partial.generate(1)).shape).toEqual([1, HEIGHT, WIDTH, 3]);
  await expect(partial.detect(images)).rejects.toThrow(
    new cvae.IntegrityError(
      "detector.onnx: is not among the files: manifest.json, encoder.onnx, decoder.onnx, golden.json; get the bundle again",
    ),
  );
  expect((await partial.selfCheck()).results.some(({ file }) => file === "detector.onnx")).toBe(false);
  await partial.close();
  const whole = await cvae.load(files.set("detector.onnx", readFileSync(join(BUNDLES.detector, "detector.onnx"))));
  expect((await whole.detect(images)).alarm).toEqual([false, true, false, true]);
  await whole.close();
});

test("a map is averaged over the neighbourhoods that lie in it", () => {
  expect([...smoothMap(Float32Array.from([9, 0, 0, 0, 0, 0]), 2, 3)]).toEqual([2.25, 1.5, 0, 2.25, 1.5, 0]);
});

test("a box surrounds the largest region, or the first of equal ones", () => {
  const box = (rows: number[][], threshold = 1) => {
    const found = findBox(Float64Array.from(rows.flat()), rows.length, rows[0].length, threshold);
    return found && [found.top, found.left, found.bottom, found.right];
  };
  // Corners touch.
  expect(
    box([
      [0, 5, 0],
      [0, 0, 5],
    ]),
  ).toEqual([0, 1, 2, 3]);
  expect(
    box([
      [5, 0, 5, 5],
      [0, 0, 0, 0],
      [0, 5, 5, 0],
    ]),
  ).toEqual([0, 2, 1, 4]);
  expect(box([[1, 0]])).toBeNull(); // not greater than the threshold
  expect(box([[9, 9]], 2)).toEqual([0, 0, 1, 2]);
});

test("a region may have more pixels than a function takes arguments", () => {
  const side = 512;
  const values = new Float64Array(side * side).fill(9);
  expect(findBox(values, side, side, 1)).toEqual({ top: 0, left: 0, bottom: side, right: side });
});
