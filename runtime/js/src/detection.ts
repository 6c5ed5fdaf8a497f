/** The decisions of a bundle's detector: how strange images are, which raise an alarm, and where. */

import { findBox, smoothMap, type Box } from "./heat-map.ts";

/** The decisions about N images. */
export interface Detection {
  /** How strange each image is. The manifest's `detector` names the score. */
  readonly score: Float32Array;
  /** Share of good images that are at least as strange; see docs/formats.md. */
  readonly pValue: Float32Array;
  /** Whether the p-value is at most the rate of false alarms of the calibration. */
  readonly alarm: readonly boolean[];
  /** How strange each pixel is, in nats; its expectation over good images is 0. */
  readonly map: {
    readonly data: Float32Array;
    readonly shape: readonly [count: number, height: number, width: number];
  };
  /** The value of a smoothed map above which a pixel belongs to a conspicuous region. */
  readonly mapThreshold: number;
  /** For each alarm the box of its largest conspicuous region; null without an alarm, or without a region. */
  readonly boxes: readonly (Box | null)[];
}

/** Outputs of a detector that `detectionOf` takes. */
export const DETECTED = ["score", "p_value", "alarm", "map"] as const;

/** Makes a detection of the outputs of a detector for images of `height` x `width` pixels. */
export function detectionOf(
  { score, p_value: pValue, alarm: alarms, map }: Readonly<Record<string, Float32Array>>,
  height: number,
  width: number,
  mapThreshold: number,
): Detection {
  const alarm = Array.from(alarms, Boolean);
  const boxes = alarm.map((raised, image) => {
    const values = map.subarray(image * height * width, (image + 1) * height * width);
    return raised ? findBox(smoothMap(values, height, width), height, width, mapThreshold) : null;
  });
  return { score, pValue, alarm, map: { data: map, shape: [score.length, height, width] }, mapThreshold, boxes };
}
