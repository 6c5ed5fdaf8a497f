/** Start Chromium: that of CHROMIUM, or the first one on PATH. */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { chromium, type Browser } from "playwright-core";

import { PATIENCE } from "./patience.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of Chromium; undefined if there is none, and then its tests are skipped. */
export const CHROMIUM =
  process.env.CHROMIUM ??
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find(isProgram);

if (CHROMIUM === undefined)
  console.warn("no Chromium: its tests are skipped; apt-get install chromium, or set CHROMIUM");

/** Options for WebGPU in software, in builds of Chromium that have it. */
export const SOFTWARE_GPU = [
  "--enable-unsafe-webgpu",
  "--enable-unsafe-swiftshader",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

/** Starts Chromium without its sandbox, which root cannot have; it opens only our own pages. */
export async function launchChromium(args: string[] = []): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM ?? "",
    args: ["--no-sandbox", ...args],
    timeout: PATIENCE,
  });
  browser.on("context", (context) => {
    context.setDefaultTimeout(PATIENCE);
  });
  return browser;
}
