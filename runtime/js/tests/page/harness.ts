/** Drive the built page in Chromium. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { decode } from "fast-png";
import type { BrowserContextOptions, Page } from "playwright-core";
import type { Browser } from "playwright-core";
import { expect } from "vitest";

import { PAGE } from "./server.ts";

export interface Visit {
  page: Page;
  /** Errors of the console and the page. */
  problems: string[];
  /** Origins of all requests. */
  origins: Set<string>;
  /** Ends the visit, and fails if there were problems. */
  leave: () => Promise<void>;
}

/** Opens a page without motion, and waits until its initial work is done, or for the condition of `ready`. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  ready: (page: Page) => Promise<unknown> = settled,
): Promise<Visit> {
  if (!existsSync(join(PAGE, "single.html"))) throw new Error("the page is not built: npm run build:page");
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: "reduce",
    ...options,
  });
  const page = await context.newPage();
  const problems: string[] = [];
  const origins = new Set<string>();
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  context.on("request", (request) => origins.add(new URL(request.url()).origin));
  await page.addInitScript(countShifts);
  await page.goto(url);
  const leave = async (): Promise<void> => {
    await context.close();
    expect(problems).toEqual([]);
  };
  await ready(page);
  return { page, problems, origins, leave };
}

/** Waits until the walk, the last of the first pictures, is drawn and the sliders are ranked. */
export async function settled(page: Page): Promise<void> {
  await page.waitForSelector("#grid-canvas[data-seed]");
  await page.waitForSelector("#strip[style]");
  await page.waitForFunction(() => document.querySelector("#engine-note")?.textContent.startsWith("WebAssembly: "));
}

/** Adds up the layout shifts that do not follow user input. */
function countShifts(): void {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
      if (!entry.hadRecentInput) sum += entry.value;
    }
    document.documentElement.dataset.shift = String(sum);
  }).observe({ type: "layout-shift", buffered: true });
}

export async function layoutShift(page: Page): Promise<number> {
  return Number(await page.evaluate(() => document.documentElement.dataset.shift ?? "0"));
}

/** The red channel of a canvas, row by row. */
export async function pixels(page: Page, id: string): Promise<{ width: number; height: number; levels: number[] }> {
  return await page.locator(`#${id}`).evaluate((node) => {
    const canvas = node as HTMLCanvasElement;
    const { width, height } = canvas;
    const data = canvas.getContext("2d")?.getImageData(0, 0, width, height).data ?? [];
    return { width, height, levels: Array.from(data).filter((_, index) => index % 4 === 0) };
  });
}

/** Waits until the picture on a canvas changes. */
export async function changes(page: Page, id: string, act: () => Promise<unknown>): Promise<number[]> {
  const before = (await pixels(page, id)).levels.join();
  await act();
  await expect.poll(async () => (await pixels(page, id)).levels.join() !== before).toBe(true);
  return (await pixels(page, id)).levels;
}

/** The first channel of a picture drawn by Python. */
export function pythons(name: string): { width: number; height: number; levels: number[] } {
  return png(readFileSync(golden(name)));
}

export function png(bytes: Uint8Array): { width: number; height: number; levels: number[] } {
  const { width, height, channels, data } = decode(bytes);
  return { width, height, levels: Array.from(data).filter((_, index) => index % channels === 0) };
}

export function golden(name: string): string {
  return fileURLToPath(new URL(`golden/${name}`, import.meta.url));
}

/** Asserts that two pictures are equal up to rounding. */
export function expectSame(found: readonly number[], expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  expect(found.findIndex((level, index) => !(Math.abs(level - expected[index]) <= 1))).toBe(-1);
}

/** Draws with the mouse; points are fractions of the pad's width and height. */
export async function scribble(page: Page, points: readonly (readonly [number, number])[]): Promise<void> {
  const pad = page.locator("#pad");
  await pad.scrollIntoViewIfNeeded();
  const box = await pad.boundingBox();
  if (box === null) throw new Error("the pad is not on the page");
  const move = async ([x, y]: readonly [number, number]): Promise<void> =>
    page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 5 });
  await move(points[0]);
  await page.mouse.down();
  for (const point of points.slice(1)) await move(point);
  await page.mouse.up();
}

export const SEVEN = [
  [0.3, 0.25],
  [0.7, 0.25],
  [0.45, 0.8],
] as const;

/** Drops files or folders from disk on the page, as the operating system does. */
export async function drop(page: Page, paths: string[]): Promise<void> {
  const devtools = await page.context().newCDPSession(page);
  const data = { items: [], files: paths, dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await devtools.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
  }
}

export async function text(page: Page, id: string): Promise<string> {
  return (await page.locator(`#${id}`).textContent()) ?? "";
}

export interface Animation {
  width: number;
  height: number;
  frames: number;
  repetitions: number;
  /** Of all frames, without repetitions. */
  milliseconds: number[];
  /** The red channel of the frames that were asked for. */
  levels: number[][];
}

/** Saves the walk, and decodes frames of the file in the browser. */
export async function savedWalk(page: Page, shown: readonly number[]): Promise<Animation> {
  const download = page.waitForEvent("download");
  await page.click("#download-walk");
  const file = await download;
  expect(file.suggestedFilename()).toBe("walk.gif");
  const data = readFileSync(await file.path()).toString("base64");
  return await page.evaluate(
    async ([encoded, wanted]) => {
      const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
      const decoder = new ImageDecoder({ data: bytes, type: "image/gif" });
      await decoder.tracks.ready;
      await decoder.completed;
      const { frameCount: frames = 0, repetitionCount: repetitions = 0 } = decoder.tracks.selectedTrack ?? {};
      const milliseconds = new Set<number>();
      const levels = new Map<number, number[]>();
      const canvas = document.createElement("canvas");
      for (let frameIndex = 0; frameIndex < frames; frameIndex++) {
        const { image } = await decoder.decode({ frameIndex });
        milliseconds.add((image.duration ?? 0) / 1000);
        if (wanted.includes(frameIndex)) {
          Object.assign(canvas, { width: image.displayWidth, height: image.displayHeight });
          const context = canvas.getContext("2d");
          context?.drawImage(image, 0, 0);
          const { data } = context?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
          levels.set(
            frameIndex,
            Array.from(data).filter((_, i) => i % 4 === 0),
          );
        }
        image.close();
      }
      const { width, height } = canvas;
      return {
        width,
        height,
        frames,
        repetitions,
        milliseconds: [...milliseconds],
        levels: wanted.map((index) => levels.get(index) ?? []),
      };
    },
    [data, shown] as const,
  );
}

/** Every pixel as a square of `scale` x `scale` pixels. */
export function enlarged(levels: readonly number[], width: number, scale: number): number[] {
  const across = width * scale;
  return Array.from({ length: levels.length * scale * scale }, (_, i) => {
    const [x, y] = [i % across, Math.floor(i / across)];
    return levels[Math.floor(y / scale) * width + Math.floor(x / scale)];
  });
}
