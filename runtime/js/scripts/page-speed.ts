/** Measure the built page in Chromium: npm run speed:page prints medians in milliseconds. */

import type { Page } from "playwright-core";

import { launchChromium } from "../tests/chromium.ts";
import { settled } from "../tests/page/harness.ts";
import { serve } from "../tests/page/server.ts";

const OPENINGS = 9; // each in a new browser with empty caches
const MOVES = 300;

const server = await serve();
const [first, dragged]: [number[], number[]] = [[], []];
for (let opening = 0; opening < OPENINGS; opening++) {
  const browser = await launchChromium();
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(server.url);
  await settled(page);
  first.push(...(await measures(page, "first-picture")));
  if (opening === 0) dragged.push(...(await drag(page)));
  await browser.close();
}
await server.close();
console.log(`first picture after opening: ${summary(first)}`);
console.log(`slider to picture:           ${summary(dragged)}`);

/** Drags a slider back and forth in small steps, one every 20 ms. */
async function drag(page: Page): Promise<number[]> {
  const box = await page.locator("#sliders input").first().boundingBox();
  if (box === null) throw new Error("there is no slider on the page");
  const [middle, height] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(middle, height);
  await page.mouse.down();
  for (let move = 0; move < MOVES; move++) {
    await page.mouse.move(middle + Math.sin(move / 15) * box.width * 0.4, height);
    await page.waitForTimeout(20);
  }
  await page.mouse.up();
  return await measures(page, "slider-to-picture");
}

async function measures(page: Page, name: string): Promise<number[]> {
  return await page.evaluate((entry) => performance.getEntriesByName(entry).map(({ duration }) => duration), name);
}

function summary(times: number[]): string {
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(1);
  return `median ${at(0.5)}, 95% ${at(0.95)} (${sorted.length} measured)`;
}
