/** The parts of the ELBO, the same as in Python: in nats, computed in float64, summed over each image. */

import type { ModelInfo } from "./manifest-types.ts";

/** Probabilities are clipped to [floor, 1 - floor] before their logarithm is taken. */
export const PROBABILITY_FLOOR = 1e-7;

// Maps, because the keys come from a manifest: every object has the keys "constructor" and "__proto__".
const LIKELIHOOD_OUTPUTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["bernoulli", ["probs"]],
  ["discretized-logistic", ["probs", "log_scale"]],
  ["discretized-logistic-mixture", ["probs", "location", "log_scale", "mixture_logits"]],
]);

/** The outputs that a decoder must have for a likelihood; only "probs" if the likelihood is unknown. */
export function decoderOutputs(likelihood: string): readonly string[] {
  return LIKELIHOOD_OUTPUTS.get(likelihood) ?? ["probs"];
}

const OF_LEVELS: ReadonlySet<string> = new Set(["discretized-logistic", "discretized-logistic-mixture"]);

/** -elbo / (H W C ln 2), the ELBO in bits per pixel and channel; undefined unless the likelihood is one of 256 levels. */
export function bitsPerDimension(elbo: number, { likelihood, image_shape: [height, width, channels] }: ModelInfo) {
  return OF_LEVELS.has(likelihood) ? -elbo / (height * width * channels * Math.LN2) : undefined;
}

/** log p(x|z) of one image, from its targets and the decoder's outputs. */
export type LogLikelihood = (targets: Float32Array, outputs: Readonly<Record<string, Float32Array>>) => number;

/** The likelihoods by their names in a manifest. */
export const LOG_LIKELIHOODS: ReadonlyMap<string, LogLikelihood> = new Map<string, LogLikelihood>([
  ["bernoulli", (x, outputs) => bernoulliLogLikelihood(x, outputs.probs)],
  ["discretized-logistic", (x, outputs) => discretizedLogisticLogLikelihood(x, outputs.probs, outputs.log_scale)],
  [
    "discretized-logistic-mixture",
    (x, outputs) =>
      discretizedLogisticMixtureLogLikelihood(x, outputs.location, outputs.log_scale, outputs.mixture_logits),
  ],
]);

/** log p(x|z) of independent Bernoulli pixels; for grey values between 0 and 1 a cross-entropy bound, not a likelihood. */
export function bernoulliLogLikelihood(targets: Float32Array, probs: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < targets.length; i++) {
    const x = targets[i];
    const p = Math.min(Math.max(probs[i], PROBABILITY_FLOOR), 1 - PROBABILITY_FLOOR);
    sum += x * Math.log(p) + (1 - x) * Math.log1p(-p);
  }
  return sum;
}

/**
 * log p(x|z) of independent pixels of 256 levels under a logistic distribution with location m = `probs` and scale
 * s = exp(`logScale`). A level is the interval of half a level around x = v/255; the two outer levels include the tails.
 * (Kingma et al., "Improved variational inference with inverse autoregressive flow", 2016; Salimans et al.,
 * "PixelCNN++", 2017.) Computed as -softplus(-b) - softplus(a) + log(1 - exp(a - b)), in which nothing cancels.
 */
export function discretizedLogisticLogLikelihood(
  targets: Float32Array,
  probs: Float32Array,
  logScale: Float32Array,
): number {
  let sum = 0;
  for (let i = 0; i < targets.length; i++) sum += logLevel(targets[i], probs[i], logScale[i]);
  return sum;
}

/**
 * log p(x|z) of independent pixels and channels, each a mixture of K discretized logistic distributions:
 * log sum exp(l + log p) - log sum exp(l) over the components, whose parameters are adjacent in memory.
 * (Salimans et al., "PixelCNN++", 2017.)
 */
export function discretizedLogisticMixtureLogLikelihood(
  targets: Float32Array,
  location: Float32Array,
  logScale: Float32Array,
  mixtureLogits: Float32Array,
): number {
  const components = location.length / targets.length;
  const [logits, terms] = [new Float64Array(components), new Float64Array(components)];
  let sum = 0;
  for (let i = 0; i < targets.length; i++) {
    for (let k = 0; k < components; k++) {
      const at = i * components + k;
      logits[k] = mixtureLogits[at];
      terms[k] = logits[k] + logLevel(targets[i], location[at], logScale[at]);
    }
    sum += logSumExp(terms) - logSumExp(logits);
  }
  return sum;
}

/** log of a level's probability under a logistic distribution. */
function logLevel(target: number, location: number, logScale: number): number {
  const x = Math.round(255 * target) / 255; // exact; with the float32 value, levels would overlap or leave gaps
  const s = Math.exp(logScale);
  let sum = 0;
  if (x > 0) sum -= softplus((x - 1 / 510 - location) / s);
  if (x < 1) sum -= softplus(-(x + 1 / 510 - location) / s);
  if (x > 0 && x < 1) sum += Math.log(-Math.expm1(-1 / (255 * s)));
  return sum;
}

function softplus(value: number): number {
  return Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)));
}

/** KL(N(mean, exp(logvar)) || N(0, I)) = sum (exp(logvar) + mean^2 - 1 - logvar) / 2 of one posterior. */
export function gaussianKl(mean: Float32Array, logvar: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < mean.length; i++) sum += Math.exp(logvar[i]) + mean[i] * mean[i] - 1 - logvar[i];
  return sum / 2;
}

/** log N(z; 0, I) - log N(z; mean, exp(logvar)) of one latent. */
export function logPriorOverPosterior(z: Float32Array, mean: Float32Array, logvar: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < z.length; i++) {
    sum += logvar[i] + (z[i] - mean[i]) ** 2 * Math.exp(-logvar[i]) - z[i] * z[i];
  }
  return sum / 2;
}

/** log N(z; mean, exp(logvar)) of one latent. */
export function gaussianLogDensity(z: Float32Array, mean: Float32Array, logvar: Float32Array): number {
  let sum = z.length * Math.log(2 * Math.PI);
  for (let i = 0; i < z.length; i++) sum += logvar[i] + (z[i] - mean[i]) ** 2 * Math.exp(-logvar[i]);
  return -sum / 2;
}

/** z = mean + exp(logvar / 2) * noise, each step rounded to float32. */
export function reparameterize(mean: Float32Array, logvar: Float32Array, noise: Float32Array): Float32Array {
  return mean.map((value, i) => value + Math.fround(Math.fround(Math.exp(logvar[i] / 2)) * noise[i]));
}

/** The targets of the likelihood: 1 for pixels >= `binarizeAt` and 0 for the others, or pixels / `scale`. */
export function targetsOf(images: Uint8Array, binarizeAt: number | null, scale: number): Float32Array {
  return Float32Array.from(images, (pixel) => (binarizeAt === null ? pixel / scale : Number(pixel >= binarizeAt)));
}

/** log(sum(exp(values))), without overflow. */
export function logSumExp(values: Float64Array): number {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
