/** Arrangements of codes on a square, and blends between them. */

import { expect, test } from "vitest";

import { arrange, blend } from "../../page/arrange.ts";

test("similar codes become neighbours", () => {
  const cells = [4, 0, 8, 2, 6, 1, 7, 3, 5]; // of a 3 x 3 grid, in a random order
  const codes = Float32Array.from(cells.flatMap((cell) => [cell % 3, Math.floor(cell / 3)]));
  // The same grid, turned.
  expect(arrange(codes, 9).map((index) => cells[index])).toEqual([6, 3, 0, 7, 4, 1, 8, 5, 2]);
});

test("equal codes stay in their order", () => {
  expect(arrange(new Float32Array(16), 16)).toEqual(Array.from({ length: 16 }, (_, n) => n));
});

test("a blend is the latent of a place, and between places a mean", () => {
  const latents = Float32Array.from([0, 0, 10, 1, 20, 2, 30, 3]);
  const at = (x: number, y: number) => [...blend(latents, [3, 1, 0, 2], x, y)];
  expect(at(0, 0)).toEqual([30, 3]);
  expect(at(1, 0)).toEqual([10, 1]);
  expect(at(1, 1)).toEqual([20, 2]);
  expect(at(0.5, 0)).toEqual([20, 2]);
  expect(at(0, 0.25)).toEqual([22.5, 2.25]);
  expect(at(0.5, 0.5)).toEqual([15, 1.5]);
});
