/** Encode an animation as a looping GIF. */

import { applyPalette, GIFEncoder, quantize, type Palette } from "gifenc";

import { imageGrid } from "../src/browser.ts";
import type { Images } from "../src/browser.ts";
import { paced } from "./pace.ts";

const COLOURS = 256; // of a frame
const GREYS: Palette = Array.from({ length: COLOURS }, (_, level) => [level, level, level]);
const SIDE = 224; // pixels; smaller frames are enlarged up to it

/**
 * Encodes images as frames, forwards and then backwards, in the order of `cvae-generate --gif`. Grey levels are exact;
 * colours are reduced to 256 in each frame.
 */
export async function encodeGif({ data, shape }: Images, milliseconds: number): Promise<Uint8Array<ArrayBuffer>> {
  const [count, height, width, channels] = shape;
  const scale = Math.max(1, Math.floor(SIDE / Math.max(height, width)));
  const size = height * width * channels;
  const frame = (index: number) => {
    const images = { data: data.subarray(index * size, (index + 1) * size), shape: [1, height, width, channels] };
    const rgba = imageGrid(images, { padding: 0, scale }).data;
    if (channels === 1) return { indices: Uint8Array.from(rgba.filter((_, i) => i % 4 === 0)), palette: GREYS };
    const palette = quantize(rgba, COLOURS);
    return { indices: applyPalette(rgba, palette), palette };
  };
  const forwards = [...Array(count).keys()];
  const order = [...forwards, ...forwards.slice(1, -1).reverse()];
  const encoder = GIFEncoder();
  for await (const [first, some] of paced(order.length)) {
    for (const index of order.slice(first, first + some)) {
      const { indices, palette } = frame(index);
      encoder.writeFrame(indices, width * scale, height * scale, { palette, delay: milliseconds });
    }
  }
  encoder.finish();
  return encoder.bytes();
}
