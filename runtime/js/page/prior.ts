/** Latents that belong to a model's prior: N(0, I), or a learned one that maps noise to latents. */

import type { Model } from "../src/browser.ts";

/** Largest absolute value of N(0, 1) on a slider; one value in 16,000 is larger. */
export const FURTHEST = 4;

const DRAWS = 256;

export function isLearned(model: Model): boolean {
  return model.manifest.model.prior !== undefined;
}

/** The latent of the noise 0: the mean of N(0, I), or near the middle of a learned prior, of a class or of none. */
export async function middleOf(model: Model, label: number | null = null): Promise<Float32Array> {
  if (!isLearned(model)) return new Float32Array(model.latentDim);
  return (await model.latents(1, { temperature: 0, label })).data;
}

/** Largest absolute value that the sliders should offer. Latents of a learned prior have any scale, so draws decide. */
export async function reachOf(model: Model): Promise<number> {
  if (!isLearned(model)) return FURTHEST;
  const { data } = await model.latents(DRAWS);
  return Math.ceil(data.reduce((most, value) => Math.max(most, Math.abs(value)), FURTHEST));
}
