/** The sections of the page, used like a visitor does. */

import { readFileSync } from "node:fs";

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium } from "../chromium.ts";
import {
  changes,
  enlarged,
  expectSame,
  golden,
  pixels,
  png,
  pythons,
  savedWalk,
  scribble,
  SEVEN,
  text,
  visit,
  type Visit,
} from "./harness.ts";
import { serve, type Server } from "./server.ts";

describe.skipIf(CHROMIUM === undefined)("the page", () => {
  let server: Server;
  let browser: Browser;
  let guest: Visit;

  beforeAll(async () => {
    server = await serve();
    browser = await launchChromium();
  });
  beforeEach(async () => {
    guest = await visit(browser, server.url);
  });
  afterEach(() => guest.leave());
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  async function setSeed(seed: string): Promise<void> {
    await guest.page.fill("#seed", seed);
    await guest.page.press("#seed", "Enter");
    await guest.page.waitForSelector(`#grid-canvas[data-seed="${seed}"]`);
  }

  test("samples and the saved PNG match Python's", async () => {
    await setSeed("7");
    const download = guest.page.waitForEvent("download");
    await guest.page.click("#download");
    const file = await download;
    expect(file.suggestedFilename()).toBe("samples-seed-7.png");
    const saved = png(readFileSync(await file.path()));
    const expected = pythons("samples.png");
    expect([saved.width, saved.height]).toEqual([expected.width, expected.height]);
    expectSame(saved.levels, expected.levels);
  });

  test("a 64-bit seed is exact, and a larger one is refused", async () => {
    await setSeed("18446744073709551615");
    await guest.page.click("#seed-up");
    await guest.page.waitForSelector('#grid-canvas[data-seed="0"]');
    expect(await guest.page.inputValue("#seed")).toBe("0");
    await guest.page.fill("#seed", "18446744073709551616");
    await guest.page.press("#seed", "Enter");
    expect(await guest.page.getAttribute("#seed", "aria-invalid")).toBe("true");
    expect(await guest.page.locator("#seed-problem").innerText()).toBe(
      "A seed is a whole number from 0 to 18446744073709551615.",
    );
    expect(await guest.page.getAttribute("#grid-canvas", "data-seed")).toBe("0");
  });

  test("number and temperature change the grid", async () => {
    await guest.page.selectOption("#count", "16");
    await expect.poll(() => guest.page.locator("#grid button").count()).toBe(16);
    expect((await pixels(guest.page, "grid-canvas")).width).toBe(4 * 28 + 3 * 2);
    await changes(guest.page, "grid-canvas", () => guest.page.press("#temperature", "Home"));
    // At temperature 0 every sample is the same.
    const tiles = async () => {
      const { width, levels } = await pixels(guest.page, "grid-canvas");
      return [0, 30].map((left) =>
        levels.filter((_, i) => i < 28 * width && i % width >= left && i % width < left + 28).join(),
      );
    };
    await expect.poll(async () => new Set(await tiles()).size).toBe(1);
  });

  test("a sample chosen by keyboard opens in Explore", async () => {
    await setSeed("7");
    await guest.page.focus("#grid button");
    await guest.page.keyboard.press("ArrowRight");
    await guest.page.keyboard.press("ArrowDown");
    const found = await changes(guest.page, "explore-canvas", () => guest.page.keyboard.press("Enter"));
    expect(await text(guest.page, "explore-name")).toBe("Sample 9 of seed 7");
    expect(await guest.page.getAttribute(":focus", "aria-pressed")).toBe("true");
    const { width, levels } = pythons("samples.png");
    const at = (x: number, y: number) => levels[(1 + 57 + 2 * y) * width + 1 + 57 + 2 * x];
    expectSame(
      found,
      Array.from({ length: 28 * 28 }, (_, index) => at(index % 28, Math.floor(index / 28))),
    );
  });

  test("the digit changes while a slider is dragged", async () => {
    const slider = guest.page.locator("#sliders input").first();
    const box = await slider.boundingBox();
    if (box === null) throw new Error("there is no slider");
    const before = (await pixels(guest.page, "explore-canvas")).levels;
    const value = await slider.inputValue();
    await guest.page.mouse.move(box.x + ((Number(value) + 4) / 8) * box.width, box.y + box.height / 2);
    await guest.page.mouse.down();
    const seen = new Set([before.join()]);
    for (const share of [0.2, 0.4, 0.6, 0.8]) {
      const at = async () => guest.page.mouse.move(box.x + share * box.width, box.y + box.height / 2, { steps: 3 });
      seen.add((await changes(guest.page, "explore-canvas", at)).join());
    }
    await guest.page.mouse.up();
    expect(seen.size).toBe(5);
    const measured = await guest.page.evaluate(() => performance.getEntriesByName("slider-to-picture").length);
    expect(measured).toBeGreaterThanOrEqual(4);
    await guest.page.click("#explore-undo");
    await expect.poll(async () => (await pixels(guest.page, "explore-canvas")).levels).toEqual(before);
  });

  test("arrow keys move a slider and its copy among all dimensions", async () => {
    const slider = guest.page.locator("#sliders input").first();
    const name = await slider.getAttribute("aria-label");
    await changes(guest.page, "explore-canvas", () => guest.page.click("#explore-zero"));
    const start = Number(await slider.inputValue());
    await slider.focus();
    await changes(guest.page, "explore-canvas", async () => {
      for (let press = 0; press < 20; press++) await guest.page.keyboard.press("ArrowRight");
    });
    const moved = await slider.inputValue();
    expect(Number(moved)).toBeCloseTo(start + 20 * Number(await slider.getAttribute("step")));
    await guest.page.click("#all summary");
    await expect.poll(() => guest.page.locator("#every input").count()).toBe(40);
    expect(await guest.page.locator(`#every input[aria-label="${name}"]`).inputValue()).toBe(moved);
  });

  test("the walk between two samples matches Python's", async () => {
    await setSeed("7");
    await guest.page.locator("#grid button").nth(0).click();
    await guest.page.click("#start-explore");
    await guest.page.locator("#grid button").nth(1).click();
    await guest.page.click("#end-explore");
    // Python's picture has a border; the page's has none.
    const { width, levels } = pythons("way.png");
    const inner = (index: number) => levels[(2 + Math.floor(index / 268)) * width + 2 + (index % 268)];
    const inPicture = (index: number) => (index % 268) % 30 < 28;
    const theirs = Array.from({ length: 268 * 28 }, (_, index) => inner(index));
    const own = async () => {
      const strip = await pixels(guest.page, "strip");
      expect([strip.width, strip.height]).toEqual([268, 28]);
      return strip.levels;
    };
    // Earlier walks, with other ends in Explore, may be shown before this one.
    const differences = async () => (await own()).map((level, i) => (inPicture(i) ? Math.abs(level - theirs[i]) : 0));
    await expect.poll(async () => Math.max(...(await differences()))).toBeLessThanOrEqual(1);
  });

  test("the walk plays, and follows its slider", async () => {
    const walked = await changes(guest.page, "walk-canvas", () => guest.page.press("#place", "End"));
    expect(walked).toHaveLength(28 * 28);
    expect(await guest.page.getAttribute("#place", "aria-valuetext")).toBe("100 percent");
    await guest.page.emulateMedia({ reducedMotion: "no-preference" });
    await guest.page.clock.install();
    await guest.page.clock.pauseAt(Date.now() + 3_600_000);
    await guest.page.click("#play");
    expect(await text(guest.page, "play")).toBe("Pause");
    await guest.page.clock.runFor(48 * 50);
    expect(await guest.page.inputValue("#place")).toBe("0");
    await guest.page.clock.runFor(3 * 50);
    expect(await guest.page.inputValue("#place")).toBe("3");
    await guest.page.click("#play");
    expect(await text(guest.page, "play")).toBe("Play");
  });

  test("the walk is saved as a GIF, forwards and backwards", async () => {
    const start = (await pixels(guest.page, "walk-canvas")).levels;
    const { levels, ...saved } = await savedWalk(guest.page, [0, 48, 1, 95]);
    const end = await changes(guest.page, "walk-canvas", () => guest.page.press("#place", "End"));
    const second = await changes(guest.page, "walk-canvas", () => guest.page.locator("#place").fill("1"));
    const frames = 49 + 47; // the ends are shown once
    expect(saved).toEqual({ width: 224, height: 224, frames, repetitions: Infinity, milliseconds: [50] });
    expect(levels).toEqual([start, end, second, second].map((one) => enlarged(one, 28, 8)));
  });

  test("walk and digit play when they are first in view", async () => {
    const { page, leave } = await visit(browser, server.url, { reducedMotion: "no-preference" });
    expect(await text(page, "play")).toBe("Play");
    await page.locator("#walk-canvas").scrollIntoViewIfNeeded();
    await expect.poll(() => text(page, "play")).toBe("Pause");
    await page.press("#place", "Home");
    expect(await text(page, "play")).toBe("Play");
    await page.locator("#pad").scrollIntoViewIfNeeded();
    await expect.poll(() => text(page, "elbo")).toMatch(/^−\d+\.\d$/);
    await expect
      .poll(async () => (await pixels(page, "reconstruction")).levels.some((level) => level > 200))
      .toBe(true);
    await changes(page, "seen", () => scribble(page, SEVEN));
    await page.click("#clear");
    expect(await text(page, "elbo")).toBe("–");
    await leave();
  });

  test("the pad can be drawn on by keyboard", async () => {
    await guest.page.focus("#pad");
    await guest.page.keyboard.press("ArrowUp");
    expect(await text(guest.page, "elbo")).toBe("–"); // the pen is up
    await guest.page.keyboard.press(" ");
    await changes(guest.page, "reconstruction", async () => {
      for (let press = 0; press < 8; press++) await guest.page.keyboard.press("ArrowDown");
    });
    const drawn = (await pixels(guest.page, "pad")).levels;
    expect(drawn.filter((level) => level > 128).length).toBeGreaterThan(80 * 20);
    await guest.page.keyboard.press("Escape");
    await guest.page.keyboard.press("ArrowRight");
    expect((await pixels(guest.page, "pad")).levels).toEqual(drawn);
  });

  test("a drawing is centred, reconstructed and scored", async () => {
    await changes(guest.page, "reconstruction", () =>
      scribble(
        guest.page,
        SEVEN.map(([x, y]) => [x * 0.5, y * 0.5]),
      ),
    );
    expect(await text(guest.page, "elbo")).toMatch(/^−\d+\.\d$/);
    expect(await text(guest.page, "elbo-kl")).toMatch(/^\d+\.\d$/);
    expect(await guest.page.getAttribute("#chart", "aria-label")).toMatch(
      /^Latent code of 40 dimensions; furthest from zero: z\d/,
    );
    const { levels } = await pixels(guest.page, "seen");
    const inked = levels.flatMap((level, index) => (level > 0 ? [[index % 28, Math.floor(index / 28)]] : []));
    const [columns, rows] = [inked.map(([x]) => x), inked.map(([, y]) => y)];
    const longest = Math.max(Math.max(...columns) - Math.min(...columns), Math.max(...rows) - Math.min(...rows)) + 1;
    expect(longest).toBe(20);
    await changes(guest.page, "seen", () => guest.page.uncheck("#centre"));
    await changes(guest.page, "explore-canvas", () => guest.page.click("#draw-explore"));
    expect(await text(guest.page, "explore-name")).toBe("The code of your picture");
    await guest.page.click("#clear");
    expect(await text(guest.page, "elbo")).toBe("–");
  });

  test("ELBO and reconstruction of a picture match Python's", async () => {
    await changes(guest.page, "reconstruction", () => guest.page.setInputFiles("#picture", golden("picture.png")));
    expectSame((await pixels(guest.page, "seen")).levels, pythons("picture.png").levels);
    expectSame((await pixels(guest.page, "reconstruction")).levels, pythons("reconstruction.png").levels);
    const expected = JSON.parse(readFileSync(golden("scores.json"), "utf8")) as Record<string, number>;
    for (const [name, id] of Object.entries({ elbo: "elbo", reconstruction: "elbo-reconstruction", kl: "elbo-kl" })) {
      expect(Number((await text(guest.page, id)).replace("−", "-"))).toBeCloseTo(expected[name], 1);
    }
  });

  test("a sample can replace a drawing", async () => {
    await changes(guest.page, "reconstruction", () => guest.page.click("#draw-sample"));
    expect(await text(guest.page, "elbo")).toMatch(/^−\d+\.\d$/);
  });

  test("speed and self-check run on demand", async () => {
    await guest.page.click("#measure");
    await expect
      .poll(() => text(guest.page, "speed"))
      .toMatch(/^[\d,.]+ images\/s in batches of 64; one picture in \d+\.\d ms/);
    await guest.page.click("#check");
    await expect.poll(() => text(guest.page, "checked")).toMatch(/^These are the numbers the model should give/);
    expect(await text(guest.page, "engine-name")).toBe("WebAssembly");
  });

  test("an unavailable provider is refused, and the current one stays", async () => {
    await guest.page.evaluate(() => {
      Object.defineProperty(navigator, "gpu", { value: { requestAdapter: () => Promise.resolve(null) } });
    });
    await guest.page.selectOption("#provider", "webgpu");
    await expect
      .poll(() => text(guest.page, "alert"))
      .toBe("WebGPU cannot run this modelWebGPU finds no graphics adapter here; use the provider wasmDismiss");
    expect(await guest.page.inputValue("#provider")).toBe("auto");
    await guest.page.selectOption("#provider", "wasm");
    await expect.poll(() => text(guest.page, "engine-note")).toBe("As you chose.");
    await changes(guest.page, "grid-canvas", () => guest.page.click("#resample"));
  });
});
