/** The ELBO's parts, defined once, as in Python: nats, in float64, summed over each image. */

/** The smallest probability that a logarithm is taken of; the largest is as far from 1. */
export const PROBABILITY_FLOOR = 1e-7;

// Maps, not objects, by what a manifest says: an object has "constructor" and "__proto__", whatever it was given.
const DECODER_OUTPUTS: ReadonlyMap<string, readonly string[]> = new Map([
  ["bernoulli", ["probs"]],
  ["discretized-logistic", ["probs", "log_scale"]],
  ["discretized-logistic-mixture", ["probs", "location", "log_scale", "mixture_logits"]],
]);

/** What a decoder must give: all that the likelihood needs, or "probs" for one that is not known. */
export function decoderOutputs(likelihood: string): readonly string[] {
  return DECODER_OUTPUTS.get(likelihood) ?? ["probs"];
}

/** log p(x|z) of one image: `targets` and what the decoder gave for it. */
export type LogLikelihood = (targets: Float32Array, outputs: Readonly<Record<string, Float32Array>>) => number;

/** The likelihoods, by their names in a manifest. */
export const LOG_LIKELIHOODS: ReadonlyMap<string, LogLikelihood> = new Map<string, LogLikelihood>([
  ["bernoulli", (x, outputs) => bernoulliLogLikelihood(x, outputs.probs)],
  ["discretized-logistic", (x, outputs) => discretizedLogisticLogLikelihood(x, outputs.probs, outputs.log_scale)],
  [
    "discretized-logistic-mixture",
    (x, outputs) =>
      discretizedLogisticMixtureLogLikelihood(x, outputs.location, outputs.log_scale, outputs.mixture_logits),
  ],
]);

/** log p(x|z) of independent Bernoulli pixels; with grey values between 0 and 1 a cross-entropy bound, no likelihood. */
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
 * log p(x|z) of independent pixels of 256 levels: a level is the interval of half a level around x = v/255 under a logistic
 * distribution with location m = `probs` and scale s = exp(`logScale`), the outer two with the tails beyond them.
 * (Kingma et al., "Improved variational inference with inverse autoregressive flow", 2016; Salimans et al.,
 * "PixelCNN++", 2017.) Exactly -softplus(-b) - softplus(a) + log(1 - exp(a - b)), in which nothing cancels.
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
 * log p(x|z) of independent pixels and channels, each a mixture of K discretized logistic distributions, whose parameters
 * lie side by side: log sum exp(l + log p) - log sum exp(l) over the components. (Salimans et al., "PixelCNN++", 2017.)
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

/** log of the probability that a logistic distribution gives a level. */
function logLevel(target: number, location: number, logScale: number): number {
  const x = Math.round(255 * target) / 255; // as float32 rounded it, levels would overlap or leave gaps
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

/** z = mean + exp(logvar / 2) * noise, each step rounded to float32. */
export function reparameterize(mean: Float32Array, logvar: Float32Array, noise: Float32Array): Float32Array {
  return mean.map((value, i) => value + Math.fround(Math.fround(Math.exp(logvar[i] / 2)) * noise[i]));
}

/** What the likelihood is asked about: pixels >= `binarizeAt` as 0 or 1, or pixels / `scale`. */
export function targetsOf(images: Uint8Array, binarizeAt: number | null, scale: number): Float32Array {
  return Float32Array.from(images, (pixel) => (binarizeAt === null ? pixel / scale : Number(pixel >= binarizeAt)));
}

/** log(sum(exp(values))), which does not overflow. */
export function logSumExp(values: Float64Array): number {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}
