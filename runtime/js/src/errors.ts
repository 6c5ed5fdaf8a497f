/**
 * The errors that this package throws on purpose, of the same names as in Python. Every message says what went wrong,
 * what was expected, what was found and what to do about it.
 */

/** Base of every error of cvae-runtime. */
export class CvaeError extends Error {
  override name = "CvaeError";
}

/** An argument or an array that cannot be used: wrong type, shape or range. */
export class InputError extends CvaeError {
  override name = "InputError";
}

/** The execution provider asked for is not there or does not work. */
export class ProviderError extends CvaeError {
  override name = "ProviderError";
}

/** A bundle that cannot be used: missing files, a broken manifest, an unknown format version. */
export class BundleError extends CvaeError {
  override name = "BundleError";
}

/** A file of a bundle is not the file that its manifest describes. */
export class IntegrityError extends BundleError {
  override name = "IntegrityError";
}

/** What to do about most that is wrong with a bundle. */
export const EXPORT_AGAIN = "export the bundle again";

/** What a message calls a value that somebody handed in. */
export function found(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return value.constructor.name;
  return String(value);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node.js says of a request only that it failed.
  return error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : error.message;
}
