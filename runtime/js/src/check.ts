/** Checks what callers hand in, before any work is done. */

import { found, InputError } from "./errors.ts";

/** A whole number: a bigint, or a number that holds it exactly. */
export type Whole = number | bigint;

/**
 * `value` as a bigint, which cannot lose digits.
 *
 * @throws InputError if it is no whole number, or below `low`; `name` is what the message calls it.
 */
export function whole(name: string, value: Whole, low: number): bigint {
  if (typeof value === "number" && !Number.isSafeInteger(value) && Number.isInteger(value)) {
    throw new InputError(`${name} must be exact; found the number ${value} beyond 2^53: write it as a bigint, 123n`);
  }
  const isWhole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isWhole || value < low) {
    throw new InputError(`${name} must be a whole number of at least ${low}; found ${found(value)}`);
  }
  return BigInt(value);
}

/** A count of things that have to fit into memory, as a number. @throws InputError see {@link whole}. */
export function count(name: string, value: Whole, low: number): number {
  const number = Number(whole(name, value, low));
  if (number > MOST) throw new InputError(`${name} must be at most ${MOST}; found ${number}: ask for it in parts`);
  return number;
}

const MOST = 2 ** 31 - 1; // items of a tensor's dimension

/** @throws InputError unless `value` is a number that latents can be multiplied by, and not negative. */
export function checkTemperature(value: number): void {
  // Box-Muller's latents are below 8, so that float32 holds every product.
  if (typeof value !== "number" || !(value >= 0 && value <= 3.4028234663852886e38 / 8)) {
    throw new InputError(`temperature must be a finite number of at least 0; found ${found(value)}`);
  }
}

/** @throws InputError unless `value` is one of the names `choices`. */
export function checkChoice<T extends string>(name: string, value: T, choices: readonly T[]): void {
  if (!choices.includes(value)) {
    throw new InputError(`${name} must be one of ${choices.join(", ")}; found ${found(value)}`);
  }
}
