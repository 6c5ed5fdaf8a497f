/** Maps of how strange each pixel is: smoothed, and as boxes around regions. docs/formats.md states the formulas. */

/** A rectangle of pixels: rows top ... bottom - 1, columns left ... right - 1. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** The 3 x 3 neighbourhood of a pixel, cut at the edges, itself included. */
function neighbourhood(pixel: number, height: number, width: number): number[] {
  const [row, column] = [Math.floor(pixel / width), pixel % width];
  const result = [];
  for (let y = Math.max(0, row - 1); y <= Math.min(height - 1, row + 1); y++) {
    for (let x = Math.max(0, column - 1); x <= Math.min(width - 1, column + 1); x++) result.push(y * width + x);
  }
  return result;
}

/** Averages each value of a map over the pixels of its 3 x 3 neighbourhood that lie in the map. */
export function smoothMap(map: Float32Array, height: number, width: number): Float64Array {
  return Float64Array.from(map, (_, pixel) => {
    const near = neighbourhood(pixel, height, width);
    return near.reduce((sum, other) => sum + map[other], 0) / near.length;
  });
}

/**
 * The box of the largest region of values above a threshold; null if there is none. Pixels whose sides or corners touch
 * belong to one region. Of regions of the same size, the one whose first pixel, row by row, comes first wins.
 */
export function findBox(values: Float64Array, height: number, width: number, threshold: number): Box | null {
  const rest = new Set([...values.keys()].filter((pixel) => values[pixel] > threshold));
  let largest: number[] = [];
  for (const start of rest) {
    rest.delete(start);
    const region = [start];
    for (const pixel of region) {
      // The region grows meanwhile.
      for (const other of neighbourhood(pixel, height, width)) if (rest.delete(other)) region.push(other);
    }
    if (region.length > largest.length) largest = region;
  }
  if (largest.length === 0) return null;
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (const pixel of largest) {
    const [row, column] = [Math.floor(pixel / width), pixel % width];
    [top, left] = [Math.min(top, row), Math.min(left, column)];
    [bottom, right] = [Math.max(bottom, row + 1), Math.max(right, column + 1)];
  }
  return { top, left, bottom, right };
}
