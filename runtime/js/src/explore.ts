/** Latents that vary in one dimension (traversals) or in two (manifolds), and the ranking of dimensions. */

import { found, InputError } from "./errors.ts";

const TAIL = 0.05; // probability of the prior beyond each end of a manifold

/** Indices by ascending value; of equal values, the lower index is first. */
export function ascending(values: Float32Array): number[] {
  return Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
}

/** One row of `steps` latents per dimension, from `span` below the value in `start` to `span` above it. */
export function traversalLatents(
  start: Float32Array,
  dimensions: readonly number[],
  steps: number,
  span: number,
): Float32Array {
  const latents = new Float32Array(dimensions.length * steps * start.length);
  dimensions.forEach((dimension, row) => {
    for (let step = 0; step < steps; step++) {
      const at = (row * steps + step) * start.length;
      latents.set(start, at);
      // Integers until the division make the middle offset exactly 0.
      latents[at + dimension] = start[dimension] + span * ((1 - steps + 2 * step) / (steps - 1));
    }
  });
  return latents;
}

/** A grid of latents over two dimensions, in steps of equal probability from the prior's quantile 5% to 95%. */
export function manifoldLatents(latentDim: number, [down, along]: readonly number[], steps: number): Float32Array {
  const quantiles = Array.from({ length: steps }, (_, step) => quantile(TAIL + ((1 - 2 * TAIL) * step) / (steps - 1)));
  const latents = new Float32Array(steps * steps * latentDim);
  for (let n = 0; n < steps * steps; n++) {
    latents[n * latentDim + down] = quantiles[Math.floor(n / steps)];
    latents[n * latentDim + along] = quantiles[n % steps];
  }
  return latents;
}

/** The quantile of the standard normal distribution, by Newton's method on the power series of its integral. */
function quantile(probability: number): number {
  let x = 0;
  for (let iteration = 0; iteration < 10; iteration++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    let [sum, term] = [0, x];
    for (let n = 1; n < 60; n++) {
      sum += term;
      term *= (x * x) / (2 * n + 1);
    }
    x -= (0.5 + density * sum - probability) / density;
  }
  return x;
}

/** @throws InputError unless the dimensions are distinct whole numbers from 0 to `latentDim` - 1. */
export function checkDimensions(dimensions: readonly number[], latentDim: number): void {
  const isThere = (value: unknown) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < latentDim;
  if (!Array.isArray(dimensions) || dimensions.length === 0 || !dimensions.every(isThere) || repeats(dimensions)) {
    const what = Array.isArray(dimensions) ? `[${dimensions.join(", ")}]` : found(dimensions);
    throw new InputError(`dimensions must be distinct whole numbers from 0 to ${latentDim - 1}; found ${what}`);
  }
}

function repeats(values: readonly unknown[]): boolean {
  return new Set(values).size < values.length;
}

/** @throws InputError unless a traversal's span is finite as float32 and above 0. */
export function checkSpan(value: number): void {
  if (typeof value !== "number" || !(value > 0 && value <= 3.4028234663852886e38)) {
    throw new InputError(`span must be a finite number above 0; found ${found(value)}`);
  }
}
