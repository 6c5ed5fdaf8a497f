/** Parse untrusted JSON, with a limit on its depth. */

const DEEPEST = 64; // nested lists and objects; files of this project have up to 8 levels

/** @throws Error if the bytes are not JSON in UTF-8, hold numbers beyond float64, or nest deeper than 64 levels. */
export function parseJson(bytes: Uint8Array): unknown {
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  let level = [value];
  for (let depth = 0; depth <= DEEPEST; depth++) {
    if (level.some((item) => item === Infinity || item === -Infinity))
      throw new Error("a number beyond all that float64 holds");
    const containers = level.filter((item) => typeof item === "object" && item !== null);
    if (containers.length === 0) return value;
    level = containers.flatMap((container) => Object.values(container) as unknown[]);
  }
  throw new Error(`lists and objects nested deeper than ${DEEPEST}`);
}
