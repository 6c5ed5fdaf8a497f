/** The detector's verdict about the picture on the pad: its p-value, and a heat map of where it is strange. */

import type { Detection, Model } from "../src/browser.ts";
import { smoothMap } from "../src/heat-map.ts";
import type { Bench } from "./bench.ts";
import { block, canvas } from "./dom.ts";
import { Latest } from "./latest.ts";
import { alarm, explain } from "./notice.ts";
import { erase, paint, resize } from "./picture.ts";

const RED = [255, 0, 0];
const MOST_RED = 0.8; // so that the picture stays visible
const DIGITS = 3;

export class Detector {
  readonly #bench: Bench;
  readonly #latest = new Latest<ImageData>(
    (picture) => this.#detect(picture),
    (error) => {
      alarm("The detector could not judge the picture", explain(error));
    },
  );
  #picture: ImageData | undefined;

  constructor(bench: Bench) {
    this.#bench = bench;
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** Judges a picture, if the model has a detector. */
  show(picture: ImageData): void {
    this.#picture = picture;
    if (this.#bench.model.manifest.detector !== undefined) this.#latest.ask(picture);
  }

  clear(): void {
    this.#latest.cancel();
    this.#picture = undefined;
    block("p-value").textContent = "–";
    block("p-value").classList.remove("alarmed");
    erase(canvas("heat-map"));
  }

  #reset({ manifest: { detector }, imageShape: [height, width] }: Model): void {
    block("detected").hidden = block("heat").hidden = detector === undefined;
    block("false-alarms").textContent = `Detector: alarm if p ≤ ${detector?.false_alarms ?? 0}`;
    resize(canvas("heat-map"), width, height);
    this.clear();
  }

  async #detect(picture: ImageData): Promise<void> {
    const detection = await this.#bench.use((model) => model.detect(picture));
    if (detection === undefined || picture !== this.#picture) return; // cleared, or of another model
    const raised = detection.alarm[0];
    const p = Number(detection.pValue[0].toPrecision(DIGITS));
    block("p-value").textContent = `p = ${p}, ${raised ? "alarm" : "no alarm"}`;
    block("p-value").classList.toggle("alarmed", raised);
    paint(canvas("heat-map"), heatMap(picture, detection));
  }
}

/** The picture, blended with red where its smoothed map is high, and a frame around the box; as Python draws it. */
function heatMap(picture: ImageData, { map, mapThreshold, boxes: [box] }: Detection): ImageData {
  const { width, height } = picture;
  const values = smoothMap(map.data, height, width);
  const result = new ImageData(width, height);
  for (let pixel = 0; pixel < values.length; pixel++) {
    const weight = Math.max(0, Math.min(MOST_RED, values[pixel] / (2 * Math.max(mapThreshold, Number.MIN_VALUE))));
    const [x, y] = [pixel % width, Math.floor(pixel / width)];
    const framed =
      box !== null &&
      y >= box.top &&
      y < box.bottom &&
      x >= box.left &&
      x < box.right &&
      (y === box.top || y === box.bottom - 1 || x === box.left || x === box.right - 1);
    for (let channel = 0; channel < 3; channel++) {
      const level = picture.data[4 * pixel + channel];
      result.data[4 * pixel + channel] = framed ? RED[channel] : (1 - weight) * level + weight * RED[channel];
    }
    result.data[4 * pixel + 3] = 255;
  }
  return result;
}
