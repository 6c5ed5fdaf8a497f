/** Rank latent dimensions by how much the picture changes when one dimension leaves the mean. */

import type { Bench } from "./bench.ts";
import { paced } from "./pace.ts";

const LONGEST = 5000; // milliseconds; dimensions that are not measured by then come last
const AWAY = 2; // standard deviations of the prior

export interface Ranking {
  /** All dimensions; the one that changes the picture most is first. */
  order: number[];
  /** The mean of the edge pixels in the picture of the prior's mean, in [0, 1]. */
  edge: number;
}

/** Ranks the open model's dimensions; undefined if another model was opened meanwhile. */
export async function rankDimensions(bench: Bench): Promise<Ranking | undefined> {
  const { latentDim, imageShape } = bench.model;
  const middle = await bench.use((model) => model.decode(new Float32Array(latentDim)));
  if (middle === undefined) return undefined;
  const effects = new Array<number>(latentDim).fill(0);
  const size = middle.data.length;
  const begin = performance.now();
  for await (const [first, count] of paced(latentDim)) {
    if (performance.now() - begin > LONGEST) break;
    const part = await bench.use((model) => model.decode(oneByOne(latentDim, first, count)));
    if (part === undefined) return undefined;
    for (let index = 0; index < count; index++) {
      effects[first + index] = difference(middle.data, part.data.subarray(index * size, (index + 1) * size));
    }
  }
  const order = effects.map((_, dimension) => dimension).sort((a, b) => effects[b] - effects[a] || a - b);
  return { order, edge: edgeMean(middle.data, imageShape) };
}

function oneByOne(latentDim: number, first: number, count: number): Float32Array {
  const latents = new Float32Array(count * latentDim);
  for (let index = 0; index < count; index++) latents[index * latentDim + first + index] = AWAY;
  return latents;
}

function difference(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, index) => sum + Math.abs(value - b[index]), 0);
}

/** The mean of the edge pixels of a picture. */
export function edgeMean(
  data: ArrayLike<number>,
  [height, width, channels]: readonly [number, number, number],
): number {
  let sum = 0;
  let count = 0;
  for (let y = 0; y < height; y++) {
    const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
    for (let x = 0; x < width; x += step) {
      for (let channel = 0; channel < channels; channel++) sum += data[(y * width + x) * channels + channel];
      count += channels;
    }
  }
  return sum / count;
}
