/** Save pictures to the browser's downloads. */

import type { Picture } from "../src/browser.ts";
import { context2d } from "./dom.ts";

export async function savePicture(picture: Picture, name: string): Promise<void> {
  const target = document.createElement("canvas");
  target.width = picture.width;
  target.height = picture.height;
  const pixels = new ImageData(picture.width, picture.height);
  pixels.data.set(picture.data);
  context2d(target).putImageData(pixels, 0, 0);
  const file = await new Promise<Blob | null>((resolve) => {
    target.toBlob(resolve, "image/png");
  });
  if (file === null) throw new Error(`this browser cannot make a PNG of ${picture.width} x ${picture.height} pixels`);
  saveFile(file, name);
}

export function saveFile(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 10_000);
}
