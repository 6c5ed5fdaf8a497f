import { expect, test } from "vitest";

import { InputError, imageGrid, toUint8 } from "../src/api.ts";

test("levels are rounded half to even, up to half a level outside [0, 1]", () => {
  const values = [-0.0019, 0, 0.5, 1.5 / 255, 2.5 / 255, 1, 1.0019];
  expect([...toUint8(new Float32Array(values))]).toEqual([0, 0, 128, 2, 2, 255, 255]);
  expect([...toUint8(new Float64Array(values))]).toEqual([0, 0, 128, 2, 2, 255, 255]);
});

test("raw pixels are copied unchanged", () => {
  const pixels = new Uint8Array([0, 1, 128, 255]);
  for (const images of [pixels, new Uint8ClampedArray(pixels), { data: pixels }, Buffer.from(pixels)]) {
    const levels = toUint8(images);
    expect(levels.constructor).toBe(Uint8Array);
    expect([...levels]).toEqual([0, 1, 128, 255]);
    levels.fill(7);
  }
  expect([...pixels]).toEqual([0, 1, 128, 255]);
});

test("a grid accepts raw pixels", () => {
  const shape = [4, 2, 2, 1];
  const pixels = Uint8Array.from({ length: 16 }, (_, i) => 17 * i);
  const values = Float32Array.from(pixels, (pixel) => pixel / 255);
  expect(imageGrid({ data: pixels, shape })).toEqual(imageGrid({ data: values, shape }));
});

// Same cases as in tests/runtime/images/test_grid.py.
test.each([
  [new Float32Array([0.5, NaN]), "NaN"],
  [new Float32Array([0.5, 255]), "255.000"],
  [new Float64Array([0.5, 1.002]), "1.002"],
  [new Float32Array([-0.25, 2]), "-0.250"],
  [new Float32Array([Infinity]), "larger numbers"],
  [new Float32Array([-1e9]), "larger numbers"],
  [new BigInt64Array([0n, 255n]), "int64"],
  [new Uint16Array([0, 255]), "uint16"],
  [[0.5], "Array"],
  [undefined, "undefined"],
])("%o is no image", (images, what) => {
  const message = `images must be uint8, or floats in [0, 1]; found ${what}: scale or convert them`;
  expect(() => toUint8(images as Float32Array)).toThrow(new InputError(message));
  const data = images as Float32Array;
  expect(() => imageGrid({ data, shape: [1, 1, 2, 1] })).toThrow(new InputError(message));
});

test.each([[[3, 1, 1]], [[0, 1, 1, 1]], [[2, 2, 2, 1]]])("the shape %o is refused", (shape) => {
  const length = shape.length === 3 ? 3 : shape[0];
  const message = `images must have the shape (N, H, W, C) and hold at least one; found ${length} values of (${shape.join(", ")})`;
  expect(() => imageGrid({ data: new Uint8Array(length), shape })).toThrow(new InputError(message));
});

test("a grid is square, on grey", () => {
  const picture = imageGrid({ data: new Float32Array([0, 1, 0.2, 0.4, 0.6]), shape: [5, 1, 1, 1] }, { padding: 0 });
  expect([picture.width, picture.height]).toEqual([3, 2]);
  expect([...picture.data].filter((_, i) => i % 4 === 1)).toEqual([0, 255, 51, 102, 153, 128]);
  expect([...picture.data].filter((_, i) => i % 4 === 3)).toEqual(Array(6).fill(255));
});

test("colours, padding and scale", () => {
  const picture = imageGrid({ data: new Float32Array([1, 0, 0.2]), shape: [1, 1, 1, 3] }, { scale: 2 });
  expect([picture.width, picture.height]).toEqual([4, 4]);
  const pixel = (x: number, y: number) => [...picture.data.slice(4 * (4 * y + x), 4 * (4 * y + x) + 4)];
  expect(pixel(0, 0)).toEqual([128, 128, 128, 255]);
  for (const [x, y] of [
    [1, 1],
    [2, 2],
  ])
    expect(pixel(x, y)).toEqual([255, 0, 51, 255]);
});

test.each([
  [{ columns: 0 }, "columns must be a whole number of at least 1; found 0"],
  [{ padding: -1 }, "padding must be a whole number of at least 0; found -1"],
  [{ scale: 1.5 }, "scale must be a whole number of at least 1; found 1.5"],
])("%o is refused", (options, message) => {
  const images = { data: new Float32Array(1), shape: [1, 1, 1, 1] } as const;
  expect(() => imageGrid(images, options)).toThrow(new InputError(message));
});
