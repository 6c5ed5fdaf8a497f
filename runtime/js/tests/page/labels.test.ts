/** The class picker of models with labels, and "Write it as …". */

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import * as cvae from "../../src/node.ts";
import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES } from "../golden.ts";
import { changes, drop, layoutShift, pixels, scribble, SEVEN, text, visit, type Visit } from "./harness.ts";
import { serve, type Server } from "./server.ts";

const [HEIGHT, WIDTH] = [12, 16];

describe.skipIf(CHROMIUM === undefined)("a model with labels", () => {
  let server: Server;
  let browser: Browser;
  let model: cvae.Model;
  let guest: Visit;

  beforeAll(async () => {
    server = await serve(BUNDLES.labelled);
    browser = await launchChromium();
    model = await cvae.load(BUNDLES.labelled);
  });
  beforeEach(async () => {
    guest = await visit(browser, server.url);
  });
  afterEach(() => guest.leave());
  afterAll(async () => {
    await browser.close();
    await server.close();
    await model.close();
  });

  const radio = (name: string) => guest.page.getByRole("radio", { name, exact: true });
  const reds = async (images: Promise<cvae.Images>) => [...cvae.toUint8(await images)].filter((_, i) => i % 3 === 0);

  /** Waits until a canvas, or its upper left tile, shows the first channel of an image. */
  async function shows(id: string, expected: number[]): Promise<void> {
    const wrong = async () => {
      const { width, levels } = await pixels(guest.page, id);
      const tile = levels.filter((_, i) => i < HEIGHT * width && i % width < WIDTH);
      return tile.findIndex((level, i) => Math.abs(level - expected[i]) > 1);
    };
    await expect.poll(wrong, { message: id }).toBe(-1);
  }

  test("offers its classes, and any", async () => {
    const choices = guest.page.locator("#class-choices label");
    expect(await choices.allInnerTexts()).toEqual(["any", "square", "tall", "wide"]);
    expect(await guest.page.getByRole("radiogroup", { name: "Class" }).count()).toBe(1);
    expect(await radio("any").isChecked()).toBe(true);
    expect(await text(guest.page, "facts")).toContain("3: square, tall, wide");
  });

  test("draws samples, walks and Explore of the class that the keyboard picks", async () => {
    await shows("grid-canvas", await reds(model.generate(1)));
    await radio("any").focus();
    for (const [key, label] of [
      ["ArrowRight", "square"],
      ["ArrowRight", "tall"],
      ["ArrowLeft", "square"],
      ["ArrowLeft", null],
    ] as const) {
      await guest.page.keyboard.press(key);
      expect(await radio(label ?? "any").isChecked()).toBe(true);
      const expected = await reds(model.generate(1, { label }));
      for (const id of ["grid-canvas", "explore-canvas", "walk-canvas"]) await shows(id, expected);
    }
    await radio("wide").check();
    await guest.page.locator("#place").fill("48");
    await shows("walk-canvas", await reds(model.generate(1, { first: 1, label: "wide" })));
    await guest.page.click("#explore-sample");
    await shows("explore-canvas", await reds(model.generate(1, { first: 64, label: "wide" })));
    await guest.page.click("#explore-zero");
    await shows("explore-canvas", await reds(model.generate(1, { temperature: 0, label: "wide" })));
    await radio("tall").check();
    await shows("explore-canvas", await reds(model.generate(1, { temperature: 0, label: "tall" })));
    const download = guest.page.waitForEvent("download");
    await guest.page.click("#download");
    expect((await download).suggestedFilename()).toBe("samples-seed-0-label-tall.png");
  });

  test("keeps the changes of sliders", async () => {
    const slider = guest.page.locator("#sliders input").first();
    const dimension = Number(((await slider.getAttribute("aria-label")) ?? "").replace(/\D+/, ""));
    const before = Number(await slider.inputValue());
    await changes(guest.page, "explore-canvas", async () => {
      for (let press = 0; press < 10; press++) await slider.press("ArrowRight");
    });
    const moved = Number(await slider.inputValue());
    expect(moved).toBeGreaterThan(before);
    await radio("tall").check();
    const [of, none] = [await model.latents(1, { label: "tall" }), await model.latents(1)];
    const { data } = of;
    data[dimension] += moved - none.data[dimension];
    await shows("explore-canvas", await reds(model.decode(data, { label: "tall" })));
    expect(await text(guest.page, "explore-name")).toBe("Sample 0 of seed 0, changed");
    await guest.page.click("#explore-undo");
    await shows("explore-canvas", await reds(model.generate(1, { label: "tall" })));
  });

  test("writes the picture on the pad as every class, or as the picked one", async () => {
    const figures = guest.page.locator("#restyled figure");
    await changes(guest.page, "reconstruction", () => guest.page.click("#draw-sample"));
    const picture = cvae.toUint8(await model.generate(1, { first: 64 }));
    expect(await figures.locator("figcaption").allInnerTexts()).toEqual(["square", "tall", "wide"]);
    await nameCanvases(guest.page);
    for (const [n, label] of ["square", "tall", "wide"].entries()) {
      await shows(`restyled-${n}`, await reds(model.restyle(picture, [label])));
    }
    await radio("tall").check();
    expect(await figures.filter({ visible: true }).allInnerTexts()).toEqual(["tall"]);
    await radio("any").check();
    expect(await figures.filter({ visible: true }).count()).toBe(3);
    await guest.page.click("#clear");
    expect((await pixels(guest.page, "restyled-1")).levels.every((level) => level === 0)).toBe(true);
  });

  test("makes room for another model, which starts with any class", async () => {
    await radio("wide").check();
    await drop(guest.page, [BUNDLES.learned]);
    await expect.poll(() => guest.page.isVisible("#classes")).toBe(false);
    expect(await guest.page.isVisible("#write-as")).toBe(false);
    expect(await text(guest.page, "facts")).not.toContain("Classes");
    await changes(guest.page, "reconstruction", () => scribble(guest.page, SEVEN));
    await drop(guest.page, [BUNDLES.labelled]);
    await expect.poll(() => guest.page.isVisible("#classes")).toBe(true);
    expect(await radio("any").isChecked()).toBe(true);
    expect(await text(guest.page, "alert")).toBe("");
  });

  test.each([320, 360, 768, 1280])("moves nothing and overflows nowhere at %i pixels", async (width) => {
    const { page, leave } = await visit(browser, server.url, { viewport: { width, height: 740 } });
    expect(await layoutShift(page)).toBeLessThan(0.05);
    await scribble(page, SEVEN);
    await expect.poll(() => text(page, "elbo")).not.toBe("–");
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    const { y } = (await page.locator("#classes").boundingBox()) ?? { y: -1 };
    expect(y).toBe(0); // the picker stays in view above the pad
    await leave();
  });
});

/** Gives the canvases of the classes ids. */
async function nameCanvases(page: Page): Promise<void> {
  await page.locator("#restyled canvas").evaluateAll((all) => {
    all.forEach((canvas, n) => (canvas.id = `restyled-${n}`));
  });
}
