/** SHA-256 of a file's bytes. */

/** The hash in hex digits: by Web Crypto, or in JavaScript where a page over plain HTTP has none. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  // The types say that it is always there.
  const subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle;
  const digest =
    subtle === undefined
      ? (await import("@noble/hashes/sha2.js")).sha256(bytes)
      : new Uint8Array(await subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
