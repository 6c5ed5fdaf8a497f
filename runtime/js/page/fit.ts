/** Resize pictures to a model's size. */

import { paperBelow } from "../src/pixels.ts";
import { context2d } from "./dom.ts";

const BOX = 20; // pixels; MNIST's digits fit into a square of this size
const SIDE = 28; // pixels; MNIST's images, with the digit's centre of mass in the middle
const INK = 32; // grey levels; smaller differences from the paper are unevenness of the paper

/**
 * Fills a canvas with the middle of a picture. Transparent parts become white, or black if all other parts are white.
 * Pixels of small pictures become squares, so that a picture of the model's own size reaches the model unchanged.
 */
export function cover(target: HTMLCanvasElement, source: CanvasImageSource, width: number, height: number): void {
  const context = context2d(target);
  const scale = Math.max(target.width / width, target.height / height);
  context.clearRect(0, 0, target.width, target.height);
  context.imageSmoothingEnabled = scale < 1;
  context.imageSmoothingQuality = "high";
  const [wide, high] = [width * scale, height * scale];
  context.drawImage(source, (target.width - wide) / 2, (target.height - high) / 2, wide, high);
  context.imageSmoothingEnabled = true;
  const white = paperBelow(context.getImageData(0, 0, target.width, target.height).data) === 255;
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = white ? "#fff" : "#000";
  context.fillRect(0, 0, target.width, target.height);
  context.globalCompositeOperation = "source-over";
}

export function inverted(picture: ImageData): ImageData {
  const result = new ImageData(picture.width, picture.height);
  result.data.set(picture.data.map((level, index) => (index % 4 === 3 ? level : 255 - level)));
  return result;
}

/** Shrinks a picture: each pixel of the result is the mean of the area that it covers. */
export function shrink(picture: ImageData, width: number, height: number): ImageData {
  const across = means(picture.data, picture.height, picture.width, width, 4);
  // To average rows, treat a whole row as one group of values, as a pixel's four values are one group for columns.
  const down = means(across, 1, picture.height, height, width * 4);
  const result = new ImageData(width, height);
  result.data.set(down);
  return result;
}

/** Averages, in each of `lines`, `from` groups of `size` values to `to` groups, weighted by overlap. */
function means(values: ArrayLike<number>, lines: number, from: number, to: number, size: number): Float64Array {
  const result = new Float64Array(lines * to * size);
  const step = from / to;
  for (let line = 0; line < lines; line++) {
    for (let group = 0; group < to; group++) {
      const [begin, end] = [group * step, (group + 1) * step];
      const at = (line * to + group) * size;
      for (let source = Math.floor(begin); source < Math.min(from, Math.ceil(end)); source++) {
        const share = (Math.min(end, source + 1) - Math.max(begin, source)) / step;
        const base = (line * from + source) * size;
        for (let value = 0; value < size; value++) result[at + value] += share * values[base + value];
      }
    }
  }
  return result;
}

/**
 * Centres a drawing as in MNIST: scales it to fit a square of 20 pixels, then puts its centre of mass into the middle of
 * 28 x 28. Undefined if the drawing is empty.
 */
export function asMnist(picture: ImageData, paper: number): ImageData | undefined {
  const box = inkBox(picture, paper);
  if (box === undefined) return undefined;
  const [left, top, width, height] = box;
  const scale = BOX / Math.max(width, height);
  const small = shrink(
    crop(picture, left, top, width, height),
    Math.max(1, Math.round(width * scale)),
    Math.max(1, Math.round(height * scale)),
  );
  const [x, y] = centreOfMass(small, paper);
  const result = new ImageData(SIDE, SIDE);
  for (let index = 0; index < result.data.length; index++) result.data[index] = index % 4 === 3 ? 255 : paper;
  const place = (centre: number, size: number) => Math.max(0, Math.min(SIDE - size, Math.round(SIDE / 2 - centre)));
  paste(result, small, place(x, small.width), place(y, small.height));
  return result;
}

function paste(target: ImageData, picture: ImageData, left: number, top: number): void {
  for (let y = 0; y < picture.height; y++) {
    const row = picture.data.subarray(y * picture.width * 4, (y + 1) * picture.width * 4);
    target.data.set(row, ((top + y) * target.width + left) * 4);
  }
}

function crop(picture: ImageData, left: number, top: number, width: number, height: number): ImageData {
  const result = new ImageData(width, height);
  for (let y = 0; y < height; y++) {
    const begin = ((top + y) * picture.width + left) * 4;
    result.data.set(picture.data.subarray(begin, begin + width * 4), y * width * 4);
  }
  return result;
}

/** A pixel's difference from the paper, in grey levels. */
function ink(picture: ImageData, pixel: number, paper: number): number {
  const [red, green, blue] = picture.data.subarray(pixel * 4, pixel * 4 + 3);
  return Math.abs((red + green + blue) / 3 - paper);
}

/** The smallest box around all ink: left, top, width, height. */
function inkBox(picture: ImageData, paper: number): [number, number, number, number] | undefined {
  let [left, right, top, bottom] = [picture.width, -1, picture.height, -1];
  for (let y = 0; y < picture.height; y++) {
    for (let x = 0; x < picture.width; x++) {
      if (ink(picture, y * picture.width + x, paper) < INK) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  return right < 0 ? undefined : [left, top, right - left + 1, bottom - top + 1];
}

function centreOfMass(picture: ImageData, paper: number): [number, number] {
  let [sum, x, y] = [0, 0, 0];
  for (let pixel = 0; pixel < picture.width * picture.height; pixel++) {
    const weight = ink(picture, pixel, paper);
    sum += weight;
    x += weight * ((pixel % picture.width) + 0.5);
    y += weight * (Math.floor(pixel / picture.width) + 0.5);
  }
  return sum === 0 ? [picture.width / 2, picture.height / 2] : [x / sum, y / sum];
}
