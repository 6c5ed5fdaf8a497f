/** Checks of arguments that callers pass in. */

import { found, InputError } from "./errors.ts";

/** A whole number: a bigint, or a number that represents it exactly. */
export type Whole = number | bigint;

/**
 * Converts `value` to a bigint, which cannot lose digits.
 *
 * @param name the argument's name in messages. @throws InputError if `value` is no whole number, or below `low`.
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

/** Converts a count of items that must fit into memory to a number. @throws InputError see {@link whole}. */
export function count(name: string, value: Whole, low: number): number {
  const number = Number(whole(name, value, low));
  if (number > MOST) throw new InputError(`${name} must be at most ${MOST}; found ${number}: ask for it in parts`);
  return number;
}

const MOST = 2 ** 31 - 1; // items in one dimension of a tensor

/** @throws InputError unless `value` is finite, not negative, and small enough to multiply latents by. */
export function checkTemperature(value: number): void {
  // Box-Muller's latents are below 8, so every product fits into float32.
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

/**
 * Checks that options have no unknown names: a misspelt option would be ignored silently.
 *
 * @param of the function's name in messages. @throws InputError unless `options` is an object with only these names.
 */
export function checkOptions(of: string, options: unknown, names: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    throw new InputError(`options of ${of} must be an object with ${names.join(", ")}; found ${found(options)}`);
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const nearest = nearestOf(unknown, names);
  const remedy = nearest === undefined ? "leave it out" : `write ${nearest}`;
  throw new InputError(`options of ${of} must be among ${names.join(", ")}; found ${found(unknown)}: ${remedy}`);
}

/** The name that fewest edits of letters lead to, ignoring case and "_"; undefined if more than half of them change. */
function nearestOf(word: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll("_", "");
  const edits = names.map((name) => editsBetween(plain(word), plain(name)));
  const least = Math.min(...edits);
  return least <= word.length / 2 ? names[edits.indexOf(least)] : undefined;
}

/** The number of insertions, deletions and substitutions from one word to another (Levenshtein, 1966). */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
