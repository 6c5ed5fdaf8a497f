/** A loaded bundle: encode, decode, reconstruct, score and explore typed arrays. */

import { latentValues, type Images, type ImageShape, type Latents } from "./arrays.ts";
import type { Bundle } from "./bundle.ts";
import { checkChoice, checkOptions, checkTemperature, count as countOf, whole, type Whole } from "./check.ts";
import { DETECTED, detectionOf, type Detection } from "./detection.ts";
import { decoderOutputs, logSumExp, reparameterize } from "./elbo.ts";
import { product, type Engine, type InputOf, type Items } from "./engine.ts";
import { BundleError, EXPORT_AGAIN, InputError } from "./errors.ts";
import { ascending, checkDimensions, checkSpan, manifoldLatents, traversalLatents } from "./explore.ts";
import { checkLatents, difference, parseGolden, type GoldenArray, type SelfCheck } from "./golden.ts";
import { interpolateLatents, METHODS, type Method } from "./interpolate.ts";
import {
  classNames,
  labelArray,
  mostProbable,
  type Indices,
  type Label,
  type LabelOption,
  type LabelOptions,
  type Probabilities,
} from "./labels.ts";
import type { GraphInfo, Manifest } from "./manifest-types.ts";
import { toUint8 } from "./pictures.ts";
import { rawPixels, type ImagesIn } from "./pixels.ts";
import { checkRange, posteriorNoise, priorLatents, RNG_NAME } from "./random.ts";
import { scoreImages, type Posterior, type Scores } from "./score.ts";

/** A range of a random stream: `seed` is an unsigned 64-bit number, `first` the index of the first draw; both default to 0. */
export interface DrawOptions {
  seed?: Whole;
  first?: Whole;
}

/** Samples of the prior. `temperature` is a factor on their noise: samples are more typical below 1, more varied above 1. */
export interface SampleOptions extends DrawOptions {
  temperature?: number;
}

const LABELS = ["label", "labels"];
const DRAWS = ["seed", "first"];
const SAMPLES = [...DRAWS, "temperature", ...LABELS];
const TRAVERSED = 10; // dimensions of a traversal by default

/** How a model was opened. */
export interface Opened {
  readonly encoder: Engine;
  readonly decoder: Engine;
  /** The engines of a learned prior; undefined if the prior is N(0, I). */
  readonly prior: Engine | undefined;
  readonly priorDensity: Engine | undefined;
  /** Undefined if the bundle is not calibrated. */
  readonly detector: Engine | undefined;
  readonly requested: string;
  readonly provider: string;
  /** Why this provider was chosen. */
  readonly why: string;
  readonly threads: number;
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/** Provenance record: what a model runs on and why. */
export interface Receipt {
  readonly bundle: { readonly manifest_sha256: string };
  readonly provider: { readonly requested: string; readonly actual: string; readonly why: string };
  readonly threads: number;
  readonly graphs: Readonly<Record<string, { file: string; precision: string; micro_batch: number }>>;
  readonly versions: Readonly<Record<string, string | undefined>>;
}

/** The graphs in use, by role. A model has both of the prior if it is learned, and a detector if it is calibrated. */
export interface Graphs {
  readonly encoder: GraphInfo;
  readonly decoder: GraphInfo;
  readonly prior?: GraphInfo;
  readonly prior_density?: GraphInfo;
  readonly detector?: GraphInfo;
}

/** A bundle that is ready to run; created by `load`. Calls may overlap; they run one after another. */
export class Model {
  readonly manifest: Manifest;
  /** The execution provider in use. */
  readonly provider: string;
  readonly threads: number;
  /** Height, width and channels. */
  readonly imageShape: ImageShape;
  readonly latentDim: number;
  /** Names of the classes; undefined for a model without labels. */
  readonly labels: readonly string[] | undefined;
  /** SHA-256 of the bundle's manifest, which holds the hashes of all files. */
  readonly sha256: string;
  #last: Promise<unknown> = Promise.resolve();
  #open = true;

  constructor(
    private readonly bundle: Bundle,
    private readonly opened: Opened,
  ) {
    this.manifest = bundle.manifest;
    this.sha256 = bundle.sha256;
    this.provider = opened.provider;
    this.threads = opened.threads;
    this.imageShape = bundle.manifest.model.image_shape;
    this.latentDim = bundle.manifest.model.latent_dim;
    this.labels = bundle.manifest.model.labels;
  }

