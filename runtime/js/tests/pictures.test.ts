import { expect, test } from "vitest";

import { InputError, pictureGrid, toUint8 } from "../src/api.ts";

test("levels are clipped, and rounded half to even", () => {
  const values = new Float32Array([-1, 0, 0.5, 1.5 / 255, 2.5 / 255, 1, 2, NaN]);
  expect([...toUint8(values)]).toEqual([0, 0, 128, 2, 2, 255, 255, 0]);
});

test("a grid is as square as can be, on grey", () => {
  const picture = pictureGrid({ data: new Float32Array([0, 1, 0.2, 0.4, 0.6]), shape: [5, 1, 1, 1] }, { padding: 0 });
  expect([picture.width, picture.height]).toEqual([3, 2]);
  expect([...picture.data].filter((_, i) => i % 4 === 1)).toEqual([0, 255, 51, 102, 153, 128]);
  expect([...picture.data].filter((_, i) => i % 4 === 3)).toEqual(Array(6).fill(255));
});

test("colours, padding and scale", () => {
  const picture = pictureGrid({ data: new Float32Array([1, 0, 0.2]), shape: [1, 1, 1, 3] }, { scale: 2 });
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
  expect(() => pictureGrid(images, options)).toThrow(new InputError(message));
});
