/** Models and pictures that the visitor opens. */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { encode } from "fast-png";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import * as cvae from "../../src/node.ts";
import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES } from "../golden.ts";
import {
  changes,
  drop,
  enlarged,
  expectSame,
  pixels,
  savedWalk,
  scribble,
  SEVEN,
  text,
  visit,
  type Visit,
} from "./harness.ts";
import { serve, type Server } from "./server.ts";

describe.skipIf(CHROMIUM === undefined)("files dropped on the page", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvae-"));
  const damaged = join(folder, "damaged");
  let server: Server;
  let browser: Browser;
  let guest: Visit;

  beforeAll(async () => {
    cpSync(BUNDLES.colour, damaged, { recursive: true });
    const decoder = readFileSync(join(damaged, "decoder.onnx"));
    decoder[decoder.length >> 1] ^= 1;
    writeFileSync(join(damaged, "decoder.onnx"), decoder);
    // Dark on bright, like ink on paper: a bar in the middle.
    const paper = Uint8Array.from({ length: 60 * 40 }, (_, index) => (Math.abs((index % 60) - 30) < 4 ? 20 : 240));
    writeFileSync(join(folder, "paper.png"), encode({ width: 60, height: 40, channels: 1, data: paper }));
    const glyph = Uint8Array.from({ length: 2 * 60 * 40 }, (_, i) =>
      i % 2 && Math.abs(((i >> 1) % 60) - 30) >= 4 ? 0 : 255,
    );
    writeFileSync(join(folder, "glyph.png"), encode({ width: 60, height: 40, channels: 2, data: glyph })); // white on nothing
    writeFileSync(join(folder, "notes.txt"), "neither");
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
    rmSync(folder, { recursive: true });
  });

  const alarm = () => guest.page.locator("#alert").innerText();

  async function stillWorks(): Promise<void> {
    await changes(guest.page, "grid-canvas", () => guest.page.click("#resample"));
    expect(await guest.page.locator("#every").count()).toBe(1);
    expect(await text(guest.page, "engine-name")).toBe("WebAssembly");
  }

  test("a damaged bundle is refused, and the current model stays", async () => {
    await drop(guest.page, [damaged]);
    await expect
      .poll(alarm)
      .toMatch(
        /^This model cannot be opened\s+decoder\S*\.onnx: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}; .*The model before it stays open\.\s+Dismiss$/,
      );
    expect(await text(guest.page, "all-count")).toBe("40");
    await guest.page.click("#alert button");
    expect(await alarm()).toBe("");
    await stillWorks();
  });

  test("files that are neither a model nor a picture are refused", async () => {
    await drop(guest.page, [join(folder, "notes.txt")]);
    await expect
      .poll(alarm)
      .toContain("Expected a folder with a manifest.json, its files, or one picture; found notes.txt.");
    await stillWorks();
  });

  test("a dropped folder becomes the model", async () => {
    await drop(guest.page, [BUNDLES.colour]);
    await expect.poll(() => text(guest.page, "facts")).toContain("colour");
    const { image_shape: shape, latent_dim: size } = manifest(BUNDLES.colour);
    expect(await text(guest.page, "all-count")).toBe(String(size));
    expect(await guest.page.locator("#sliders input").count()).toBe(Math.min(12, size));
    await expect.poll(async () => (await pixels(guest.page, "explore-canvas")).width).toBe(shape[1]);
    await changes(guest.page, "reconstruction", () => scribble(guest.page, SEVEN));
    expect((await pixels(guest.page, "seen")).height).toBe(shape[0]);
    expect(await text(guest.page, "elbo")).toMatch(/^−?\d+\.\d$/);
    const elbo = Number((await text(guest.page, "elbo")).replace("−", "-"));
    const bits = Number((await text(guest.page, "elbo-bits")).replace("−", "-"));
    expect(bits).toBeCloseTo(-elbo / (shape.reduce((a, b) => a * b) * Math.LN2), 2);
    expect(await text(guest.page, "facts")).toMatch(/−\d+\.\d\d nats, \d\.\d{3} bits per dimension/);
    expect(await text(guest.page, "elbo-note")).toMatch(
      /^A higher ELBO .* nats, \d\.\d{3} bits per dimension, on average\.$/,
    );
    expect(await guest.page.isVisible("#centre")).toBe(false);
    expect(await guest.page.isVisible("#ink")).toBe(true);
  });

  test("the walk of a model in colour is saved with 256 colours a frame", async () => {
    await drop(guest.page, [BUNDLES.learned]);
    await expect.poll(async () => (await pixels(guest.page, "walk-canvas")).width).toBe(16);
    const start = enlarged((await pixels(guest.page, "walk-canvas")).levels, 16, 14);
    const { levels, ...saved } = await savedWalk(guest.page, [0]);
    expect(saved).toEqual({ width: 224, height: 168, frames: 96, repetitions: Infinity, milliseconds: [50] });
    expect(levels[0].length).toBe(start.length);
    expect(Math.max(...levels[0].map((level, i) => Math.abs(level - start[i])))).toBeLessThan(16);
  });

  test("a learned prior draws the samples", async () => {
    await drop(guest.page, [BUNDLES.learned]);
    await expect.poll(() => text(guest.page, "facts")).toContain("learned prior");
    const model = await cvae.load(BUNDLES.learned);
    const levels = async (images: Promise<cvae.Images>) =>
      [...cvae.toUint8(await images)].filter((_, i) => i % 3 === 0);
    const shows = async (id: string, expected: number[]) => {
      await expect
        .poll(async () => {
          const found = (await pixels(guest.page, id)).levels;
          return found.length === expected.length && found.every((level, i) => Math.abs(level - expected[i]) <= 1);
        })
        .toBe(true);
    };

    // The grid, its samples in Explore, and the walk between them.
    const first = await levels(model.generate(1));
    await shows("explore-canvas", first);
    await shows("walk-canvas", first);
    const grid = await pixels(guest.page, "grid-canvas");
    const [height, width] = model.imageShape;
    expectSame(
      grid.levels.filter((_, i) => i < height * grid.width && i % grid.width < width),
      first,
    );
    await guest.page.locator("#place").fill("48");
    await shows("walk-canvas", await levels(model.generate(1, { first: 1 })));

    // Sliders show latents, which have another scale than noise.
    const { data } = await model.latents(1);
    const sliders = guest.page.locator("#sliders input");
    await expect.poll(async () => Number(await sliders.first().getAttribute("max"))).toBeGreaterThan(8);
    const shown = await Promise.all([0, 1, 2].map((n) => guest.page.locator("#sliders output").nth(n).innerText()));
    const values = shown.map((value) => Number(value.replace("−", "-")));
    const order = await model.rankDimensions();
    expect(values).toEqual(order.map((dimension) => Number(data[dimension].toFixed(2))));

    await guest.page.getByRole("button", { name: "Set the noise to zero" }).click();
    await shows("explore-canvas", await levels(model.generate(1, { temperature: 0 })));
    await guest.page.click("#explore-sample");
    await shows("explore-canvas", await levels(model.generate(1, { first: 64 })));
    await guest.page.click("#draw-sample");
    await shows("seen", await levels(model.generate(1, { first: 65 })));
    const { elbo, kl } = await model.score(cvae.toUint8(await model.generate(1, { first: 65 })));
    const figure = async (id: string) => Number((await text(guest.page, id)).replace("−", "-"));
    await expect.poll(() => figure("elbo")).toBeCloseTo(elbo[0], 0);
    expect(await figure("elbo-kl")).toBeCloseTo(kl[0], 0);
    const [, top] = ((await guest.page.getAttribute("#chart", "viewBox")) ?? "").split(" ");
    expect(-Number(top)).toBeGreaterThan(3);
    await model.close();
  });

  test("the exported checkpoint is shown", async () => {
    expect(await text(guest.page, "facts")).toMatch(/ELBO of test images, given their class\s*−59\.11 nats/);
    expect(await text(guest.page, "elbo-note")).toMatch(/−59\.1 nats on average, given their class\.$/);
    expect(await text(guest.page, "facts")).toMatch(/Weights\s*epoch 60, checkpoint last/);
    const best = join(folder, "best");
    cpSync(BUNDLES.colour, best, { recursive: true });
    const file = join(best, "manifest.json");
    const value = JSON.parse(readFileSync(file, "utf8")) as { training: object };
    Object.assign(value.training, { epoch: 7, checkpoint: "best" });
    writeFileSync(file, JSON.stringify(value));
    await drop(guest.page, [best]);
    await expect.poll(() => text(guest.page, "facts")).toMatch(/Weights\s*epoch 7, checkpoint best/);
  });

  test("a folder or files can be chosen", async () => {
    await guest.page.click("#open");
    expect(await guest.page.isVisible("#choose-folder")).toBe(true);
    await guest.page.setInputFiles("#folder", BUNDLES.colour);
    await expect.poll(() => text(guest.page, "facts")).toContain("colour");
    expect(await guest.page.isVisible("#choose-folder")).toBe(false);
    const names = ["manifest.json", "encoder.onnx", "decoder.onnx", "decoder_cpu.onnx"];
    await guest.page.setInputFiles(
      "#files",
      names.map((name) => join(BUNDLES.mnist, name)),
    );
    await expect.poll(() => text(guest.page, "facts")).toContain("grey");
  });

  test("dark ink on bright paper is inverted", async () => {
    await changes(guest.page, "reconstruction", () => drop(guest.page, [join(folder, "paper.png")]));
    expect(await guest.page.isChecked("#invert")).toBe(true);
    const { levels } = await pixels(guest.page, "seen");
    expect(levels[14 * 28 + 14]).toBe(235);
    expect(levels[14 * 28 + 2]).toBe(15);
    const turned = await changes(guest.page, "seen", () => guest.page.uncheck("#invert"));
    expect(turned[14 * 28 + 14]).toBe(20);
  });

  test("a transparent white glyph gets a black background", async () => {
    await changes(guest.page, "reconstruction", () => drop(guest.page, [join(folder, "glyph.png")]));
    const { levels } = await pixels(guest.page, "seen");
    expect([levels[14 * 28 + 14], levels[14 * 28 + 2]]).toEqual([255, 0]);
  });
});

