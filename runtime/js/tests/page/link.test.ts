/** Links: the URL of the page shows the same pictures in a fresh browser. */

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES } from "../golden.ts";
import { changes, drop, pixels, text, visit } from "./harness.ts";
import { serve, type Server } from "./server.ts";

const CANVASES = ["grid-canvas", "explore-canvas", "walk-canvas", "strip"];

describe.skipIf(CHROMIUM === undefined)("a link", () => {
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    server = await serve();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
  });

  test("shows the same pictures in a fresh browser", async () => {
    const first = await visit(browser, server.url);
    const { page } = first;
    expect(new URL(page.url()).hash).toBe("");
    await page.selectOption("#count", "16");
    await page.fill("#seed", "18446744073709551615");
    await page.press("#seed", "Enter");
    await page.waitForSelector('#grid-canvas[data-seed="18446744073709551615"]');
    await page.locator("#grid button").nth(9).click();
    await expect.poll(() => text(page, "explore-name")).toBe("Sample 9 of seed 18446744073709551615");
    await changes(page, "explore-canvas", () => page.locator("#sliders input").first().press("End"));
    await changes(page, "walk-canvas", () => page.click("#start-explore"));
    await changes(page, "strip", () => page.click("#end-new"));
    await changes(page, "strip", () => page.selectOption("#method", "linear"));
    await expect
      .poll(() => new URL(page.url()).hash)
      .toMatch(
        /^#seed=18446744073709551615&count=16&temperature=1&explore=18446744073709551615\.9,z\d+:\d+&from=18446744073709551615\.9,z\d+:\d+&to=18446744073709551615\.16&path=linear$/,
      );
    const expected = await Promise.all(CANVASES.map(async (id) => (await pixels(page, id)).levels));
    const other = await visit(browser, page.url());
    const found = await Promise.all(CANVASES.map(async (id) => (await pixels(other.page, id)).levels));
    expect(found).toEqual(expected);
    expect(await text(other.page, "explore-name")).toBe("Sample 9 of seed 18446744073709551615, changed");
    await first.leave();
    await other.leave();
  });

  test("keeps its state when the visitor jumps to a section, and ends with another model", async () => {
    const { page, leave } = await visit(browser, `${server.url}#seed=7&explore=zero`);
    await page.waitForSelector('#grid-canvas[data-seed="7"]');
    expect(await text(page, "explore-name")).toBe("The latent of the noise zero");
    await page.getByRole("link", { name: "Walk" }).click();
    await expect.poll(() => new URL(page.url()).hash).toMatch(/^#seed=7&.*explore=zero&from=7\.0&to=7\.1/);
    await drop(page, [BUNDLES.colour]);
    await expect.poll(() => new URL(page.url()).hash).toBe("");
    await leave();
  });

  test("with values that the page does not have shows what it can", async () => {
    const { page, leave } = await visit(
      browser,
      `${server.url}#seed=-1&count=17&label=round&explore=7.x&from=~AAAA&to=0.1,z0:1e39`,
    );
    await page.waitForSelector('#grid-canvas[data-seed="0"]');
    expect(await text(page, "explore-name")).toBe("Sample 0 of seed 0");
    expect(await page.inputValue("#count")).toBe("64");
    expect(await text(page, "alert")).toBe("");
    await leave();
  });
});
