/** `golden.json`: inputs with their outputs and tolerances, for the self-check of a model. */

import { BundleError, EXPORT_AGAIN, messageOf } from "./errors.ts";
import { parseJson } from "./json.ts";
import { priorLatents } from "./random.ts";

/** The comparison of one output of a graph with its golden vector. */
export interface GoldenResult {
  readonly file: string;
  readonly output: string;
  /** The largest absolute difference, in the output's unit; for random numbers in units in the last place. */
  readonly difference: number;
  readonly atol: number;
  readonly agrees: boolean;
}

/** The result of a model's self-check. */
export interface SelfCheck {
  readonly provider: string;
  readonly agrees: boolean;
  readonly results: readonly GoldenResult[];
}

/** Values and their shape. */
export interface GoldenArray {
  readonly data: Float32Array | Uint8Array | BigInt64Array;
  readonly shape: readonly number[];
}

export interface GoldenCase {
  readonly file: string;
  readonly inputs: Readonly<Record<string, GoldenArray>>;
  readonly outputs: Readonly<Record<string, GoldenArray>>;
  readonly atol: number;
}

export interface Golden {
  /** Cases of the graphs in use: their items and outputs are bytes, bool and float32, their labels int64. */
  readonly cases: readonly GoldenCase[];
  readonly rng: readonly { seed: bigint; first: bigint; count: number; latentDim: number; z: Float32Array }[];
}

interface Encoded {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: string;
}

interface Text {
  readonly cases: readonly {
    file: string;
    inputs: Readonly<Record<string, Encoded>>;
    outputs: Readonly<Record<string, Encoded>>;
    atol: number;
  }[];
  readonly rng: readonly { seed: string; first: string; count: number; latent_dim: number; z: Encoded }[];
}

/**
 * Reads the vectors of the graphs `files`. Vectors of other graphs are skipped: JavaScript may lack arrays of their types.
 *
 * @throws BundleError if the file does not have this format.
 */
export function parseGolden(bytes: Uint8Array, source: string, files: readonly string[]): Golden {
  try {
    const text = parseJson(bytes) as Text;
    const cases = text.cases.filter(({ file }) => files.includes(file));
    return {
      cases: cases.map(({ file, inputs, outputs, atol }) => {
        if (typeof atol !== "number") throw new TypeError("atol must be a number");
        return { file, inputs: decodeAll(inputs), outputs: decodeAll(outputs), atol };
      }),
      rng: text.rng.map((item) => {
        const z = decode(item.z);
        if (!(z.data instanceof Float32Array) || z.data.length !== item.count * item.latent_dim) {
          throw new TypeError(`z must be float32 of ${item.count} x ${item.latent_dim} values`);
        }
        const [seed, first] = [BigInt(item.seed), BigInt(item.first)];
        return { seed, first, count: item.count, latentDim: item.latent_dim, z: z.data };
      }),
    };
  } catch (error) {
    throw new BundleError(`${source}: not golden vectors: ${messageOf(error)}; ${EXPORT_AGAIN}`);
  }
}

/** The largest absolute difference. It is NaN, and so within no tolerance, if a value is NaN. */
export function difference(found: Float32Array, expected: GoldenArray["data"]): number {
  if (found.length !== expected.length) return NaN;
  return found.reduce((most, value, i) => {
    const one = Math.abs(value - Number(expected[i]));
    return one <= most ? most : one;
  }, 0);
}

/** Draws the golden latents again and compares them, in units in the last place; 1 is allowed. */
export function checkLatents(golden: Golden): GoldenResult[] {
  return golden.rng.map(({ seed, first, count, latentDim, z }) => {
    const found = priorLatents(seed, first, count, latentDim);
    const [a, b] = [found, z].map(inOrder);
    const most = a.reduce((largest, place, i) => Math.max(largest, Math.abs(place - b[i])), 0);
    return { file: "rng", output: `seed ${String(seed)}, in ulp`, difference: most, atol: 1, agrees: most <= 1 };
  });
}

/** Maps each value to its index among all float32 in ascending order, so that neighbours differ by 1. */
function inOrder(values: Float32Array): number[] {
  const bits = new Int32Array(new Float32Array(values).buffer);
  return Array.from(bits, (word) => (word < 0 ? -(word & 0x7fffffff) : word));
}

function decodeAll(arrays: Readonly<Record<string, Encoded>>): Record<string, GoldenArray> {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, decode(array)]));
}

/** Decodes an array; every platform of ONNX Runtime is little-endian. */
function decode({ dtype, shape, data }: Encoded): GoldenArray {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const values = valuesOf(dtype, bytes);
  if (values === undefined) {
    throw new TypeError(`dtype must be uint8, bool, float32 or int64; found ${JSON.stringify(dtype)}`);
  }
  if (!shape.every(Number.isInteger) || shape.reduce((a, b) => a * b, 1) !== values.length) {
    throw new TypeError(`shape [${shape.join(", ")}] does not fit ${values.length} values`);
  }
  if (values.length === 0) throw new TypeError(`expected values, found none: shape [${shape.join(", ")}]`);
  return { data: values, shape };
}

function valuesOf(dtype: string, bytes: Uint8Array<ArrayBuffer>): GoldenArray["data"] | undefined {
  switch (dtype) {
    case "uint8":
    case "bool":
      return bytes;
    case "float32":
      return new Float32Array(bytes.buffer);
    case "int64":
      return new BigInt64Array(bytes.buffer);
  }
  return undefined;
}
