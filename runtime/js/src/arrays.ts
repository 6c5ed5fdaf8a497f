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

/** Raw pixels, 0 to 255, of one or more images: N*H*W*C values with or without a shape, or ImageData. */
export type ImagesIn = Bytes | { readonly data: Bytes; readonly shape: readonly number[] } | ImageData | ImageData[];

/**
 * Converts images to a new array of N*H*W*C raw pixels. If the model has one channel, ImageData is converted to grey with
 * the luma of ITU-R 601-2. Transparent pixels are blended with the grey level that `paperBelow` returns.
 *
 * @throws InputError if an image has another shape, or if there are no images.
 */
export function rawPixels(images: ImagesIn, shape: ImageShape): Uint8Array {
  const [height, width, channels] = shape;
  const size = height * width * channels;
  const expected = `raw pixels 0 to 255 of images of shape [${shape.join(", ")}]`;
  const pictures = Array.isArray(images) ? images : isImage(images) ? [images] : undefined;
  if (pictures !== undefined) {
    const pixels = new Uint8Array(pictures.length * size);
    pictures.forEach((picture, n) => {
      if (!isImage(picture))
        throw new InputError(`images must be ${expected}; found a list that holds ${found(picture)}`);
      if (picture.height !== height || picture.width !== width) {
        throw new InputError(`images must be ${expected}; found an ImageData of ${picture.height} x ${picture.width}`);
      }
      pixels.set(fromRgba(picture.data, channels), n * size);
    });
    if (pictures.length > 0) return pixels;
    throw new InputError("images must hold at least one image; found none");
  }
  const { data, shape: given } = shaped(images);
  if (!isBytes(data)) throw new InputError(`images must be a Uint8Array of ${expected}; found ${found(data)}`);
  if (given !== undefined && !isShape(given, data.length, shape)) {
    throw new InputError(`images must be ${expected}; found ${data.length} values of shape [${given.join(", ")}]`);
  }
  if (data.length === 0) throw new InputError("images must hold at least one image; found none");
  if (data.length % size !== 0) {
    throw new InputError(`images must be ${expected}, ${size} values each; found ${data.length} values`);
  }
  return new Uint8Array(data); // a copy: the caller may change the array before its turn comes
}

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

/** Checks the form, not the class: Node.js has no ImageData, but its image libraries return objects like it. */
function isImage(value: unknown): value is ImageData {
  const picture = value as Partial<ImageData> | null;
  return (
    typeof picture === "object" &&
    picture !== null &&
    isBytes(picture.data) &&
    typeof picture.width === "number" &&
    typeof picture.height === "number" &&
    picture.data.length === 4 * picture.width * picture.height
  );
}

/** Whether `given` is (N, H, W, C), or (N, H, W) for one channel, and `length` is the product of its dimensions. */
function isShape(given: readonly number[], length: number, shape: ImageShape): boolean {
  const full = given.length === 3 && shape[2] === 1 ? [...given, 1] : given;
  return (
    full.length === 4 &&
    shape.every((size, axis) => full[axis + 1] === size) &&
    full.reduce((product, size) => product * size, 1) === length
  );
}

const WHITE_FROM = 250; // of a channel; lossy formats store white a few levels darker

/**
 * The grey level behind an RGBA picture: 255, or 0 if all its visible pixels are white, because white on white would
 * show nothing.
 */
export function paperBelow(rgba: Bytes): number {
  let [least, most, white] = [255, 0, true];
  for (let i = 0; i < rgba.length; i += 4) {
    const alpha = rgba[i + 3];
    least = Math.min(least, alpha);
    most = Math.max(most, alpha);
    white &&= alpha === 0 || Math.min(rgba[i], rgba[i + 1], rgba[i + 2]) >= WHITE_FROM;
  }
  return white && least < most ? 0 : 255;
}

function fromRgba(rgba: Bytes, channels: number): Uint8Array {
  const pixels = new Uint8Array((rgba.length / 4) * channels);
  const paper = paperBelow(rgba);
  for (let i = 0; i < rgba.length / 4; i++) {
    const alpha = rgba[4 * i + 3] / 255;
    const [red, green, blue] = [0, 1, 2].map((c) => Math.round(rgba[4 * i + c] * alpha + paper * (1 - alpha)));
    if (channels === 1) pixels[i] = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;
    else pixels.set([red, green, blue], 3 * i);
  }
  return pixels;
}
