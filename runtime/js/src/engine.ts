/** A graph on a provider: a session that runs in micro-batches. */

import { allocate } from "./arrays.ts";
import type { Bundle } from "./bundle.ts";
import { BundleError, EXPORT_AGAIN, InputError, messageOf, ProviderError } from "./errors.ts";
import type { GraphInfo } from "./manifest-types.ts";
import type { Indices } from "./labels.ts";
import type { OrtSession, OrtTensor, Runtime } from "./ort.ts";

/** A graph's input and outputs, with their dimensions after the batch, and whether it also has the input `label`. */
export interface Signature {
  readonly input: { readonly name: string; readonly dtype: "float32" | "uint8"; readonly shape: readonly number[] };
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly labelled: boolean;
}

/** The items of a graph: pixels, latents or noise. */
export type Items = Float32Array | Uint8Array;

/** Returns the input of items `start .. stop - 1`. */
export type InputOf = (start: number, stop: number) => Items | Promise<Items>;

const LABEL = "label"; // name of the input for classes

const EXTREME = 1e4; // latents of a prior are far below
const TAKES_LATENTS: readonly string[] = ["decoder", "prior", "prior_density"]; // roles
const ROUNDING = 1e-3; // allowed beyond [0, 1] in probs: a quarter of a grey level; int8 and float16 graphs are off by less

export class Engine {
  private constructor(
    readonly graph: GraphInfo,
    readonly microBatch: number,
    private readonly session: OrtSession,
    private readonly runtime: Runtime,
    private readonly signature: Signature,
    private readonly source: string,
  ) {}

  /**
   * Opens a graph of a bundle.
   *
   * @throws IntegrityError, BundleError if the file cannot be used. @throws ProviderError if the provider fails.
   */
  static async open(bundle: Bundle, graph: GraphInfo, runtime: Runtime, signature: Signature, microBatch: number) {
    const source = bundle.describe(graph.file);
    const bytes = await bundle.readGraph(graph);
    let session: OrtSession;
    try {
      session = await runtime.ort.InferenceSession.create(bytes, {
        executionProviders: [runtime.executionProvider],
        intraOpNumThreads: runtime.threads,
        interOpNumThreads: 1,
        logSeverityLevel: 3, // errors only
        extra: { session: { load_model_format: "ONNX" } }, // otherwise the file's content decides
      });
    } catch (error) {
      throw new ProviderError(
        `ONNX Runtime cannot open ${source} on ${String(runtime.executionProvider)}: ${messageOf(error)}; ${runtime.remedy}`,
      );
    }
    const inputs = [signature.input.name, ...(signature.labelled ? [LABEL] : [])];
    const needed = [...inputs, ...Object.keys(signature.outputs)];
    const there = [...session.inputNames, ...session.outputNames];
    if (session.inputNames.length !== inputs.length || !needed.every((name) => there.includes(name))) {
      throw new BundleError(`${source}: expected ${needed.join(", ")}; found ${there.join(", ")}; export it again`);
    }
    return new Engine(graph, microBatch, session, runtime, signature, source);
  }

  /**
   * Runs the graph on `count` items, one micro-batch at a time.
   *
   * @param labels the class of each item, if the model has labels.
   * @returns the requested outputs, each with the values of `count` items, one after another.
   * @throws BundleError if the graph fails, or if an output is not float32, has the wrong shape, is not finite, or is
   * "probs" outside [0, 1].
   * @throws InputError for latents so large that the graph's sums overflow float32.
   */
  async run(
    count: number,
    input: InputOf,
    outputs: readonly string[],
    labels: Indices,
  ): Promise<Record<string, Float32Array>> {
    const sizes = outputs.map((name) => product(this.signature.outputs[name]));
    const whole = sizes.map((size) => allocate(count, size, this.graph.role === "prior" ? "latents" : "images"));
    for (let start = 0; start < count; start += this.microBatch) {
      const stop = Math.min(start + this.microBatch, count);
      const items = await input(start, stop);
      const found = await this.#call(items, labels?.subarray(start, stop), stop - start, outputs);
      outputs.forEach((name, n) => {
        const values = this.#checked(found[name], name, stop - start);
        whole[n].set(this.#checkedValues(items, values, name), start * sizes[n]);
      });
    }
    return Object.fromEntries(outputs.map((name, n) => [name, whole[n]]));
  }

  /** Name of the graph's input for items. */
  get input(): string {
    return this.signature.input.name;
  }

  /** Whether the graph has an output of this name. */
  gives(output: string): boolean {
    return Object.hasOwn(this.signature.outputs, output);
  }

  async close(): Promise<void> {
    await this.session.release();
  }

  async #call(items: Items, labels: Indices, count: number, outputs: readonly string[]) {
    const { Tensor } = this.runtime.ort;
    const { name, dtype, shape } = this.signature.input;
    const feeds = { [name]: new Tensor(dtype, items, [count, ...shape]) };
    if (labels !== undefined) feeds[LABEL] = new Tensor("int64", labels, [count]);
    try {
      return await this.session.run(feeds, outputs);
    } catch (error) {
      throw new BundleError(`${this.source}: fails when it runs: ${messageOf(error)}; ${EXPORT_AGAIN}`);
    }
  }

  #checked(tensor: OrtTensor, name: string, count: number): Float32Array {
    const dims = [count, ...this.signature.outputs[name]];
    if (tensor.type !== "float32" || String(tensor.dims) !== String(dims)) {
      throw new BundleError(
        `${this.source}: expected ${name} float32 [${dims.join(", ")}], ` +
          `found ${tensor.type} [${tensor.dims.join(", ")}]; ${EXPORT_AGAIN}`,
      );
    }
    return tensor.data as Float32Array;
  }

  /** Checks the values, and clips rounding errors of "probs" to [0, 1]. */
  #checkedValues(items: Items, values: Float32Array, name: string): Float32Array {
    let [low, high] = [Infinity, -Infinity];
    let finite = true;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
      finite &&= Number.isFinite(value);
    }
    if (finite && !(this.graph.role === "decoder" && name === "probs")) return values;
    if (finite && low >= 0 && high <= 1) return values;
    if (finite && low >= -ROUNDING && high <= 1 + ROUNDING) {
      return values.map((value) => Math.min(Math.max(value, 0), 1));
    }
    if (finite) {
      const range = `${low.toPrecision(3)} to ${high.toPrecision(3)}`;
      throw new BundleError(`${this.source}: expected probs in [0, 1], found ${range}; export it again`);
    }
    let largest = 0;
    for (const value of items) largest = Math.max(largest, Math.abs(value));
    if (TAKES_LATENTS.includes(this.graph.role) && largest >= EXTREME) {
      throw new InputError(
        `${this.source}: expected latents whose outputs fit float32, found values up to ` +
          `${largest.toPrecision(3)}; use smaller latents or a lower temperature`,
      );
    }
    throw new BundleError(`${this.source}: expected a finite ${name}, found NaN or infinity; export it again`);
  }
}

export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
