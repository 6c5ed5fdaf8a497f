/** The number of images in one call of a session; the same rule as in Python, which docs/speed.md states. */

import type { GraphInfo, ModelInfo } from "./manifest-types.ts";

const CACHE_BYTES = 2 ** 20;
const LARGEST = 32;
const ON_DEVICE = 256;
const VALUE_BYTES = { float32: 4, float16: 4, int8: 2 }; // a CPU computes in float32 what is stored in float16

/** The micro-batch of a graph: on a CPU the largest power of two whose widest layer fits into 1 MiB, and at most 32. */
export function microBatchOf(
  { role, precision }: Pick<GraphInfo, "role" | "precision">,
  {
    image_shape: [height, width, channels],
    filters,
    architecture,
  }: Pick<ModelInfo, "image_shape" | "filters" | "architecture">,
  onCpu: boolean,
): number {
  if (role === "detector") return 1; // its draws fill the decoder, and no result depends on the other images of a call
  if (!onCpu) return ON_DEVICE;
  const full = role === "decoder" && architecture !== "residual";
  const pixels = full ? height * width : Math.ceil(height / 2) * Math.ceil(width / 2);
  const fitting = CACHE_BYTES / (VALUE_BYTES[precision] * pixels * Math.max(filters[0] ?? 1, channels));
  return Math.min(LARGEST, 2 ** Math.max(0, Math.floor(Math.log2(fitting))));
}
