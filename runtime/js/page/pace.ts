/** Divide work so that the page stays responsive, on slow machines and with large models. */

const PATIENCE = 30; // milliseconds
const MOST = 32; // pictures; larger parts are not faster

/**
 * Divides a number of pictures into parts: the index of the first picture and the count of each.
 *
 * The size of a part depends on the speed of the part before. Between parts the browser paints and handles events.
 */
export async function* paced(pictures: number): AsyncGenerator<readonly [first: number, count: number]> {
  let size = 1;
  let first = 0;
  while (first < pictures) {
    const count = Math.min(size, pictures - first);
    const begin = performance.now();
    yield [first, count];
    const each = (performance.now() - begin) / count;
    size = Math.max(1, Math.min(MOST, 2 * size, Math.floor(PATIENCE / each)));
    first += count;
    await new Promise((resume) => setTimeout(resume));
  }
}
