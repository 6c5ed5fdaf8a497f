/** The map of samples: pointed at with mouse, keyboard and finger. */

import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { arrange, blend } from "../../page/arrange.ts";
import * as cvae from "../../src/node.ts";
import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES } from "../golden.ts";
import { expectSame, pixels, text, visit } from "./harness.ts";
import { serve, type Server } from "./server.ts";

const COUNT = 16;
const SIDE = 4;

describe.skipIf(CHROMIUM === undefined)("the map", () => {
  const servers = new Map<keyof typeof BUNDLES, Server>();
  let browser: Browser;

  beforeAll(async () => {
    for (const name of ["labelled", "learned"] as const) servers.set(name, await serve(BUNDLES[name]));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    for (const server of servers.values()) await server.close();
  });

  /** Opens the page at the map of 16 samples of seed 3. */
  async function open(bundle: keyof typeof BUNDLES, options: BrowserContextOptions = {}) {
    const guest = await visit(browser, `${servers.get(bundle)?.url ?? ""}#seed=3&count=16`, options);
    await guest.page.locator("#map").scrollIntoViewIfNeeded();
    await guest.page.waitForSelector('#map-canvas[data-seed="3"]');
    return guest;
  }

  /** Latents of the map, and the sample at each place, as the page has them. */
  async function expected(bundle: keyof typeof BUNDLES, options: cvae.SampleOptions & { labels?: number[] }) {
    const model = await cvae.load(BUNDLES[bundle]);
    const latents = (await model.latents(COUNT, { seed: 3, ...options })).data;
    const { mean } = await model.encode(await model.decode(latents));
    const order = arrange(mean.data, COUNT);
    const picture = async (x: number, y: number) => {
      const levels = cvae.toUint8(await model.decode(blend(latents, order, x, y)));
      return [...levels].filter((_, i) => i % 3 === 0);
    };
    return { model, order, picture };
  }

  /** Waits until the large picture shows the levels. */
  async function shows(page: Page, levels: readonly number[]): Promise<void> {
    const wrong = async () => {
      const found = (await pixels(page, "map-picture")).levels;
      return levels.findIndex((level, i) => !(Math.abs(level - found[i]) <= 1));
    };
    await expect.poll(wrong).toBe(-1);
  }

  /** The middle of the picture at a place, in the viewport. */
  async function middle(page: Page, x: number, y: number): Promise<[number, number]> {
    const box = await page.locator("#map-canvas").boundingBox();
    if (box === null) throw new Error("the map is not on the page");
    const { width, height } = await pixels(page, "map-canvas");
    const centre = (at: number, size: number, gap: number) => at * 2 * (size + gap) + size / 2;
    return [box.x + (centre(x, 16, 1) / width) * box.width, box.y + (centre(y, 12, 1) / height) * box.height];
  }

  test("shows the picture of the place under the mouse, and opens it in Explore", async () => {
    const { page, leave } = await open("learned");
    const { model, order, picture } = await expected("learned", {});
    const map = await pixels(page, "map-canvas");
    expect([map.width, map.height]).toEqual([7 * 17 - 1, 7 * 13 - 1]);
    const corner = map.levels.filter((_, i) => i < 12 * map.width && i % map.width < 16);
    expectSame(corner, await picture(0, 0));
    expect(await page.locator("#map-rings rect").count()).toBe(0);

    await shows(page, await picture(2, 2));
    await page.mouse.move(...(await middle(page, 0, 0)));
    await shows(page, await picture(0, 0));
    expect(await text(page, "map-name")).toMatch(new RegExp(`^(Near sample|Sample) ${order[0]} of seed 3$`));
    await page.mouse.move(...(await middle(page, 2.5, 1)));
    const between = await picture(2.5, 1);
    await shows(page, between);
    await page.mouse.click(...(await middle(page, 2.5, 1)));
    await expect.poll(() => text(page, "explore-name")).toMatch(/^Near sample \d+ of seed 3$/);
    await expect.poll(async () => (await pixels(page, "explore-canvas")).levels).toEqual(between);
    expect(await page.locator(":focus").getAttribute("id")).toBe("explore");
    await model.close();
    await leave();
  });

  test("is walked with the keyboard, and has rings in the colours of the classes", async () => {
    const { page, leave } = await open("labelled");
    const labels = Array.from({ length: COUNT }, (_, n) => n % 3);
    const { model, order, picture } = await expected("labelled", { labels });
    const name = (place: number) =>
      `ample ${order[place]} of seed 3, class ${["square", "tall", "wide"][order[place] % 3]}`;
    const strokes = await page
      .locator("#map-rings rect")
      .evaluateAll((all) => all.map((ring) => ring.getAttribute("stroke")));
    expect(strokes).toEqual(order.map((sample) => `oklch(0.7 0.17 ${120 * (sample % 3)})`));

    await page.focus("#map-canvas");
    await page.keyboard.press("Home");
    expect(await text(page, "map-name")).toBe(`S${name(0)}`);
    await page.keyboard.press("Alt+ArrowRight"); // the browser's next page
    expect(await text(page, "map-name")).toBe(`S${name(0)}`);
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowRight");
    await shows(page, await picture(0.5, 0));
    expect(await text(page, "map-name")).toMatch(/^Near sample/);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await shows(page, await picture(1, 1));
    expect(await text(page, "status")).toBe(`S${name(SIDE + 1)}`);
    await page.keyboard.press("Enter");
    expect(await text(page, "explore-name")).toBe(`S${name(SIDE + 1)}`);

    await page.getByRole("radio", { name: "tall", exact: true }).check();
    await page.locator("#map").scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator("#map-rings rect").count()).toBe(0);
    await expect.poll(() => text(page, "map-name")).toMatch(/^Sample \d+ of seed 3$/);
    await model.close();
    await leave();
  });

  test("is looked at with a finger, and opened with the button", async () => {
    const { page, leave } = await open("learned", { hasTouch: true, viewport: { width: 320, height: 740 } });
    const { model, picture } = await expected("learned", {});
    const before = await text(page, "explore-name");
    await page.touchscreen.tap(...(await middle(page, 3, 0)));
    await shows(page, await picture(3, 0));
    expect(await text(page, "explore-name")).toBe(before);
    await page.getByRole("region", { name: "Map" }).getByRole("button", { name: "Open in Explore" }).click();
    await expect.poll(async () => (await pixels(page, "explore-canvas")).levels).toEqual(await picture(3, 0));
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    await model.close();
    await leave();
  });
});
