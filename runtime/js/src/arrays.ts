/** Images and latents with their shapes, and the checks of arrays that callers pass in. */

import { found, InputError } from "./errors.ts";

/** Height, width and channels. */
export type ImageShape = readonly [height: number, width: number, channels: number];

/** Expected images: values in [0, 1], one image after another, each row by row. */
export interface Images {
  readonly data: Float32Array;
  readonly shape: readonly [count: number, height: number, width: number, channels: number];
}

/** Latents, one after another. */
export interface Latents {
  readonly data: Float32Array;
  readonly shape: readonly [count: number, latentDim: number];
}

export type Bytes = Uint8Array | Uint8ClampedArray;

/**
 * Copies the N*L values of latents.
 *
 * @throws InputError for another type or length, or values that are not finite.
 */
export function latentValues(z: Float32Array | Latents, latentDim: number): Float32Array {
  const { data, shape: given } = shaped(z);
  const expected = `latents must be a Float32Array of N * ${latentDim} values`;
  if (!(data instanceof Float32Array)) throw new InputError(`${expected}; found ${found(data)}`);
  if (given !== undefined && (given[1] !== latentDim || given[0] * given[1] !== data.length)) {
    throw new InputError(`${expected}; found ${data.length} values of shape [${given.join(", ")}]`);
  }
  if (data.length === 0) throw new InputError("latents must hold at least one latent; found none");
  if (data.length % latentDim !== 0) throw new InputError(`${expected}; found ${data.length} values`);
  if (!data.every(Number.isFinite)) throw new InputError("latents must be finite; found NaN or infinity");
  return new Float32Array(data); // a copy: the caller may change the array before its turn comes
}

/** Allocates `size` values for each of `count` items, such as "images". @throws InputError if there is not enough memory. */
export function allocate(count: number, size: number, items: string): Float32Array {
  try {
    return new Float32Array(count * size);
  } catch {
    const gigabytes = ((4 * count * size) / 2 ** 30).toFixed(1);
    throw new InputError(
      `${count} ${items} take ${gigabytes} GiB, more than is available; make them in parts, with first`,
    );
  }
}

/** Splits `{ data, shape }` into its two parts; any other value becomes `data`. */
export function shaped(value: unknown): { data: unknown; shape?: readonly number[] } {
  const isObject = typeof value === "object" && value !== null && "data" in value;
  return isObject ? value : { data: value };
}

export function isBytes(value: unknown): value is Bytes {
  return value instanceof Uint8Array || value instanceof Uint8ClampedArray;
}
