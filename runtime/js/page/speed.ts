/** How fast a model is, in the two ways that matter on a page. */

import type { Model } from "../src/browser.ts";

/** Does work with a model; undefined where it is not open any more. */
export type Use = <T>(work: (model: Model) => Promise<T>) => Promise<T | undefined>;

/** The median time of one picture, in milliseconds, of an odd number of them. */
export async function pictureTime(use: Use, pictures: number): Promise<number | undefined> {
  const times: number[] = [];
  for (let index = 0; index <= pictures; index++) {
    const begin = performance.now();
    if ((await use((model) => model.generate(1))) === undefined) return undefined;
    if (index > 0) times.push(performance.now() - begin); // the first one warms it up
  }
  return times.sort((a, b) => a - b)[Math.floor(pictures / 2)];
}

/** Pictures a second, over at least `milliseconds` of batches. */
export async function pictureRate(use: Use, batch: number, milliseconds: number): Promise<number | undefined> {
  const one = () => use((model) => model.generate(batch));
  if ((await one()) === undefined) return undefined;
  const begin = performance.now();
  let pictures = 0;
  while (performance.now() - begin < milliseconds) {
    if ((await one()) === undefined) return undefined;
    pictures += batch;
    await new Promise((resume) => setTimeout(resume)); // the page stays alive
  }
  return (pictures / (performance.now() - begin)) * 1000;
}
