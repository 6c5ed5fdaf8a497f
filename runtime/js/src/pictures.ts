/** Pictures out: grey levels and grids, for a canvas or a PNG encoder. */

import type { Images } from "./arrays.ts";
import { count } from "./check.ts";

/** A picture in RGBA, of the form of a browser's ImageData. */
export interface Picture {
  readonly data: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

const GREY = 128;

/** Turns values in [0, 1] into levels 0 to 255, rounded half to even, as Python does. */
export function toUint8(images: Images | Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const values = images instanceof Float32Array ? images : images.data;
  const levels = new Uint8ClampedArray(values.length);
  // This array type clamps, and rounds half to even. The product is rounded to float32, as NumPy's is.
  for (let i = 0; i < values.length; i++) levels[i] = Math.fround(values[i] * 255);
  return levels;
}

/** How a grid is laid out. */
export interface GridOptions {
  /** How many images a row; as square as can be if not given. */
  columns?: number;
  /** Pixels of mid-grey between images and around them; 1 if not given. */
  padding?: number;
  /** Each pixel becomes a square of this many; 1 if not given. */
  scale?: number;
}

/** Lays images out row by row; cells without an image stay grey. @throws InputError for numbers out of range. */
export function pictureGrid(images: Images, options: GridOptions = {}): Picture {
  const [n, height, width, channels] = images.shape;
  const columns = count("columns", options.columns ?? Math.ceil(Math.sqrt(n)), 1);
  const padding = count("padding", options.padding ?? 1, 0);
  const scale = count("scale", options.scale ?? 1, 1);
  const [cellHeight, cellWidth] = [height * scale + padding, width * scale + padding];
  const gridWidth = columns * cellWidth + padding;
  const gridHeight = Math.ceil(n / columns) * cellHeight + padding;
  const data = new Uint8ClampedArray(4 * gridWidth * gridHeight);
  for (let i = 0; i < data.length; i++) data[i] = i % 4 === 3 ? 255 : GREY;
  const levels = toUint8(images);
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
