import { describe, expect, test } from "vitest";

import { InputError, posteriorNoise, priorLatents, threefry2x32, type Words } from "../src/api.ts";
import { readJson } from "./golden.ts";

interface Vectors {
  threefry: { counter: string[]; key: string[]; output: string[] }[];
  prior: { seed: string; index: string; latent_dim: number; latents: string[] }[];
  posterior: { seed: string; n: string; latent_dim: number; noise: string[] }[];
}

const VECTORS = readJson("tests/golden/rng.json") as Vectors;

function words(texts: string[]): Words {
  return [parseInt(texts[0], 16), parseInt(texts[1], 16)];
}

/** Index of a float32 in ascending order of all float32, from its bits: neighbours differ by 1. */
function place(value: number): number {
  const bits = new Int32Array(new Float32Array([value]).buffer)[0];
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

function placeOfHex(hex: string): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, parseInt(hex, 16));
  return place(view.getFloat32(0));
}

function expectOneUlp(found: Float32Array, hex: string[]): void {
  expect(found.length).toBe(hex.length);
  const apart = Array.from(found, (value, i) => Math.abs(place(value) - placeOfHex(hex[i])));
  expect(Math.max(...apart)).toBeLessThanOrEqual(1);
}

test.each(VECTORS.threefry)("Threefry's known answer for the counter $counter", ({ counter, key, output }) => {
  expect(threefry2x32(words(counter), words(key))).toEqual(words(output));
});

test.each(VECTORS.prior)("latents of seed $seed, index $index, $latent_dim values", (vector) => {
  const found = priorLatents(BigInt(vector.seed), BigInt(vector.index), 1, vector.latent_dim);
  expectOneUlp(found, vector.latents);
});

test.each(VECTORS.posterior)("posterior noise of seed $seed, number $n", (vector) => {
  expectOneUlp(posteriorNoise(BigInt(vector.seed), BigInt(vector.n), 1, vector.latent_dim), vector.noise);
});

describe("a stream does not depend on its parts", () => {
  // The last two cross a carry from the low word to the high word.
  test.each([
    [0n, 0n],
    [7n, 40n],
    [(1n << 64n) - 1n, (1n << 32n) / 3n],
    [3n, ((1n << 32n) - 5n) / 3n],
  ])("seed %s from %s", (seed, first) => {
    const whole = priorLatents(seed, first, 40, 5);
    for (const start of [1, 17, 39]) {
      expect(priorLatents(seed, first + BigInt(start), 1, 5)).toEqual(whole.slice(5 * start, 5 * start + 5));
    }
    expect(priorLatents(seed, first, 40, 6).filter((_, i) => i % 6 !== 5)).toEqual(whole);
  });
});

test("numbers and bigints are equal seeds", () => {
  expect(priorLatents(7, 40, 2, 3)).toEqual(priorLatents(7n, 40n, 2, 3));
});

test.each([
  [-1, 0, 1, "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1"],
  [1n << 64n, 0, 1, "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found 18446744073709551616"],
  [1.5, 0, 1, "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found 1.5"],
  [
    2 ** 60,
    0,
    1,
    "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found 1152921504606847000: " +
      "write it as a bigint, 123n",
  ],
  [0, -1, 1, "first must be a whole number of at least 0; found -1"],
  [0, 2 ** 60, 1, "first must be exact; found the number 1152921504606847000 beyond 2^53: write it as a bigint, 123n"],
  [0, 0, -1, "count must be a whole number of at least 0; found -1"],
  [
    0,
    1n << 62n,
    1,
    "first + count must be at most 4611686018427387904 for latents of 3; found 4611686018427387904 + 1",
  ],
])("seed %s, first %s, count %s are refused", (seed, first, count, message) => {
  expect(() => priorLatents(seed, first, count, 3)).toThrow(new InputError(message));
});
