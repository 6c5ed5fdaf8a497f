/** How much to compute at a time so that the page keeps answering, on slow machines and with large models. */

const PATIENCE = 30; // milliseconds
const MOST = 32; // pictures; more at a time are not faster

/**
 * Divides a number of pictures into parts: the first picture and how many, one after another.
 *
 * A part is as large as the one before was fast; between two the browser paints and answers.
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
