/** Open a bundle on a provider, in Node.js and in browsers. */

import { AbsentError, Bundle, ReplacedError, type BundleSource } from "./bundle.ts";
import { checkChoice, checkOptions, count } from "./check.ts";
import { Engine, type Signature } from "./engine.ts";
import { IntegrityError, messageOf, ProviderError } from "./errors.ts";
import { decoderOutputs } from "./elbo.ts";
import { rankGraphs } from "./manifest.ts";
import { PRECISIONS, type GraphInfo, type Manifest, type Precision } from "./manifest-types.ts";
import { microBatchOf } from "./micro-batch.ts";
import { Model } from "./model.ts";
import type { Platform, RuntimeOptions } from "./ort.ts";

/** Options of `load`. */
export interface LoadOptions extends RuntimeOptions {
  /** Execution provider. The default, "auto", takes the best one that works; a named provider is never replaced. */
  provider?: string;
  /** Precision of the graphs, "float32" by default. A role without a graph of this precision uses float32. */
  precision?: Precision;
  /** Called with the reason if "auto" rejects a provider; `console.warn` by default. */
  onNotice?: (text: string) => void;
}

/**
 * Loads a bundle: reads its manifest and checks the provider. Graphs are fetched, checked and opened when a method first
 * needs them; on a GPU, the self-check opens all of them first.
 *
 * @throws BundleError, IntegrityError if the bundle cannot be used.
 * @throws ProviderError if the provider is missing or does not work.
 * @throws InputError for an unknown provider, precision or option, or a precision that the bundle has no graph for.
 */
export async function loadOn(platform: Platform, source: BundleSource, options: LoadOptions): Promise<Model> {
  checkOptions("load", options, ["provider", "precision", "threads", "wasm", "onNotice"]);
  if (options.wasm !== undefined) checkOptions("load, wasm,", options.wasm, ["wasmPath", "wasmBinary"]);
  const { provider = "auto", precision = "float32" } = options;
  checkChoice("provider", provider, ["auto", ...platform.providers]);
  checkChoice("precision", precision, PRECISIONS);
  if (options.threads !== undefined) count("threads", options.threads, 1);
  for (let reading = 1; ; reading++) {
    try {
      return await openBundle(platform, await Bundle.open(source), options);
    } catch (error) {
      if (!(error instanceof ReplacedError) || reading === READINGS) throw error;
    }
  }
}

const READINGS = 1000; // attempts, for a bundle that is replaced again and again

async function openBundle(platform: Platform, bundle: Bundle, options: LoadOptions): Promise<Model> {
  const { provider = "auto", precision = "float32" } = options;
  const candidates = provider === "auto" ? platform.auto(options) : [provider];
  const refusals: string[] = [];
  for (const candidate of candidates) {
    try {
      return await openOn(platform, bundle, candidate, precision, options, refusals.join("; "));
    } catch (error) {
      if (!(error instanceof ProviderError) || candidate === candidates.at(-1)) throw error;
      refusals.push(`${candidate} is not used: ${error.message}`);
      (options.onNotice ?? console.warn)(refusals[refusals.length - 1]);
    }
  }
  throw new Error("no provider is tried"); // unreachable: every platform has at least one
}

async function openOn(
  platform: Platform,
  bundle: Bundle,
  provider: string,
  precision: Precision,
  options: LoadOptions,
  why: string,
): Promise<Model> {
  const { manifest } = bundle;
  const onCpu = platform.onCpu.includes(provider);
  const ranked = (role: Role) => rankGraphs(manifest, role, precision, onCpu);
  const [decoder] = ranked("decoder");
  const runtime = await platform.runtime(provider, options);
  // WebGPU has no float64, in which a detector sums.
  const onHost = manifest.detector !== undefined && provider === "webgpu";
  const host = onHost ? await platform.runtime(platform.onCpu[0], { threads: runtime.threads }) : runtime;
  const needed = signatures(manifest, decoder);
  const engine = (role: Role) => {
    const graphs = ranked(role);
    // Latents of a learned prior are computed in the decoder's micro-batches, so that batches of any size have the same bits.
    const microBatch = microBatchOf(role.startsWith("prior") ? decoder : graphs[0], manifest.model, onCpu);
    // A prior is never replaced: samples would come from another one.
    const usable = role === "encoder" || role === "decoder" ? graphs : graphs.slice(0, 1);
    return new Engine(bundle, usable, role === "detector" ? host : runtime, needed[role], microBatch);
  };
  const isLearned = manifest.model.prior !== undefined;
  const model = new Model(bundle, {
    encoder: engine("encoder"),
    decoder: engine("decoder"),
    prior: isLearned ? engine("prior") : undefined,
    priorDensity: isLearned ? engine("prior_density") : undefined,
    detector: manifest.detector === undefined ? undefined : engine("detector"),
    requested: options.provider ?? "auto",
    provider,
    why: why || (options.provider === provider ? "asked for" : "the best that works here"),
    threads: runtime.threads,
    versions: runtime.ort.env.versions,
  });
  if (onCpu) return model;
  try {
    await checkGolden(model);
    return model;
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** @throws ProviderError unless the model reproduces the bundle's golden vectors. GPUs differ in what they compute. */
async function checkGolden(model: Model): Promise<void> {
  let failures: string;
  try {
    const { results } = await model.selfCheck();
    failures = results
      .filter(({ agrees }) => !agrees)
      .map(({ file, output, difference, atol }) => `${output} of ${file} is off by ${difference}, allowed is ${atol}`)
      .join("; ");
  } catch (error) {
    if (error instanceof ReplacedError) throw error;
    // A damaged file is no fault of the provider. Without golden vectors, no GPU can be checked.
    if (error instanceof IntegrityError && !(error instanceof AbsentError)) throw error;
    failures = messageOf(error);
  }
  if (failures)
    throw new ProviderError(`${model.provider} fails the bundle's self-check: ${failures}; use another one`);
}

type Role = "encoder" | "decoder" | "prior" | "prior_density" | "detector";

/** The signature of each role; `graph` is a decoder. */
function signatures({ model }: Manifest, graph: GraphInfo): Readonly<Record<Role, Signature>> {
  const labelled = model.labels !== undefined;
  const latent = [model.latent_dim];
  // The graph's description of the first output holds the number of a mixture's components.
  const size = graph.outputs.find(({ name }) => name === "location")?.shape.at(-1);
  const components = [...model.image_shape, Math.max(1, typeof size === "number" ? size : 1)];
  const mixed = model.likelihood === "discretized-logistic-mixture";
  return {
    encoder: {
      input: { name: "images", dtype: "uint8", shape: model.image_shape },
      outputs: { mean: latent, logvar: latent },
      labelled,
    },
    decoder: {
      input: { name: "z", dtype: "float32", shape: latent },
      outputs: Object.fromEntries(
        decoderOutputs(model.likelihood).map((name) => [
          name,
          mixed && name !== "probs" ? components : model.image_shape,
        ]),
      ),
      labelled,
    },
    prior: { input: { name: "noise", dtype: "float32", shape: latent }, outputs: { z: latent }, labelled },
    prior_density: {
      input: { name: "z", dtype: "float32", shape: latent },
      outputs: { log_prob: [], noise: latent },
      labelled,
    },
    detector: {
      input: { name: "images", dtype: "uint8", shape: model.image_shape },
      outputs: { score: [], p_value: [], alarm: [], map: model.image_shape.slice(0, 2) },
      labelled: false,
    },
  };
}
