/** A real Chromium: that of CHROMIUM, or the first one on PATH. */

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

/** Its path; undefined where there is none, and then tests are skipped. */
export const CHROMIUM =
  process.env.CHROMIUM ??
  (process.env.PATH ?? "")
    .split(delimiter)
    .flatMap((folder) => NAMES.map((name) => join(folder, name)))
    .find(isProgram);

if (CHROMIUM === undefined)
  console.warn("no Chromium: its tests are skipped; apt-get install chromium, or set CHROMIUM");

/** Makes it compute WebGPU in software, where it is built with that. */
export const SOFTWARE_GPU = [
  "--enable-unsafe-webgpu",
  "--enable-unsafe-swiftshader",
  "--use-webgpu-adapter=swiftshader",
  "--enable-features=Vulkan",
];

/** Starts it. Without its sandbox, which root cannot have: it sees our own pages alone. */
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
