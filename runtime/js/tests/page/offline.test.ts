/** The page without a network: whole, of one deployment, and never worse than without its service worker. */

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

  /** Leaves the page's origin that much room in bytes. */
  async function room(page: Page, quotaSize?: number): Promise<void> {
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(server.url);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, ...(quotaSize !== undefined && { quotaSize }) });
  }

  /** Opens the page anew, and waits until it has done all that it does by itself. */
  async function again(page: Page): Promise<void> {
    await page.reload();
    await settled(page);
  }

  test("after one visit it works with the server stopped", async () => {
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

  test.each([{ vary: "*" }, { vary: "Accept, Sec-Fetch-Dest" }])(
    "a host that sends %o is kept, too",
    async (headers) => {
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
    },
  );

  test("it has its threads offline", async () => {
    await server.close();
    server = await serve(undefined, ISOLATION);
    guest = await visit(browser, server.url);
    await kept(guest.page);
    await server.close();
    await again(guest.page);
    expect(await guest.page.evaluate(() => crossOriginIsolated)).toBe(true);
  });

  test("a full storage keeps nothing, and the page is as good as without", async () => {
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

  test("what caches throw keeps no answer back", async () => {
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

  test("a new deployment is shown at once, and is what is kept", async () => {
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

  test("a new bundle beside the same page is shown at once, and is what is kept", async () => {
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
    "where it cannot be kept whole, with %s, the one before stays",
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

  test("a network that goes away while a new deployment comes mixes nothing", async () => {
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

  test("a network that comes back with a new deployment mixes nothing", async () => {
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

  test("two pages of one host are each kept", async () => {
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

  test("a browser that refuses service workers shows the page all the same", async () => {
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