  /** The graphs in use, by role. */
  get graphs(): Graphs {
    return this.#byRole(({ graph }) => graph);
  }

  /**
   * Draws samples `first .. first + count - 1` of the stream that `seed` determines.
   *
   * @param options.label, options.labels the class of all samples, or of each. The same seed with another class keeps
   * the noise, and so the style.
   * @returns the expected image of each sample, in [0, 1].
   * @throws InputError for a number out of range, or a wrong class.
   */
  async generate(count: number, options: SampleOptions & LabelOptions = {}): Promise<Images> {
    checkOptions("generate", options, SAMPLES);
    const noise = this.#noise(count, options);
    const labels = this.#labelsOf(count, options);
    const { prior } = this.opened;
    if (prior === undefined) return await this.#decodeDrawn(count, noise, labels);
    // In the decoder's turn and micro-batches: a product of another size may round differently.
    const latents = async (start: number, stop: number) =>
      (await prior.run(stop - start, sliceOf(noise(start, stop), this.latentDim), ["z"], labels?.subarray(start, stop)))
        .z;
    return await this.#decodeDrawn(count, latents, labels);
  }

  /**
   * Draws the latents of samples `first .. first + count - 1` of the stream of `seed`, without decoding them.
   *
   * @throws InputError for a number out of range, a wrong class, or more latents than memory holds.
   */
  async latents(count: number, options: SampleOptions & LabelOptions = {}): Promise<Latents> {
    checkOptions("latents", options, SAMPLES);
    const noise = this.#noise(count, options);
    const labels = this.#labelsOf(count, options);
    return { data: await this.#toLatents(noise(0, count), labels), shape: [count, this.latentDim] };
  }

  /**
   * Encodes images: raw pixels, which the model scales or binarizes itself, or images in [0, 1], as `generate` returns
   * them, which are rounded to pixels first.
   *
   * @throws InputError for anything else.
   */
  async encode(images: ImagesIn, options: LabelOptions = {}): Promise<Posterior> {
    checkOptions("encode", options, LABELS);
    const pixels = rawPixels(images, this.imageShape);
    return await this.#encode(pixels, this.#labelsOf(this.#countOf(pixels), options));
  }

  /**
   * Decodes latents, N*L values.
   *
   * @returns the expected images, in [0, 1].
   * @throws InputError for another type or length, no latents, values that are not finite, or a wrong class.
   */
  async decode(z: Float32Array | Latents, options: LabelOptions = {}): Promise<Images> {
    checkOptions("decode", options, LABELS);
    const values = latentValues(z, this.latentDim);
    return await this.#decodeValues(values, this.#labelsOf(values.length / this.latentDim, options));
  }

  /**
   * Encodes and decodes images.
   *
   * @param options.sample decode a draw of q(z|x) instead of its mean.
   * @throws InputError see `encode`; or a number out of range.
   */
  async reconstruct(
    images: ImagesIn,
    options: DrawOptions & LabelOptions & { sample?: boolean } = {},
  ): Promise<Images> {
    checkOptions("reconstruct", options, ["sample", ...DRAWS, ...LABELS]);
    const { sample = false, seed = 0, first = 0 } = options;
    const pixels = rawPixels(images, this.imageShape);
    const count = this.#countOf(pixels);
    if (sample) {
      this.#checkRng();
      checkRange(seed, first, count, this.latentDim);
    }
    const labels = this.#labelsOf(count, options);
    const { mean, logvar } = await this.#encode(pixels, labels);
    if (!sample) return await this.#decodeValues(mean.data, labels);
    const z = reparameterize(mean.data, logvar.data, posteriorNoise(seed, first, count, this.latentDim));
    return await this.#decodeValues(this.#checkedDraws(z), labels);
  }

  /**
   * Decodes the latents of images with other classes: this handwriting, as another digit. With a learned prior, the
   * latents are those that the prior maps the same noise to, with the other class.
   *
   * @param labels the class of each result; or one class for all images, in a list of one.
   * @param options.of the class of each image, which it is encoded with. By default, it is the most probable one of
   * `classify`, which scores each image once a class.
   * @throws InputError see `encode`; or the model has no labels.
   */
  async restyle(
    images: ImagesIn,
    labels: readonly Label[],
    options: { of?: readonly (Label | null)[] } = {},
  ): Promise<Images> {
    checkOptions("restyle", options, ["of"]);
    classNames(this.manifest.model); // throws without labels
    const pixels = rawPixels(images, this.imageShape);
    const count = this.#countOf(pixels);
    const given = (labels as readonly Label[] | undefined) ?? []; // not optional, also in JavaScript
    const each = Array.isArray(given) && given.length === 1 ? Array<Label>(count).fill(given[0] as Label) : given;
    const chosen = this.#labelsOf(count, { labels: each });
    const of = options.of ?? mostProbable(await this.classify(pixels));
    const own = labelArray(this.manifest.model, count, { labels: of }, "of");
    const { mean } = await this.#encode(pixels, own);
    const density = this.opened.priorDensity;
    if (density === undefined) return await this.#decodeValues(mean.data, chosen);
    // The latents hold the class, their noise does not.
    const { noise } = await this.#run(density, mean.data, ["noise"], own);
    return await this.#decodeValues(await this.#toLatents(noise, chosen), chosen);
  }

  /**
   * Computes p(label | x) of images by Bayes' rule, with equally probable classes. Each class scores the images with the
   * same draws; see `score` for the arguments.
   *
   * @throws InputError see `score`; or the model has no labels.
   */
  async classify(images: ImagesIn, options: DrawOptions & { samples?: number } = {}): Promise<Probabilities> {
    checkOptions("classify", options, ["samples", ...DRAWS]);
    const classes = classNames(this.manifest.model).length;
    const pixels = rawPixels(images, this.imageShape);
    const count = this.#countOf(pixels);
    const { samples = 1, seed = 0, first = 0 } = options;
    const bounds: Float64Array[] = [];
    for (let label = 0; label < classes; label++) {
      bounds.push((await this.score(pixels, { samples, seed, first, label })).iwBound);
    }
    const data = new Float64Array(count * classes);
    for (let image = 0; image < count; image++) {
      const logits = Float64Array.from(bounds, (bound) => bound[image]);
      const total = logSumExp(logits);
      data.set(
        logits.map((logit) => Math.exp(logit - total)),
        image * classes,
      );
    }
    return { data, shape: [count, classes] };
  }

  /**
   * Computes each image's ELBO and importance-weighted bound of log p(x), in nats.
   *
   * @param options.samples k, the draws of q(z|x) per image; 1 by default.
   * @param options.label, options.labels the class of all images, or of each. The scores are then those given the class,
   * log p(x | label).
   * @throws InputError see `encode`; or a number out of range.
   */
  async score(images: ImagesIn, options: DrawOptions & LabelOptions & { samples?: number } = {}): Promise<Scores> {
    checkOptions("score", options, ["samples", ...DRAWS, ...LABELS]);
    const { seed = 0, first = 0 } = options;
    const samples = countOf("samples", options.samples ?? 1, 1);
    const from = whole("first", first, 0);
    const pixels = rawPixels(images, this.imageShape);
    this.#checkRng();
    const count = this.#countOf(pixels);
    checkRange(seed, from * BigInt(samples), count * samples, this.latentDim);
    const { model } = this.manifest;
    const outputs = decoderOutputs(model.likelihood);
    const decode = (z: Float32Array, of: Indices) => this.#run(this.opened.decoder, this.#checkedDraws(z), outputs, of);
    const { priorDensity: density } = this.opened;
    const logPrior =
      density && (async (z: Float32Array, of: Indices) => (await this.#run(density, z, ["log_prob"], of)).log_prob);
    const labels = this.#labelsOf(count, options);
    const posterior = await this.#encode(pixels, labels);
    const scores = await scoreImages(pixels, posterior, decode, model, samples, BigInt(seed), from, logPrior, labels);
    this.#checkFinite("scores", scores.elbo, scores.iwBound);
    return scores;
  }

  /**
   * Decides which images are strange, with the detector of a bundle that cvae-calibrate wrote. All images have the same
   * draws, so no result depends on the other images of a call.
   *
   * @throws InputError see `encode`; or the bundle has no detector.
   */
  async detect(images: ImagesIn): Promise<Detection> {
    const { detector: engine } = this.opened;
    const { detector } = this.manifest;
    if (engine === undefined || detector === undefined) {
      throw new InputError(
        "the model has no detector: expected a bundle that cvae-calibrate wrote; " +
          "make one from images of good parts: cvae-calibrate BUNDLE GOOD -o NEW",
      );
    }
    const pixels = rawPixels(images, this.imageShape);
    const input = sliceOf(pixels, product(this.imageShape));
    const found = await this.#inTurn(() => engine.run(this.#countOf(pixels), input, DETECTED, undefined));
    const [height, width] = this.imageShape;
    return detectionOf(found, height, width, detector.map_threshold);
  }

  /**
   * Decodes a path from one latent to another.
   *
   * @param a, b single latents, Float32Array of L values, or single images, which are encoded to their means.
   * @param options.steps number of images, including both ends; 8 by default.
   * @param options.method "linear", or "spherical" (Shoemake, 1985), which keeps the length typical of the prior's latents.
   * @param options.label the class of all images. Images at the ends are encoded without a class.
   */
  async interpolate(
    a: Float32Array | Latents | ImagesIn,
    b: Float32Array | Latents | ImagesIn,
    options: LabelOption & { steps?: number; method?: Method } = {},
  ): Promise<Images> {
    checkOptions("interpolate", options, ["steps", "method", "label"]);
    const steps = countOf("steps", options.steps ?? 8, 2);
    const { method = "linear", label = null } = options;
    checkChoice("method", method, METHODS);
    const [start, end] = await Promise.all([this.#end(a, "an end"), this.#end(b, "an end")]); // both are copied before the first await
    return await this.decode(interpolateLatents(start, end, steps, method), { label });
  }

  /**
   * Varies one latent dimension at a time and decodes the latents.
   *
   * @param start a single latent or a single image, as for `interpolate`.
   * @param dimensions distinct dimensions; by default the first 10 of `rankDimensions`.
   * @param options.steps images per dimension; 7 by default. If odd, the middle one is decoded from `start` itself.
   * @param options.span largest offset below and above the value in `start`; 3 by default.
   * @param options.label the class of all images, as for `interpolate`.
   * @returns all steps of the first dimension, then those of the next one.
   */
  async traverse(
    start: Float32Array | Latents | ImagesIn,
    dimensions?: readonly number[],
    options: LabelOption & { steps?: number; span?: number } = {},
  ): Promise<Images> {
    checkOptions("traverse", options, ["steps", "span", "label"]);
    const { span = 3, label = null } = options;
    const steps = countOf("steps", options.steps ?? 7, 2);
    checkSpan(span);
    if (dimensions !== undefined) checkDimensions(dimensions, this.latentDim);
    const [latent, chosen] = await Promise.all([
      this.#end(start, "start"),
      dimensions?.slice() ?? this.rankDimensions(start).then((ranked) => ranked.slice(0, TRAVERSED)),
    ]);
    return await this.decode(traversalLatents(latent, chosen, steps, span), { label });
  }

  /**
   * Decodes a grid over two latent dimensions, from the prior's 5% quantile to its 95% quantile. All others are 0.
   * With a learned prior, the grid is one of noise, which the prior maps to latents.
   *
   * @param dimensions the dimension that grows down the rows, and the one that grows along the columns; by
   * default the first two of `rankDimensions`, in ascending order.
   * @param options.steps images per side; 20 by default.
   * @param options.label the class of all images, as for `interpolate`.
   * @returns the rows of the grid, one after another.
   */
  async manifold(dimensions?: readonly number[], options: LabelOption & { steps?: number } = {}): Promise<Images> {
    checkOptions("manifold", options, ["steps", "label"]);
    const { label = null } = options;
    const steps = countOf("steps", options.steps ?? 20, 2);
    const chosen = dimensions ?? (await this.rankDimensions()).slice(0, 2).sort((a, b) => a - b);
    checkDimensions(chosen, this.latentDim);
    if (chosen.length !== 2) {
      throw new InputError(`a manifold needs exactly 2 latent dimensions; found ${chosen.length}`);
    }
    const labels = this.#labelsOf(steps * steps, { label });
    return await this.#decodeValues(
      await this.#toLatents(manifoldLatents(this.latentDim, chosen, steps), labels),
      labels,
    );
  }

  /**
   * Ranks the latent dimensions by posterior variance, ascending. An unused dimension has the prior as its posterior,
   * and ranks last. Of equal dimensions, the lower one is first.
   *
   * @param start a single image, or a single latent, which is decoded to an image; by default the latent 0, the mean of
   * the prior, or with a learned prior, the latent of the noise 0.
   */
  async rankDimensions(start?: Float32Array | Latents | ImagesIn): Promise<number[]> {
    const from = start ?? (await this.#toLatents(new Float32Array(this.latentDim), this.#labelsOf(1)));
    const image = isLatent(from) ? toUint8(await this.decode(await this.#end(from, "start"))) : from;
    const { logvar } = await this.encode(image);
    return ascending(one(logvar.data, this.latentDim, "start"));
  }

  /** Compares the graphs that the bundle has with its golden vectors and random numbers, on the provider in use. */
  async selfCheck(): Promise<SelfCheck> {
    const { golden: info } = this.manifest;
    const engines: Engine[] = [];
    for (const engine of this.#engines()) if (await this.#inTurn(() => engine.exists())) engines.push(engine);
    const source = this.bundle.describe(info.file);
    const golden = parseGolden(
      await this.bundle.read(info),
      source,
      engines.map((engine) => engine.graph.file),
    );
    const results = checkLatents(golden);
    for (const { file, inputs, outputs, atol } of golden.cases) {
      const engine = engines.find((one) => one.graph.file === file);
      if (engine === undefined) continue;
      const items = inputs[engine.input] as GoldenArray | undefined;
      const labels = (inputs.label as GoldenArray | undefined)?.data;
      const names = Object.keys(outputs);
      const fits = names.length > 0 && names.every((name) => engine.gives(name));
      if (!fits || items === undefined || items.data instanceof BigInt64Array || !this.#suits(labels, items.shape[0])) {
        throw new BundleError(`${source}: the vectors do not fit ${file}; ${EXPORT_AGAIN}`);
      }
      const [count, ...rest] = items.shape;
      const input = sliceOf(items.data, product(rest));
      const found = await this.#inTurn(() => engine.run(count, input, names, labels));
      for (const name of names) {
        const most = difference(found[name], outputs[name].data);
        results.push({ file, output: name, difference: most, atol, agrees: most <= atol });
      }
    }
    return { provider: this.provider, agrees: results.every(({ agrees }) => agrees), results };
  }

  /** Provenance record as JSON values: what the model runs on and why. */
  receipt(): Receipt {
    const { requested, provider, why, versions } = this.opened;
    return {
      bundle: { manifest_sha256: this.sha256 },
      provider: { requested, actual: provider, why },
      threads: this.threads,
      graphs: this.#byRole(({ graph, microBatch }) => ({
        file: graph.file,
        precision: graph.precision,
        micro_batch: microBatch,
      })),
      versions,
    };
  }

  /** Waits for pending calls, then frees ONNX Runtime's sessions. The model cannot be used afterwards. */
  async close(): Promise<void> {
    if (!this.#open) return;
    const closed = this.#inTurn(() => Promise.all(this.#engines().map((engine) => engine.close())));
    this.#open = false;
    await closed;
  }

  /** Runs `act` after all earlier calls: WebAssembly sessions take one call at a time. */
  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    if (!this.#open) throw new InputError("the model is closed; load it again");
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => undefined); // the caller gets the error
    return await turn;
  }

  #engines(): Engine[] {
    const { encoder, decoder, prior, priorDensity, detector } = this.opened;
    return [encoder, decoder, prior, priorDensity, detector].filter((engine) => engine !== undefined);
  }

  #byRole<T>(of: (engine: Engine) => T): Record<"encoder" | "decoder", T> & Record<string, T> {
    const entries = this.#engines().map((engine) => [engine.graph.role, of(engine)] as const);
    return Object.fromEntries(entries) as Record<"encoder" | "decoder", T>;
  }

  #countOf(pixels: Uint8Array): number {
    return pixels.length / product(this.imageShape);
  }

  #labelsOf(count: number, options: LabelOptions = {}): Indices {
    return labelArray(this.manifest.model, count, options);
  }

  /** Whether golden labels are those of `count` items, or absent for a model without labels. */
  #suits(labels: GoldenArray["data"] | undefined, count: number): labels is Indices {
    if (this.labels === undefined) return labels === undefined;
    return labels instanceof BigInt64Array && labels.length === count;
  }

