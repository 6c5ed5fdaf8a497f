/** examples/smallest_page: assembled by its script, on a static server, opened in Chromium. */

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { imageGrid } from "../../src/api.ts";
import { load } from "../../src/node.ts";
import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES, projectPath } from "../golden.ts";
import { temporaryFolder } from "./example.ts";
import { apart, type Levels } from "./png.ts";
import { serve, type Host } from "./serve.ts";

const folder = temporaryFolder();
const site = join(folder, "site");

afterAll(() => rmSync(folder, { recursive: true }));

function assemble(...args: string[]): { code: number | null; err: string } {
  const script = projectPath("examples/smallest_page/assemble.sh");
  const { status, stderr } = spawnSync("sh", [script, ...args], { cwd: folder, encoding: "utf8" });
  return { code: status, err: stderr };
}

beforeAll(() => {
  expect(assemble(BUNDLES.mnist, site)).toEqual({ code: 0, err: "" });
});

describe("assemble.sh", () => {
  test("copies the bundle and the modules of the import map", () => {
    expect(readdirSync(site).sort()).toEqual(["bundle", "index.html", "lib"]);
    expect(readdirSync(join(site, "bundle"))).toEqual(readdirSync(BUNDLES.mnist));
  });

  test("refuses invalid arguments", () => {
    expect(assemble(BUNDLES.mnist, "site")).toEqual({
      code: 1,
      err: "assemble.sh: site exists already; choose another name\n",
    });
    mkdirSync(join(folder, "empty"));
    expect(assemble("empty", "other")).toEqual({
      code: 5,
      err: "assemble.sh: empty: expected a bundle, a folder with manifest.json; cvae-export makes one\n",
    });
    expect(assemble("empty")).toEqual({ code: 2, err: "assemble.sh: usage: sh assemble.sh BUNDLE FOLDER\n" });
    expect(existsSync(join(folder, "other"))).toBe(false);
  });
});

describe.skipIf(CHROMIUM === undefined)("the page", () => {
  const closing: (() => Promise<void>)[] = [];
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await Promise.all(closing.map((close) => close()));
    await browser.close();
  });

  interface Visit {
    page: Page;
    host: Host;
    /** Errors of the console and the network. */
    errors: string[];
    asked: string[];
  }

  async function visit(where = site, { isolated = false, by = browser } = {}): Promise<Visit> {
    const host = await serve(where, isolated);
    closing.push(() => host.close());
    const page = await by.newPage({ viewport: { width: 375, height: 600 } });
    const [errors, asked]: string[][] = [[], []];
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(host.url);
    return { page, host, errors, asked };
  }

  const told = (page: Page) => page.evaluate(() => document.querySelector("output")?.value ?? "");

  async function drawn(page: Page): Promise<Levels> {
    const { data, ...form } = await page.evaluate(() => {
      const { width, height } = document.querySelector("canvas") ?? { width: 0, height: 0 };
      const context = document.querySelector("canvas")?.getContext("2d");
      const pixels = context?.getImageData(0, 0, width, height).data ?? [];
      return { data: [...pixels], width, height, channels: 4 };
    });
    return { ...form, data };
  }

  /** Samples drawn in Node.js, which other tests compare with Python's. */
  async function expected(first: number): Promise<Levels> {
    const model = await load(BUNDLES.mnist);
    const { data, ...form } = imageGrid(await model.generate(16, { seed: 7, first }));
    await model.close();
    return { ...form, data: [...data], channels: 4 };
  }

  test("draws new samples with every click, and contacts no other host", async () => {
    const { page, host, errors, asked } = await visit();
    await page.waitForSelector("button:enabled");
    expect(await told(page)).toBe("samples 0 to 15 of seed 7, on wasm");
    expect(apart(await drawn(page), await expected(0))).toBeLessThanOrEqual(1);
    await page.click("button");
    await expect.poll(() => told(page)).toBe("samples 16 to 31 of seed 7, on wasm");
    expect(apart(await drawn(page), await expected(16))).toBeLessThanOrEqual(1);
    expect(asked.filter((url) => !url.startsWith(host.url) && !url.startsWith("data:"))).toEqual([]);
    expect(asked.filter((url) => url.endsWith(".wasm"))).toHaveLength(1);
    expect(errors).toEqual([]);
  });

  test("quick clicks each draw the next samples", async () => {
    const { page, errors } = await visit();
    await page.waitForSelector("button:enabled");
    await page.evaluate(() => {
      for (let click = 0; click < 3; click++) document.querySelector("button")?.click();
    });
    await expect.poll(() => told(page)).toBe("samples 48 to 63 of seed 7, on wasm");
    expect(apart(await drawn(page), await expected(48))).toBeLessThanOrEqual(1);
    expect(errors).toEqual([]);
  });

  test("has threads on an isolating server", async () => {
    const { page, errors } = await visit(site, { isolated: true });
    await page.waitForSelector("button:enabled");
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    expect(apart(await drawn(page), await expected(0))).toBeLessThanOrEqual(1);
    expect(errors).toEqual([]);
  });

  test("accepts a model of another shape", async () => {
    const other = join(folder, "colour");
    expect(assemble(BUNDLES.colour, other)).toEqual({ code: 0, err: "" });
    const { page, errors } = await visit(other);
    await page.waitForSelector("button:enabled");
    expect(await drawn(page)).toMatchObject({ width: 69, height: 53 });
    expect(errors).toEqual([]);
  });

  test("reports a missing bundle or library", async () => {
    const bare = join(folder, "bare");
    cpSync(site, bare, { recursive: true });
    rmSync(join(bare, "bundle"), { recursive: true });
    const { page, host } = await visit(bare);
    await expect
      .poll(() => told(page))
      .toBe(
        `${host.url}bundle/manifest.json: cannot be read: HTTP 404 Not Found; ` +
          "expected a bundle, a folder that cvae-export makes",
      );
    expect(await page.isDisabled("button")).toBe(true);
    rmSync(join(bare, "lib/cvae-runtime"), { recursive: true });
    await page.reload();
    await expect.poll(() => told(page)).toBe("lib/ cannot be read: see README.md");
    // As opened by a double-click.
    await page.goto(`file://${join(site, "index.html")}`);
    await expect.poll(() => told(page)).toBe("lib/ cannot be read: see README.md");
  });

  test("fits a phone, has accessible names, and no layout shift", async () => {
    const { page } = await visit();
    const places = () =>
      page.evaluate(() =>
        ["button", "canvas", "output"].map((name) => document.querySelector(name)?.getBoundingClientRect().top),
      );
    const before = await places();
    await page.waitForSelector("button:enabled");
    expect(await places()).toEqual(before);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(375);
    expect(await page.getByRole("img", { name: "samples" }).count()).toBe(1);
    expect(await page.getByRole("button", { name: "Draw others" }).count()).toBe(1);
  });
});
