/** Raw pixels of the images that callers pass in: arrays, RGBA pictures, and images that a model returned. */

import { isBytes, shaped, type Bytes, type Images, type ImageShape } from "./arrays.ts";
import { found, InputError } from "./errors.ts";
import { isFloats, toUint8 } from "./pictures.ts";

/** An RGBA picture with the fields of a browser's ImageData, which image libraries for Node.js return, too. */
export interface RgbaImage {
  readonly data: Bytes;
  readonly width: number;
  readonly height: number;
}

/**
 * One or more images: raw pixels 0 to 255, N*H*W*C values with or without a shape; images in [0, 1], as a model returns
 * them; or RGBA pictures, such as ImageData.
 */
export type ImagesIn =
  Bytes | { readonly data: Bytes; readonly shape: readonly number[] } | Images | RgbaImage | readonly RgbaImage[];

/**
 * Converts images to a new array of N*H*W*C raw pixels. Images in [0, 1] are rounded as by {@link toUint8}. If the model
 * has one channel, RGBA pictures are converted to grey with the luma of ITU-R 601-2. Transparent pixels are blended with
 * the grey level that `paperBelow` returns.
 *
 * @throws InputError if an image has another shape, or if there are no images.
 */
export function rawPixels(images: ImagesIn, shape: ImageShape): Uint8Array {
  const [height, width, channels] = shape;
  const size = height * width * channels;
  const expected = `raw pixels 0 to 255 of images of shape [${shape.join(", ")}]`;
  const pictures = isList(images) ? images : isImage(images) ? [images] : undefined;
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
  const floats = isFloats(data);
  if (!isBytes(data) && !(floats && given !== undefined)) {
    const remedy = floats ? ": pass { data, shape } if they are images in [0, 1]" : "";
    throw new InputError(`images must be a Uint8Array of ${expected}; found ${found(data)}${remedy}`);
  }
  if (given !== undefined && !isShape(given, data.length, shape)) {
    throw new InputError(`images must be ${expected}; found ${data.length} values of shape [${given.join(", ")}]`);
  }
  if (data.length === 0) throw new InputError("images must hold at least one image; found none");
  if (data.length % size !== 0) {
    throw new InputError(`images must be ${expected}, ${size} values each; found ${data.length} values`);
  }
  return toUint8(data); // a copy: the caller may change the array before its turn comes
}

/** Narrows readonly arrays, too. */
function isList(images: ImagesIn): images is readonly RgbaImage[] {
  return Array.isArray(images);
}

/** Checks the form, not the class: Node.js has no ImageData, but its image libraries return objects like it. */
function isImage(value: unknown): value is RgbaImage {
  const picture = value as Partial<RgbaImage> | null;
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
