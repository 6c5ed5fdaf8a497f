/** The part of gifenc that the page uses; the package has no types. */
declare module "gifenc" {
  export type Palette = readonly (readonly number[])[];

  interface Encoder {
    /** Appends a frame that is shown for `delay` milliseconds. By default, the animation repeats for ever. */
    writeFrame(indices: Uint8Array, width: number, height: number, options: { palette: Palette; delay: number }): void;
    finish(): void;
    bytes(): Uint8Array<ArrayBuffer>;
  }

  export function GIFEncoder(): Encoder;
  export function quantize(rgba: Uint8ClampedArray, colours: number): Palette;
  export function applyPalette(rgba: Uint8ClampedArray, palette: Palette): Uint8Array;
}
