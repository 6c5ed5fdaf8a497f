/** A graph on a provider: a session that runs in micro-batches. */

import { allocate } from "./arrays.ts";
import { AbsentError, type Bundle, type Bytes } from "./bundle.ts";
import { BundleError, EXPORT_AGAIN, InputError, messageOf, ProviderError } from "./errors.ts";
import type { GraphInfo } from "./manifest-types.ts";
import type { Indices } from "./labels.ts";
import type { OrtSession, OrtTensor, Runtime } from "./ort.ts";

/**
 * A graph's input and outputs, with their dimensions after the batch, and whether it also has the input `label`. Outputs
 * are float32, except "alarm", which is bool.
 */
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

/** A graph on a provider. Its file is fetched, checked and opened when the graph first runs. */
export class Engine {
  #session: Promise<OrtSession> | undefined;
  #place = 0;

  /** @param ranked the graphs that fit, the best first. The first whose file the bundle has is used. */
  constructor(
    private readonly bundle: Bundle,
    private readonly ranked: readonly GraphInfo[],
    private readonly runtime: Runtime,
    private readonly signature: Signature,
    readonly microBatch: number,
  ) {}

  /**
   * Runs the graph on `count` items, one micro-batch at a time.
   *
   * @param labels the class of each item, if the model has labels.
   * @returns the requested outputs, each with the values of `count` items, one after another; 0 and 1 for bool.
   * @throws IntegrityError, BundleError if the file cannot be used. @throws ProviderError if the provider fails.
   * @throws BundleError if the graph fails, or if an output has the wrong type or shape, is not finite, or is "probs"
   * outside [0, 1].
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

  /** The graph in use; the best one until the files were read. */
  get graph(): GraphInfo {
    return this.ranked[this.#place];
  }

  /** Opens the graph. Returns whether the bundle has a file for it. */
  async exists(): Promise<boolean> {
    try {
      await this.#opened();
      return true;
    } catch (error) {
      if (error instanceof AbsentError) return false;
      throw error;
    }
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
    await (await this.#session)?.release();
  }

  async #opened(): Promise<OrtSession> {
    this.#session ??= this.#open();
    try {
      return await this.#session;
    } catch (error) {
      this.#session = undefined; // the next call tries again: a network may have failed
      throw error;
    }
  }

  async #open(): Promise<OrtSession> {
    const { runtime, signature } = this;
    const bytes = await this.#read();
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
        `ONNX Runtime cannot open ${this.#source} on ${String(runtime.executionProvider)}: ${messageOf(error)}; ${runtime.remedy}`,
      );
    }
    const inputs = [signature.input.name, ...(signature.labelled ? [LABEL] : [])];
    const outputs = Object.keys(signature.outputs);
    const { inputNames, outputNames } = session;
    const fits =
      inputs.every((name) => inputNames.includes(name)) && outputs.every((name) => outputNames.includes(name));
    if (!fits || inputNames.length !== inputs.length) {
      await session.release();
      const [needed, there] = [
        [inputs, outputs],
        [inputNames, outputNames],
      ].map((ends) => ends.map((names) => names.join(", ")).join(" -> "));
      throw new BundleError(`${this.#source}: expected ${needed}; found ${there}; export it again`);
    }
    return session;
  }

  async #read(): Promise<Bytes> {
    try {
      return await this.bundle.readGraph(this.graph);
    } catch (error) {
      if (!(error instanceof AbsentError) || this.#place === this.ranked.length - 1) throw error;
      this.#place++;
      return await this.#read();
    }
  }

  get #source(): string {
    return this.bundle.describe(this.graph.file);
  }

  async #call(items: Items, labels: Indices, count: number, outputs: readonly string[]) {
    const session = await this.#opened();
    const { Tensor } = this.runtime.ort;
    const { name, dtype, shape } = this.signature.input;
    const feeds = { [name]: new Tensor(dtype, items, [count, ...shape]) };
    if (labels !== undefined) feeds[LABEL] = new Tensor("int64", labels, [count]);
    try {
      return await session.run(feeds, outputs);
    } catch (error) {
      throw new BundleError(`${this.#source}: fails when it runs: ${messageOf(error)}; ${EXPORT_AGAIN}`);
    }
  }

  #checked(tensor: OrtTensor, name: string, count: number): Float32Array {
    const dims = [count, ...this.signature.outputs[name]];
    const dtype = name === "alarm" ? "bool" : "float32";
    if (tensor.type !== dtype || String(tensor.dims) !== String(dims)) {
      throw new BundleError(
        `${this.#source}: expected ${name} ${dtype} [${dims.join(", ")}], ` +
          `found ${tensor.type} [${tensor.dims.join(", ")}]; ${EXPORT_AGAIN}`,
      );
    }
    return dtype === "bool" ? Float32Array.from(tensor.data as Uint8Array) : (tensor.data as Float32Array);
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
      throw new BundleError(`${this.#source}: expected probs in [0, 1], found ${range}; export it again`);
    }
    let largest = 0;
    for (const value of items) largest = Math.max(largest, Math.abs(value));
    if (TAKES_LATENTS.includes(this.graph.role) && largest >= EXTREME) {
      throw new InputError(
        `${this.#source}: expected latents whose outputs fit float32, found values up to ` +
          `${largest.toPrecision(3)}; use smaller latents or a lower temperature`,
      );
    }
    throw new BundleError(`${this.#source}: expected a finite ${name}, found NaN or infinity; export it again`);
  }
}

export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
