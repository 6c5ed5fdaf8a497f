/** Score images with an encoder and a decoder: the ELBO and the importance-weighted bound. */

import type { Latents } from "./arrays.ts";
import {
  gaussianKl,
  gaussianLogDensity,
  LOG_LIKELIHOODS,
  logPriorOverPosterior,
  logSumExp,
  reparameterize,
  targetsOf,
} from "./elbo.ts";
import { InputError } from "./errors.ts";
import { repeated, type Indices } from "./labels.ts";
import type { ModelInfo } from "./manifest-types.ts";
import { posteriorNoise } from "./random.ts";

/** q(z|x) = N(mean, exp(logvar)) of each image. */
export interface Posterior {
  readonly mean: Latents;
  readonly logvar: Latents;
}

/** How well a model explains images: one value per image, in nats. Scores of a class are those given the class. */
export interface Scores {
  /** reconstruction - kl, a lower bound of log p(x). */
  readonly elbo: Float64Array;
  /** log p(x|z), averaged over the draws. */
  readonly reconstruction: Float64Array;
  /** KL(q(z|x) || N(0, I)), in closed form. With a learned prior, log q(z|x) - log p(z), averaged over the draws. */
  readonly kl: Float64Array;
  /**
   * The importance-weighted bound on log p(x) over k draws (Burda, Grosse and Salakhutdinov, "Importance weighted
   * autoencoders", 2016). Its expectation grows with k towards log p(x), so bounds of different k differ.
   */
  readonly iwBound: Float64Array;
  /** The codes of the images, as `encode` returns them. */
  readonly posterior: Posterior;
  /** k, the number of draws per image. */
  readonly samples: number;
}

/** Decodes M*L latent values, with their M classes if the model has labels, to the decoder's outputs, by name. */
export type Decode = (z: Float32Array, labels: Indices) => Promise<Record<string, Float32Array>>;

/** Computes log p(z) of a learned prior, for M*L latent values, with their M classes if the model has labels. */
export type LogPrior = (z: Float32Array, labels: Indices) => Promise<Float32Array>;

const DECODED_AT_A_TIME = 512; // latents; limits the memory for many draws of many images

/**
 * Computes scores of raw `pixels` with `samples` draws per image. Without `logPrior`, the prior is N(0, I). `labels` are
 * the classes of the images, if the model has labels.
 */
export async function scoreImages(
  pixels: Uint8Array,
  posterior: Posterior,
  decode: Decode,
  model: ModelInfo,
  samples: number,
  seed: bigint,
  first: bigint,
  logPrior: LogPrior | undefined,
  labels: Indices,
): Promise<Scores> {
  const logLikelihoodOf = LOG_LIKELIHOODS.get(model.likelihood);
  if (logLikelihoodOf === undefined) {
    const known = [...LOG_LIKELIHOODS.keys()].join(", ");
    throw new InputError(
      `the bundle's likelihood is "${model.likelihood}", and this version scores ${known}; update cvae-toolkit`,
    );
  }
  const [count, latentDim] = posterior.mean.shape;
  const size = pixels.length / count;
  const scores = {
    elbo: new Float64Array(count),
    reconstruction: new Float64Array(count),
    kl: new Float64Array(count),
    iwBound: new Float64Array(count),
    posterior,
    samples,
  };
  const { binarize_at, scale } = model.preprocessing;
  const block = Math.max(1, Math.floor(DECODED_AT_A_TIME / samples));
  for (let start = 0; start < count; start += block) {
    const stop = Math.min(start + block, count);
    const draws = new Float32Array((stop - start) * samples * latentDim);
    // Noise is numbered image by image, each with its draws one after another.
    const noise = posteriorNoise(seed, (first + BigInt(start)) * BigInt(samples), draws.length / latentDim, latentDim);
    forEachDraw(start, stop, samples, (image, draw) => {
      const [mean, logvar] = [row(posterior.mean.data, image, latentDim), row(posterior.logvar.data, image, latentDim)];
      draws.set(reparameterize(mean, logvar, row(noise, draw, latentDim)), draw * latentDim);
    });
    const ofDraws = repeated(labels?.subarray(start, stop), samples);
    const outputs = await decode(draws, ofDraws);
    const logPriors = await logPrior?.(draws, ofDraws);
    const logWeights = new Float64Array(draws.length / latentDim);
    let targets: Float32Array = new Float32Array();
    forEachDraw(start, stop, samples, (image, draw) => {
      if (draw % samples === 0) targets = targetsOf(row(pixels, image, size), binarize_at, scale); // one for all its draws
      const decoded = Object.fromEntries(
        Object.entries(outputs).map(([name, all]) => [name, row(all, draw, all.length / logWeights.length)]),
      );
      const logP = logLikelihoodOf(targets, decoded);
      const [mean, logvar] = [row(posterior.mean.data, image, latentDim), row(posterior.logvar.data, image, latentDim)];
      scores.reconstruction[image] += logP / samples;
      const z = row(draws, draw, latentDim);
      const logRatio =
        logPriors === undefined
          ? logPriorOverPosterior(z, mean, logvar)
          : logPriors[draw] - gaussianLogDensity(z, mean, logvar);
      scores.kl[image] -= logRatio / samples;
      logWeights[draw] = logP + logRatio;
    });
    for (let image = start; image < stop; image++) {
      if (logPriors === undefined) {
        const mean = row(posterior.mean.data, image, latentDim);
        scores.kl[image] = gaussianKl(mean, row(posterior.logvar.data, image, latentDim));
      }
      scores.elbo[image] = scores.reconstruction[image] - scores.kl[image];
      scores.iwBound[image] = logSumExp(row(logWeights, image - start, samples)) - Math.log(samples);
    }
  }
  return scores;
}

function forEachDraw(start: number, stop: number, samples: number, act: (image: number, draw: number) => void): void {
  for (let draw = 0; draw < (stop - start) * samples; draw++) act(start + Math.floor(draw / samples), draw);
}

function row<T extends Float32Array | Float64Array | Uint8Array>(values: T, index: number, size: number): T {
  return values.subarray(index * size, (index + 1) * size) as T;
}
