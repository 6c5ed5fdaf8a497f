/** Draw the images of a model on canvases. */

import { toUint8 } from "../src/browser.ts";
import type { Images } from "../src/browser.ts";
import { context2d } from "./dom.ts";

/** Converts one of the images to ImageData. */
export function toImageData(images: Images, index = 0): ImageData {
  const [, height, width, channels] = images.shape;
  const size = height * width * channels;
  const one: Images = {
    data: images.data.subarray(index * size, (index + 1) * size),
    shape: [1, height, width, channels],
  };
  const levels = toUint8(one);
  const picture = new ImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      picture.data[pixel * 4 + channel] = levels[channels === 1 ? pixel : pixel * channels + channel];
    }
    picture.data[pixel * 4 + 3] = 255;
  }
  return picture;
}

/** Resizes a canvas if its size differs: assigning the same size would clear it. */
export function resize(target: HTMLCanvasElement, width: number, height: number): void {
  if (target.width !== width) target.width = width;
  if (target.height !== height) target.height = height;
}

export function paint(target: HTMLCanvasElement, picture: ImageData): void {
  resize(target, picture.width, picture.height);
  context2d(target).putImageData(picture, 0, 0);
}

export function erase(target: HTMLCanvasElement): void {
  context2d(target).clearRect(0, 0, target.width, target.height);
}

/** Positions of pictures on a canvas with `columns` per row and small gaps. */
export class Tiles {
  readonly gap: number;
  readonly width: number;
  readonly height: number;
  /** From one picture to the next one: to the right, and down. */
  readonly step: readonly [number, number];
  readonly #columns: number;

  constructor(shape: readonly [number, number, number], columns: number, rows: number) {
    const [height, width] = shape;
    this.gap = Math.max(1, Math.round(Math.min(height, width) / 14));
    this.#columns = columns;
    this.step = [width + this.gap, height + this.gap];
    this.width = columns * this.step[0] - this.gap;
    this.height = rows * this.step[1] - this.gap;
  }

  prepare(target: HTMLCanvasElement): void {
    resize(target, this.width, this.height);
    erase(target);
  }

  paint(target: HTMLCanvasElement, place: number, picture: ImageData): void {
    const [right, down] = this.step;
    const row = Math.floor(place / this.#columns);
    context2d(target).putImageData(picture, (place % this.#columns) * right, row * down);
  }
}
