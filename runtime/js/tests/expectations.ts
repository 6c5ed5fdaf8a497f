/** Tolerances between two runtimes. */

import { expect } from "vitest";

import { valuesOf, type GoldenArray } from "./golden.ts";
import type { Numbers } from "./numbers.ts";

/** 1e-5 for images, as specified; latents, codes and nats have tolerances relative to their size. */
const TOLERANCES: Record<string, (value: number) => number> = {
  grid: () => 1,
  latents: (value) => 1e-5 * Math.max(1, Math.abs(value)),
  mean: (value) => 1e-5 * Math.max(1, Math.abs(value)),
  logvar: (value) => 1e-5 * Math.max(1, Math.abs(value)),
  elbo: () => 1e-3,
  reconstruction: () => 1e-3,
  kl: () => 1e-3,
  iw_bound: () => 1e-3,
  score: () => 1e-2,
  map: () => 1e-4,
};

/** Asserts that every number equals Python's within the specified tolerances. */
export function expectPythons(found: Numbers, golden: Record<string, GoldenArray>): void {
  for (const [name, values] of Object.entries(found)) {
    const expected = valuesOf(golden[name]);
    expect(values.length, name).toBe(expected.length);
    const tolerance = TOLERANCES[name.replace(/^labelled_/, "")] ?? (() => 1e-5);
    const wrong = values.findIndex((value, i) => !(Math.abs(value - expected[i]) <= tolerance(expected[i])));
    expect(wrong === -1 ? "all agree" : `[${wrong}] ${values[wrong]} for ${expected[wrong]}`, name).toBe("all agree");
  }
}
