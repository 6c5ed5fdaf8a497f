/** The page of a calibrated bundle: the detector judges the picture on the pad. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encode } from "fast-png";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES, readGolden, valuesOf } from "../golden.ts";
import { changes, drop, expectSame, pixels, scribble, SEVEN, text, visit } from "./harness.ts";
import { serve, type Server } from "./server.ts";

const [HEIGHT, WIDTH] = [12, 16];
const SIZE = HEIGHT * WIDTH * 3;

describe.skipIf(CHROMIUM === undefined)("the detector on the page", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvae-"));
  const images = valuesOf(readGolden("detector").images);
  const file = (image: number) => join(folder, `${image}.png`);
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    for (const image of [0, 1]) {
      const data = Uint8Array.from(images.slice(image * SIZE, (image + 1) * SIZE));
      writeFileSync(file(image), encode({ width: WIDTH, height: HEIGHT, channels: 3, data }));
    }
    server = await serve(BUNDLES.detector);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test("gives the p-value, the alarm and the heat map of a dropped picture", async () => {
    const { page, leave } = await visit(browser, server.url);
    expect(await text(page, "false-alarms")).toBe("Detector: alarm if p ≤ 0.1");
    expect(await text(page, "p-value")).toBe("–");
    expect(await text(page, "facts")).toContain("Detector25 kB");

    await drop(page, [file(0)]);
    await expect.poll(() => text(page, "p-value")).toBe("p = 0.233, no alarm");
    await changes(page, "heat-map", () => drop(page, [file(1)]));
    expect(await text(page, "p-value")).toBe("p = 0.0333, alarm");
    const seen = (await pixels(page, "seen")).levels;
    expectSame(
      seen,
      images.slice(SIZE, 2 * SIZE).filter((_, i) => i % 3 === 0),
    );
    // Python's box is rows 2 ... 8 and columns 4 ... 7.
    const { levels } = await pixels(page, "heat-map");
    const frame = levels.flatMap((_, pixel) => {
      const [x, y] = [pixel % WIDTH, Math.floor(pixel / WIDTH)];
      const inside = y >= 2 && y <= 8 && x >= 4 && x <= 7;
      return inside && (y === 2 || y === 8 || x === 4 || x === 7) ? [pixel] : [];
    });
    expect(frame).toHaveLength(18);
    expect(frame.every((pixel) => levels[pixel] === 255)).toBe(true);
    expect(levels.every((level, pixel) => level >= seen[pixel])).toBe(true);

    await page.click("#clear");
    expect(await text(page, "p-value")).toBe("–");
    expect((await pixels(page, "heat-map")).levels.every((level) => level === 0)).toBe(true);
    await leave();
  });

  test.each([320, 1280])("overflows nowhere at %i pixels, and is absent from other models", async (width) => {
    const { page, leave } = await visit(browser, server.url, { viewport: { width, height: 740 } });
    await scribble(page, SEVEN);
    await expect.poll(() => text(page, "p-value")).toMatch(/^p = [\d.]+, (no )?alarm$/);
    expect(await page.isVisible("#heat")).toBe(true);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    await drop(page, [BUNDLES.colour]);
    await expect.poll(() => page.isVisible("#detected")).toBe(false);
    expect(await page.isVisible("#heat")).toBe(false);
    await changes(page, "reconstruction", () => scribble(page, SEVEN));
    expect(await text(page, "p-value")).toBe("–");
    await leave();
  });
});
