/** Compute results of every method of a model, as `scripts/golden.py` does in Python; runs in Node.js and in a page. */

import type { Images, Model } from "../src/api.ts";
import { imageGrid } from "../src/api.ts";

export interface Asked {
  seed: string;
  first: string;
  images: number[];
}

export type Numbers = Record<string, number[]>;

export async function numbersOf(model: Model, { seed, first, images }: Asked): Promise<Numbers> {
  const pixels = Uint8Array.from(images);
  if (model.manifest.detector !== undefined) return await detectionsOf(model, pixels);
  const size = pixels.length / 4;
  const [one, other, two] = [pixels.subarray(0, size), pixels.subarray(size, 2 * size), pixels.subarray(0, 2 * size)];
  const samples = await model.generate(4, { seed: BigInt(seed), first: BigInt(first) });
  const { mean, logvar } = await model.encode(pixels);
  const latent = (n: number) => mean.data.slice(n * model.latentDim, (n + 1) * model.latentDim);
  const scores = await model.score(pixels, { samples: 3, seed: 5, first: 2 });
  return numbers({
    generate: samples,
    cool: await model.generate(2, { seed: 3, temperature: 0.5 }),
    latents: (await model.latents(3, { seed: 3, first: 2 ** 40, temperature: 0.5 })).data,
    grid: colours(imageGrid(samples, { columns: 3, padding: 2, scale: 2 }).data, model.imageShape[2]),
    mean: mean.data,
    logvar: logvar.data,
    reconstruct: await model.reconstruct(two),
    drawn: await model.reconstruct(two, { sample: true, seed: 9, first: 4 }),
    linear: await model.interpolate(one, other, { steps: 3 }),
    spherical: await model.interpolate(latent(0), latent(1), { steps: 3, method: "spherical" }),
    ranking: (await model.rankDimensions()).slice(0, 10), // the others differ by less than rounding
    traverse: await model.traverse(latent(0), [2, 0], { steps: 3, span: 2 }),
    manifold: await model.manifold([0, 1], { steps: 3 }),
    elbo: scores.elbo,
    reconstruction: scores.reconstruction,
    kl: scores.kl,
    iw_bound: scores.iwBound,
    ...(model.labels === undefined ? {} : await labelledNumbersOf(model, pixels)),
  });
}

/** Results of a detector. */
async function detectionsOf(model: Model, pixels: Uint8Array): Promise<Numbers> {
  const { score, pValue, alarm, map, boxes } = await model.detect(pixels);
  const none = { top: -1, left: -1, bottom: -1, right: -1 };
  return {
    ...numbers({ score, p_value: pValue, map: map.data }),
    alarm: alarm.map(Number),
    boxes: boxes.map((box) => box ?? none).flatMap(({ top, left, bottom, right }) => [top, left, bottom, right]),
  };
}

/** Results with labels, of every method that takes them. */
async function labelledNumbersOf(
  model: Model,
  pixels: Uint8Array,
): Promise<Record<string, ArrayLike<number> | Images>> {
  const size = pixels.length / 4;
  const [one, other, two] = [pixels.subarray(0, size), pixels.subarray(size, 2 * size), pixels.subarray(0, 2 * size)];
  const labels = ["wide", null, 0, "tall"];
  const ofTwo = { labels: ["tall", 2] };
  const { mean, logvar } = await model.encode(pixels, { labels });
  const first = mean.data.slice(0, model.latentDim);
  const scores = await model.score(pixels, { samples: 3, seed: 5, first: 2, labels });
  const results = {
    generate: await model.generate(4, { seed: 3, labels }),
    cool: await model.generate(2, { seed: 3, temperature: 0.5, label: "tall" }),
    latents: (await model.latents(4, { seed: 3, labels })).data,
    mean: mean.data,
    logvar: logvar.data,
    decode: await model.decode(mean, { label: 2 }),
    reconstruct: await model.reconstruct(two, ofTwo),
    drawn: await model.reconstruct(two, { sample: true, seed: 9, first: 4, ...ofTwo }),
    linear: await model.interpolate(one, other, { steps: 3, label: "wide" }),
    traverse: await model.traverse(first, [2, 0], { steps: 3, span: 2, label: 1 }),
    manifold: await model.manifold([0, 1], { steps: 3, label: "square" }),
    elbo: scores.elbo,
    reconstruction: scores.reconstruction,
    kl: scores.kl,
    iw_bound: scores.iwBound,
    restyle: await model.restyle(pixels, ["wide", "tall", "square", "wide"]),
    restyle_of: await model.restyle(pixels, ["wide"], { of: labels }),
    classify: (await model.classify(pixels, { samples: 3, seed: 5, first: 2 })).data,
  };
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [`labelled_${name}`, value]));
}

function numbers(results: Record<string, ArrayLike<number> | Images>): Numbers {
  const arrays = Object.entries(results).map(([name, value]) => [
    name,
    Array.from("data" in value ? value.data : value),
  ]);
  return Object.fromEntries(arrays) as Numbers;
}

/** The channels of an RGBA picture that a model has. */
function colours(rgba: ArrayLike<number>, channels: number): number[] {
  return Array.from(rgba).filter((_, i) => i % 4 < channels);
}
