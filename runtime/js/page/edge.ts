/** The edge of a picture, which shows the colour of its paper. */

/** The mean of the edge pixels of a picture. */
export function edgeMean(
  data: ArrayLike<number>,
  [height, width, channels]: readonly [number, number, number],
): number {
  let sum = 0;
  let count = 0;
  for (let y = 0; y < height; y++) {
    const step = y === 0 || y === height - 1 ? 1 : Math.max(1, width - 1);
    for (let x = 0; x < width; x += step) {
      for (let channel = 0; channel < channels; channel++) sum += data[(y * width + x) * channels + channel];
      count += channels;
    }
  }
  return sum / count;
}
