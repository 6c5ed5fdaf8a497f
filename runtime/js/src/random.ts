/**
 * The specified random numbers, the same in every language: `threefry2x32-20/box-muller`.
 *
 * A latent is a function of seed and index alone. Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011) encrypts a 64-bit counter with a 64-bit key, the seed, to two 32-bit
 * words. The Box-Muller transform, in float64, turns the words into two normal numbers, which are rounded to float32.
 *
 * The prior's counters are below 2^63 and the posterior's start there, so the two streams never overlap.
 */

import { allocate } from "./arrays.ts";
import { count as countOf, whole, type Whole } from "./check.ts";
import { found, InputError } from "./errors.ts";

/** The name of the random numbers in a manifest. */
export const RNG_NAME = "threefry2x32-20/box-muller";

const POSTERIOR_COUNTERS = 1n << 63n;
const KEY_PARITY = 0x1bd11bda;
const WORD = 2 ** 32;

/** Two 32-bit words, the lower one first. */
export type Words = readonly [low: number, high: number];

// Left rotations of the word in each of four rounds; the two rows alternate.
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;

/** Encrypts a counter with Threefry-2x32, 20 rounds, to two words. */
export function threefry2x32(counter: Words, key: Words): Words {
  const keys = [key[0], key[1], key[0] ^ key[1] ^ KEY_PARITY];
  // Additions are modulo 2^32.
  let a = (counter[0] + keys[0]) | 0;
  let b = (counter[1] + keys[1]) | 0;
  for (let group = 0; group < 5; group++) {
    for (const left of ROTATIONS[group % 2]) {
      a = (a + b) | 0;
      b = ((b << left) | (b >>> (32 - left))) ^ a;
    }
    a = (a + keys[(group + 1) % 3]) | 0;
    b = (b + keys[(group + 2) % 3] + group + 1) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/**
 * Draws samples `first .. first + count - 1` of N(0, I): the latents of a model without a learned prior. A learned prior
 * maps them to latents; `Model.latents` returns those.
 *
 * @param seed unsigned 64-bit number.
 * @param first index of the first sample.
 * @param count number of samples.
 * @param latentDim L, the length of a latent.
 * @returns count * L values, sample by sample.
 * @throws InputError if seed, first or count is out of range; the stream ends where counters reach 2^63.
 */
export function priorLatents(seed: Whole, first: Whole, count: number, latentDim: number): Float32Array {
  checkRange(seed, first, count, latentDim);
  return normals(BigInt(seed), 0n, BigInt(first), count, latentDim);
}

/**
 * Draws posterior noise, N(0, I), for the numbers n = `first .. first + count - 1`. In a call with k draws per image,
 * draw t = 0 .. k-1 of image i has the number n = i*k + t.
 *
 * @returns count * L values.
 * @throws InputError if seed, first or count is out of range.
 */
export function posteriorNoise(seed: Whole, first: Whole, count: number, latentDim: number): Float32Array {
  checkRange(seed, first, count, latentDim);
  return normals(BigInt(seed), POSTERIOR_COUNTERS, BigInt(first), count, latentDim);
}

/** @throws InputError unless the stream of `seed` has the latents `first .. first + count - 1`. */
export function checkRange(seed: Whole, first: Whole, count: number, latentDim: number): void {
  const isSeed = typeof seed === "bigint" || Number.isSafeInteger(seed);
  if (!isSeed || seed < 0 || BigInt(seed) >= 1n << 64n) {
    const remedy = typeof seed === "number" && seed > 2 ** 53 ? ": write it as a bigint, 123n" : "";
    throw new InputError(
      `seed must be an unsigned 64-bit number, 0 to ${String((1n << 64n) - 1n)}; found ${found(seed)}${remedy}`,
    );
  }
  const end = POSTERIOR_COUNTERS / BigInt(pairsOf(countOf("latentDim", latentDim, 1)));
  if (whole("first", first, 0) + BigInt(countOf("count", count, 0)) > end) {
    throw new InputError(
      `first + count must be at most ${String(end)} for latents of ${latentDim}; found ${String(first)} + ${count}`,
    );
  }
}

function pairsOf(latentDim: number): number {
  return Math.ceil(latentDim / 2);
}

function normals(seed: bigint, from: bigint, first: bigint, count: number, latentDim: number): Float32Array {
  const key = wordsOf(seed);
  const pairs = pairsOf(latentDim);
  let [low, high] = wordsOf(from + first * BigInt(pairs));
  const latents = allocate(count, latentDim, "latents");
  for (let start = 0; start < latents.length; start += latentDim) {
    for (let pair = 0; pair < pairs; pair++) {
      const [a, b] = threefry2x32([low, high], key);
      const radius = Math.sqrt(-2 * Math.log((a + 0.5) / WORD));
      const angle = 2 * Math.PI * ((b + 0.5) / WORD);
      latents[start + 2 * pair] = radius * Math.cos(angle);
      if (2 * pair + 1 < latentDim) latents[start + 2 * pair + 1] = radius * Math.sin(angle);
      low = (low + 1) % WORD;
      if (low === 0) high = (high + 1) % WORD;
    }
  }
  return latents;
}

function wordsOf(number: bigint): Words {
  return [Number(number & 0xffffffffn), Number((number >> 32n) & 0xffffffffn)];
}
