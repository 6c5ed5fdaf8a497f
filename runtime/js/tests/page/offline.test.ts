/** The page offline: complete, from one deployment, and never worse than without its service worker. */

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES } from "../golden.ts";
import { ISOLATION } from "../http.ts";
import { changes, settled, text, visit, type Visit } from "./harness.ts";
import { serve, type Server } from "./server.ts";

describe.skipIf(CHROMIUM === undefined)("the page offline", () => {
  let browser: Browser;
  let server: Server;
  let guest: Visit;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    server = await serve();
  });
  afterEach(async () => {
    await guest.page.context().close();
    await server.close().catch(() => undefined); // some tests have closed it
  });

  const kept = (page: Page) => page.waitForSelector('html[data-offline="ready"]');
  const notKept = (page: Page) => page.waitForSelector('html[data-offline="none"]');
  const model = (page: Page) => text(page, "facts");

  /** Limits the storage of the page's origin, in bytes. */
  async function room(page: Page, quotaSize?: number): Promise<void> {
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(server.url);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, ...(quotaSize !== undefined && { quotaSize }) });
  }

  /** Reloads the page and waits until its initial work is done. */
  async function again(page: Page): Promise<void> {
    await page.reload();
    await settled(page);
  }

  test("it works after one visit when the server is down", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    await server.close();
    await again(page);
    await changes(page, "grid-canvas", () => page.click("#resample"));
    await page.click("#check");
    await expect.poll(() => text(page, "checked")).toMatch(/^These are the numbers/);
    await kept(page);
    await page.goto(`${server.url}?from=somewhere#sample`);
    await settled(page);
    await page.goto(`${server.url}index.html`);
    await settled(page);
    expect(guest.problems).toEqual([]);
  });

  test.each([{ vary: "*" }, { vary: "Accept, Sec-Fetch-Dest" }])("a page sent with %o is cached", async (headers) => {
    await server.close();
    server = await serve(undefined, headers);
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    await again(page);
    await kept(page);
    await server.close();
    await again(page);
    await kept(page);
    expect(guest.problems).toEqual([]);
  });

  test("it has threads offline", async () => {
    await server.close();
    server = await serve(undefined, ISOLATION);
    guest = await visit(browser, server.url);
    await kept(guest.page);
    await server.close();
    await again(guest.page);
    expect(await guest.page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  test("full storage caches nothing and does not disturb the page", async () => {
    guest = await visit(browser, "about:blank", {}, () => Promise.resolve());
    const { page } = guest;
    await room(page, 100_000);
    await page.goto(server.url);
    await settled(page);
    await notKept(page);
    expect(await text(page, "offline")).toBe("");
    await again(page);
    await notKept(page);
    server.deploy(BUNDLES.colour);
    await again(page);
    await notKept(page);
    expect(await model(page)).toContain("colour");
    expect(guest.problems).toEqual([]);
    await room(page);
    await again(page);
    await kept(page);
  });

  test("errors of caches block no response", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    await page
      .context()
      .serviceWorkers()[0]
      .evaluate(() => {
        CacheStorage.prototype.open = () => Promise.reject(new DOMException("broken", "InvalidStateError"));
      });
    await again(page);
    await notKept(page);
    expect(guest.problems).toEqual([]);
  });

  test("a new deployment is shown and cached at once", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    expect(await model(page)).toContain("grey");
    server.deploy(BUNDLES.colour);
    await again(page);
    expect(await model(page)).toContain("colour");
    await kept(page);
    expect(await page.evaluate(async () => (await caches.keys()).length)).toBe(1);
    await server.close();
    await again(page);
    expect(await model(page)).toContain("colour");
    expect(await page.locator('script[src*="index-1-"]').count()).toBe(1);
    expect(guest.problems).toEqual([]);
  });

  test("a new bundle of the same page is shown and cached at once", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    server.replace(BUNDLES.colour);
    await again(page);
    await kept(page);
    await server.close();
    await again(page);
    expect(await model(page)).toContain("colour");
    expect(guest.problems).toEqual([]);
  });

  test.each(["full storage", "a file that does not come"])(
    "with %s, the previous deployment stays cached",
    async (why) => {
      guest = await visit(browser, server.url);
      const { page } = guest;
      await kept(page);
      if (why === "full storage") await room(page, 1000);
      else server.cut((name) => name === "bundle/golden.json");
      server.deploy(BUNDLES.colour);
      await again(page);
      expect(await model(page)).toContain("colour");
      await notKept(page);
      await server.close();
      await again(page);
      expect(await model(page)).toContain("grey");
      expect(await page.locator('script[src*="index-1-"]').count()).toBe(0);
      await page.click("#check");
      await expect.poll(() => text(page, "checked")).toMatch(/^These are the numbers/);
    },
  );

  test("losing the network mixes no deployments", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    server.deploy(BUNDLES.colour);
    server.cut((name) => name.endsWith(".onnx"));
    await page.reload();
    await page.waitForSelector("#alert button");
    expect(await text(page, "engine-name")).toBe("No model is open");
    await server.close();
    await again(page);
    expect(await model(page)).toContain("grey");
  });

  test("regaining the network mixes no deployments", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    server.cut(() => true);
    await again(page);
    server.deploy(BUNDLES.colour);
    server.cut(() => false);
    await page.click("#check");
    await expect.poll(() => text(page, "checked")).toMatch(/^These are the numbers/);
    await again(page);
    expect(await model(page)).toContain("colour");
  });

  test("two pages of one host are both cached", async () => {
    guest = await visit(browser, server.url);
    const { page } = guest;
    await kept(page);
    const other = server.url.replace("some", "other");
    await page.goto(other);
    await settled(page);
    await kept(page);
    await server.close();
    for (const url of [server.url, other]) {
      await page.goto(url);
      await settled(page);
    }
    expect(guest.problems).toEqual([]);
  });

  test("the page works without service workers", async () => {
    guest = await visit(browser, "about:blank", {}, () => Promise.resolve());
    const { page } = guest;
    await page.addInitScript(() => {
      ServiceWorkerContainer.prototype.register = () => Promise.reject(new DOMException("refused", "SecurityError"));
    });
    await page.goto(server.url);
    await settled(page);
    await notKept(page);
    expect(await page.locator("#alert").innerText()).toBe("");
    expect(guest.problems).toEqual([]);
  });
});