  /** Checks the arguments of `generate`, and returns a function that draws the noise of samples `start .. stop - 1`. */
  #noise(count: number, options: SampleOptions): (start: number, stop: number) => Float32Array {
    const { seed = 0, first = 0, temperature = 1 } = options;
    countOf("count", count, 1);
    checkTemperature(temperature);
    this.#checkRng();
    checkRange(seed, first, count, this.latentDim);
    return (start, stop) => {
      const noise = priorLatents(seed, BigInt(first) + BigInt(start), stop - start, this.latentDim);
      const factor = Math.fround(temperature);
      for (let i = 0; i < noise.length; i++) noise[i] *= factor;
      return noise;
    };
  }

  /** Maps draws of N(0, I), N*L values, to draws of the prior. */
  async #toLatents(noise: Float32Array, labels: Indices): Promise<Float32Array> {
    const { prior } = this.opened;
    return prior === undefined ? noise : (await this.#run(prior, noise, ["z"], labels)).z;
  }

  /** Runs a graph on N*L values. */
  async #run(
    engine: Engine,
    items: Float32Array,
    outputs: readonly string[],
    labels: Indices,
  ): Promise<Record<string, Float32Array>> {
    const count = items.length / this.latentDim;
    return await this.#inTurn(() => engine.run(count, sliceOf(items, this.latentDim), outputs, labels));
  }

  async #encode(pixels: Uint8Array, labels: Indices): Promise<Posterior> {
    const count = this.#countOf(pixels);
    const input = sliceOf(pixels, product(this.imageShape));
    const outputs = await this.#inTurn(() => this.opened.encoder.run(count, input, ["mean", "logvar"], labels));
    const shape = [count, this.latentDim] as const;
    return { mean: { data: outputs.mean, shape }, logvar: { data: outputs.logvar, shape } };
  }

  async #decodeValues(z: Float32Array, labels: Indices): Promise<Images> {
    return await this.#decodeDrawn(z.length / this.latentDim, sliceOf(z, this.latentDim), labels);
  }

  async #decodeDrawn(count: number, latents: InputOf, labels: Indices): Promise<Images> {
    const { probs } = await this.#inTurn(() => this.opened.decoder.run(count, latents, ["probs"], labels));
    return { data: probs, shape: [count, ...this.imageShape] };
  }

  async #end(value: Float32Array | Latents | ImagesIn, name: string): Promise<Float32Array> {
    const latent = isLatent(value) ? latentValues(value, this.latentDim) : (await this.encode(value)).mean.data;
    return one(latent, this.latentDim, name);
  }

  #checkRng(): void {
    const { rng } = this.manifest.model;
    if (rng !== RNG_NAME) {
      throw new InputError(
        `the bundle specifies the random numbers "${rng}", this version knows "${RNG_NAME}"; ` +
          `draw latents yourself and decode them`,
      );
    }
  }

  #checkedDraws(z: Float32Array): Float32Array {
    this.#checkFinite("draws of q(z|x)", z);
    return z;
  }

  #checkFinite(what: string, ...numbers: (Float32Array | Float64Array)[]): void {
    if (numbers.every((array) => array.every(Number.isFinite))) return;
    throw new BundleError(
      `${this.bundle.describe(this.graphs.encoder.file)}: expected finite ${what}, found NaN or infinity; ` +
        `the outputs of its graphs are too extreme; ${EXPORT_AGAIN}`,
    );
  }
}

/** Returns the values of a single latent. @throws InputError for several. */
function one(values: Float32Array, latentDim: number, name: string): Float32Array {
  if (values.length === latentDim) return values;
  throw new InputError(`${name} must be one latent or one image; found ${values.length / latentDim}`);
}

/** Whether a value is a latent; images in [0, 1] have a shape of four dimensions. */
function isLatent(value: Float32Array | Latents | ImagesIn): value is Float32Array | Latents {
  if (value instanceof Float32Array) return true;
  const { data, shape } = (value as Partial<Latents | Images> | null) ?? {};
  return data instanceof Float32Array && !(Array.isArray(shape) && shape.length > 2);
}

function sliceOf<T extends Items>(values: T, size: number): (start: number, stop: number) => T {
  return (start, stop) => values.subarray(start * size, stop * size) as T;
}
