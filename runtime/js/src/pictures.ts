/** Convert images to grey levels, and lay them out in grids for a canvas or a PNG encoder. */

import { isBytes, shaped, type Bytes } from "./arrays.ts";
import { checkOptions, count } from "./check.ts";
import { found, InputError } from "./errors.ts";

/** An RGBA picture with the fields of a browser's ImageData. */
export interface Picture {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

const GREY = 128;

/** Images to draw: values in [0, 1], or raw pixels 0 to 255. */
export type Drawable = Bytes | Float32Array | Float64Array;

/**
 * Converts images to levels 0 to 255, in a new array. Values in [0, 1] are rounded half to even, as in Python; raw
 * pixels stay. The array fits files, encoders of PNG, and the methods of a model, which also take images as they are.
 *
 * @throws InputError for other arrays, NaN, or values more than half a level outside [0, 1].
 */
export function toUint8(images: Drawable | { readonly data: Drawable }): Uint8Array<ArrayBuffer> {
  const values: unknown = shaped(images).data;
  if (isBytes(values)) return new Uint8Array(values);
  if (!isFloats(values)) throw notImages(kindOf(values));
  const levels = new Uint8ClampedArray(values.length);
  const single = values instanceof Float32Array;
  for (let i = 0; i < values.length; i++) {
    // The product is rounded to float32, as in NumPy. The clamped array rounds half to even.
    const level = single ? Math.fround(values[i] * 255) : values[i] * 255;
    if (!(level >= -0.5 && level < 255.5)) throw notImages(shown(values[i]));
    levels[i] = level;
  }
  return new Uint8Array(levels.buffer);
}

export function isFloats(values: unknown): values is Float32Array | Float64Array {
  return values instanceof Float32Array || values instanceof Float64Array;
}

function notImages(what: string): InputError {
  return new InputError(`images must be uint8, or floats in [0, 1]; found ${what}: scale or convert them`);
}

/** Formats a number as the Python messages do. */
function shown(value: number): string {
  return Number.isNaN(value) ? "NaN" : Math.abs(value) < 1e6 ? value.toFixed(3) : "larger numbers";
}

/** NumPy's name of an array's type; the JavaScript type of other values. */
function kindOf(values: unknown): string {
  const isArray = ArrayBuffer.isView(values) && !(values instanceof DataView);
  return isArray ? values.constructor.name.replace(/^Big|Array$/g, "").toLowerCase() : found(values);
}

/** Layout of a grid. */
export interface GridOptions {
  /** Images per row; the grid is as square as possible by default. */
  columns?: number;
  /** Mid-grey pixels between and around the images; 1 by default. */
  padding?: number;
  /** Side of the square that each pixel becomes; 1 by default. */
  scale?: number;
}

/**
 * Lays out images row by row; empty cells stay grey.
 *
 * @throws InputError for images that {@link toUint8} rejects, and for numbers out of range.
 */
export function imageGrid(
  images: { readonly data: Drawable; readonly shape: readonly number[] },
  options: GridOptions = {},
): Picture {
  checkOptions("imageGrid", options, ["columns", "padding", "scale"]);
  const levels = toUint8(images);
  const { shape } = images;
  if (shape.length !== 4 || levels.length === 0 || shape.reduce((a, b) => a * b, 1) !== levels.length) {
    throw new InputError(
      `images must have the shape (N, H, W, C) and hold at least one; found ${levels.length} values of ` +
        `(${shape.join(", ")})`,
    );
  }
  const [n, height, width, channels] = shape;
  const columns = count("columns", options.columns ?? Math.ceil(Math.sqrt(n)), 1);
  const padding = count("padding", options.padding ?? 1, 0);
  const scale = count("scale", options.scale ?? 1, 1);
  const [cellHeight, cellWidth] = [height * scale + padding, width * scale + padding];
  const gridWidth = columns * cellWidth + padding;
  const gridHeight = Math.ceil(n / columns) * cellHeight + padding;
  const data = new Uint8ClampedArray(4 * gridWidth * gridHeight);
  for (let i = 0; i < data.length; i++) data[i] = i % 4 === 3 ? 255 : GREY;
  for (let image = 0; image < n; image++) {
    const top = padding + Math.floor(image / columns) * cellHeight;
    const left = padding + (image % columns) * cellWidth;
    for (let y = 0; y < height * scale; y++) {
      for (let x = 0; x < width * scale; x++) {
        const pixel = ((image * height + Math.floor(y / scale)) * width + Math.floor(x / scale)) * channels;
        const target = 4 * ((top + y) * gridWidth + left + x);
        for (let c = 0; c < 3; c++) data[target + c] = levels[pixel + (channels === 3 ? c : 0)];
      }
    }
  }
  return { data, width: gridWidth, height: gridHeight };
}