describe.skipIf(CHROMIUM === undefined)("a page without its bundle", () => {
  test("reports the missing bundle, and opens another", async () => {
    const empty = mkdtempSync(join(tmpdir(), "cvae-"));
    const server = await serve(empty);
    const browser = await launchChromium();
    const { page, problems, leave } = await visit(browser, server.url, {}, (opened) =>
      opened.waitForSelector("#alert button"),
    );
    expect(await page.locator("#alert p").innerText()).toBe(
      `${server.url}bundle/manifest.json: cannot be read: HTTP 404 Not Found; ` +
        "expected a bundle, a folder that cvae-export makes. You can open another one.",
    );
    expect(await text(page, "engine-name")).toBe("No model is open");
    expect(problems.splice(0)).toEqual([
      "Failed to load resource: the server responded with a status of 404 (Not Found)",
    ]);
    await drop(page, [BUNDLES.mnist]);
    await page.waitForSelector("#grid-canvas[data-seed]");
    expect(await page.locator("#alert").innerText()).toBe("");
    await leave();
    await browser.close();
    await server.close();
    rmSync(empty, { recursive: true });
  });
});

function manifest(folder: string): { image_shape: number[]; latent_dim: number } {
  const { model } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
    model: { image_shape: number[]; latent_dim: number };
  };
  return model;
}
