/**
 * The errors that this package throws, with the same names as in Python. Every message says what went wrong, what was
 * expected, what was found and what to do.
 */

/** Base class of all errors of cvae-runtime. */
export class CvaeError extends Error {
  override name = "CvaeError";
}

/** An argument that cannot be used: wrong type, shape or range. */
export class InputError extends CvaeError {
  override name = "InputError";
}

/** The requested execution provider is missing or does not work. */
export class ProviderError extends CvaeError {
  override name = "ProviderError";
}

/** A bundle that cannot be used: missing files, a broken manifest, an unknown format version. */
export class BundleError extends CvaeError {
  override name = "BundleError";
}

/** A file of a bundle differs from its description in the manifest. */
export class IntegrityError extends BundleError {
  override name = "IntegrityError";
}

/** The remedy for most problems of a bundle. */
export const EXPORT_AGAIN = "export the bundle again";

/** Describes a value for the "found" part of a message. */
export function found(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "object" && value !== null) return value.constructor.name;
  return String(value);
}

/** The message of any thrown value. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node.js reports only that a request failed; the reason is in the cause.
  return error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : error.message;
}
