/** Take screenshots of the built page for the README: npm run screenshots writes docs/images/page-*.png. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { launchChromium } from "../tests/chromium.ts";
import { projectPath } from "../tests/golden.ts";
import { scribble, SEVEN, settled } from "../tests/page/harness.ts";
import { serve } from "../tests/page/server.ts";

const IMAGES = projectPath("docs/images");

// Each view scrolls to one part of the page.
const VIEWS = [
  { name: "page-light", width: 1280, height: 1040, colorScheme: "light", from: ".top" },
  { name: "page-dark", width: 1280, height: 1040, colorScheme: "dark", from: "#walk" },
  { name: "page-phone-light", width: 390, height: 844, colorScheme: "light", from: ".top" },
  { name: "page-phone-dark", width: 390, height: 844, colorScheme: "dark", from: "#draw" },
] as const;

mkdirSync(IMAGES, { recursive: true });
const server = await serve();
const browser = await launchChromium();
for (const { name, width, height, colorScheme, from } of VIEWS) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  await page.goto(server.url);
  await settled(page);
  await scribble(page, SEVEN);
  await page.waitForFunction(() => document.querySelector("#elbo")?.textContent !== "–");
  await page.mouse.move(0, 0);
  await page.locator(from).evaluate((part) => {
    part.scrollIntoView();
  });
  await page.screenshot({ path: join(IMAGES, `${name}.png`) });
  await page.close();
}
await browser.close();
await server.close();
