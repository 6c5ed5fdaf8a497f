/** Measure a model's speed: the time of one picture, and pictures per second. */

import type { Model } from "../src/browser.ts";

/** Runs work with a model; undefined if the model is no longer open. */
export type Use = <T>(work: (model: Model) => Promise<T>) => Promise<T | undefined>;

/** The median time of one picture, in milliseconds, over an odd number of pictures. */
export async function pictureTime(use: Use, pictures: number): Promise<number | undefined> {
  const times: number[] = [];
  for (let index = 0; index <= pictures; index++) {
    const begin = performance.now();
    if ((await use((model) => model.generate(1))) === undefined) return undefined;
    if (index > 0) times.push(performance.now() - begin); // the first one is the warm-up
  }
  return times.sort((a, b) => a - b)[Math.floor(pictures / 2)];
}

/** Pictures per second, in batches, over at least `milliseconds`. */
export async function pictureRate(use: Use, batch: number, milliseconds: number): Promise<number | undefined> {
  const one = () => use((model) => model.generate(batch));
  if ((await one()) === undefined) return undefined;
  const begin = performance.now();
  let pictures = 0;
  while (performance.now() - begin < milliseconds) {
    if ((await one()) === undefined) return undefined;
    pictures += batch;
    await new Promise((resume) => setTimeout(resume)); // let the browser handle events
  }
  return (pictures / (performance.now() - begin)) * 1000;
}
