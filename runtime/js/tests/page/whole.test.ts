/** The page as a whole: offline, from disk, its layout and its accessibility. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";

import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium } from "../chromium.ts";
import { changes, layoutShift, scribble, SEVEN, text, visit } from "./harness.ts";
import { BUNDLE, PAGE, serve, type Server } from "./server.ts";

describe.skipIf(CHROMIUM === undefined)("the page as a whole", () => {
  const folder = mkdtempSync(join(tmpdir(), "cvae-"));
  let server: Server;
  let browser: Browser;

  beforeAll(async () => {
    server = await serve();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true });
  });

  test("it contacts no other origin, and says that it works offline", async () => {
    const { page, origins, leave } = await visit(browser, server.url);
    await page.waitForSelector('html[data-offline="ready"]');
    expect(await text(page, "offline")).toBe("It now works offline, too.");
    expect([...origins]).toEqual([new URL(server.url).origin]);
    await leave();
  });

  test("the single-file page runs from disk with its model", async () => {
    writeFileSync(join(folder, "one.html"), oneFile());
    const { page, origins, leave } = await visit(browser, pathToFileURL(join(folder, "one.html")).href);
    await changes(page, "grid-canvas", () => page.click("#resample"));
    await changes(page, "reconstruction", () => scribble(page, SEVEN));
    expect(await text(page, "elbo")).toMatch(/^−\d+\.\d$/);
    expect(await text(page, "engine-note")).toBe("WebAssembly: a single-file page contains only WebAssembly.");
    expect([...origins]).toEqual(["null"]); // that of files
    await leave();
  });

  test.each([
    [1280, "light"],
    [360, "dark"],
    [320, "light"],
  ] as const)("no layout shift or overflow at %i pixels", async (width, colorScheme) => {
    const { page, leave } = await visit(browser, server.url, { viewport: { width, height: 740 }, colorScheme });
    await page.waitForSelector('html[data-offline="ready"]');
    await scribble(page, SEVEN);
    await page.click("#resample");
    await page.locator("#map").scrollIntoViewIfNeeded();
    await page.waitForSelector("#map-canvas[data-seed]");
    await page.click("#start-new");
    await page.click("#check");
    await expect.poll(() => text(page, "checked")).toMatch(/^These/);
    expect(await layoutShift(page)).toBeLessThan(0.05);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    await leave();
  });

  test.each([
    [48, 64],
    [64, 48],
  ])("a picture of %i x %i pixels fits into its frame", async (width, height) => {
    const { page, leave } = await visit(browser, server.url);
    const outside = await page.locator(".frame > canvas").evaluateAll(
      (all, size) =>
        all.filter((canvas) => {
          Object.assign(canvas, size);
          canvas.style.setProperty("--ratio", String(size.width / size.height));
          const [inner, outer] = [canvas, canvas.closest(".frame") ?? canvas].map((one) => one.getBoundingClientRect());
          return inner.width > outer.width + 0.5 || inner.height > outer.height + 0.5;
        }).length,
      { width, height },
    );
    expect(outside).toBe(0);
    await leave();
  });

  test("controls have names, and headings skip no level", async () => {
    const { page, leave } = await visit(browser, server.url);
    await page.click("#all summary");
    await expect.poll(() => page.locator("#every input").count()).toBe(40);
    const devtools = await page.context().newCDPSession(page);
    const { nodes } = await devtools.send("Accessibility.getFullAXTree");
    const value = (property?: { value?: unknown }) => (typeof property?.value === "string" ? property.value : "");
    const roles = new Set(["button", "slider", "textbox", "combobox", "checkbox", "link", "image", "img", "group"]);
    const controls = nodes.filter(({ ignored, role }) => !ignored && roles.has(value(role)));
    expect(controls.length).toBeGreaterThan(150);
    expect(controls.filter(({ name }) => value(name).trim() === "").map(({ role }) => value(role))).toEqual([]);
    const levels = await page.locator("h1, h2, h3").evaluateAll((all) => all.map(({ tagName }) => tagName));
    expect(levels).toEqual(["H1", ...Array<string>(7).fill("H2")]);
    await leave();
  });

  test("the first tab stop skips to the content", async () => {
    const { page, leave } = await visit(browser, server.url);
    await page.keyboard.press("Tab");
    expect(await page.locator(":focus").innerText()).toBe("Skip to the samples");
    await page.keyboard.press("Enter");
    expect(await page.locator(":focus").getAttribute("id")).toBe("sample");
    await leave();
  });
});

/** The single-file page, as written by `cvae-web --single-file`. */
function oneFile(): string {
  const carried = ["manifest.json", "encoder.onnx", "decoder.onnx", "prior.onnx", "prior_density.onnx", "golden.json"];
  const wasm = readdirSync(join(PAGE, "assets")).find((name) => /threaded-[^.]*\.wasm\.gz$/.test(name)) ?? "";
  const files = new Map(carried.map((name) => [`bundle/${name}`, readFileSync(join(BUNDLE, name))]));
  files.set("ort.wasm", gunzipSync(readFileSync(join(PAGE, "assets", wasm))));
  const holders = [...files].map(([name, bytes]) => {
    const content = gzipSync(bytes).toString("base64");
    return `<script type="application/octet-stream;base64" data-file="${name}">${content}</script>`;
  });
  const page = readFileSync(join(PAGE, "single.html"), "utf8");
  expect(page.split("<!--cvae:files-->")).toHaveLength(2);
  return page.replace("<!--cvae:files-->", () => holders.join("\n"));
}
