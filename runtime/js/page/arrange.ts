/** Arrange codes on a square so that similar ones are neighbours, and blend latents between the places. */

const ROUNDING = 1e-9;

/**
 * Arranges codes, `count` a square number of them, and returns the index of the code at each place, row by row. Swaps
 * pairs until no swap lowers the sum of the squared distances between neighbours, diagonal ones included.
 */
export function arrange(codes: Float32Array, count: number): number[] {
  const side = Math.sqrt(count);
  const size = codes.length / count;
  const order = Array.from({ length: count }, (_, place) => place);
  const all = order.map((index) => codes.subarray(index * size, (index + 1) * size));
  const distances = all.map((a) => all.map((b) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0)));
  const row = (place: number) => Math.floor(place / side);
  const neighbours = order.map((a) =>
    order.filter((b) => a !== b && Math.abs((a % side) - (b % side)) < 2 && Math.abs(row(a) - row(b)) < 2),
  );
  const cost = (place: number) =>
    neighbours[place].reduce((sum, other) => sum + distances[order[place]][order[other]], 0);
  const swap = (a: number, b: number) => {
    [order[a], order[b]] = [order[b], order[a]];
  };
  for (let improved = true; improved;) {
    improved = false;
    for (let a = 0; a < count; a++) {
      for (let b = a + 1; b < count; b++) {
        const before = cost(a) + cost(b);
        swap(a, b);
        if (cost(a) + cost(b) < before * (1 - ROUNDING)) improved = true;
        else swap(a, b);
      }
    }
  }
  return order;
}

/** The latent at column `x` and row `y` of a square of arranged latents: between places, a bilinear interpolation. */
export function blend(latents: Float32Array, order: readonly number[], x: number, y: number): Float32Array {
  const side = Math.sqrt(order.length);
  const size = latents.length / order.length;
  const result = new Float32Array(size);
  const [left, top] = [x, y].map((value) => Math.min(Math.floor(value), side - 2));
  for (const [column, row] of [
    [left, top],
    [left + 1, top],
    [left, top + 1],
    [left + 1, top + 1],
  ]) {
    const weight = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
    const start = order[row * side + column] * size;
    for (let i = 0; i < size; i++) result[i] += weight * latents[start + i];
  }
  return result;
}
