/**
 * cvae-runtime in a page in Chromium: `node chromium.mjs FOLDER wasm|threads|webgpu`.
 *
 * The page is built like an app's page and served on 127.0.0.1; for "threads" with the headers that isolate it. A cold start
 * is a navigation in a new context of a running browser.
 */

import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { delimiter, extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

import { say, serve } from "./lines.mjs";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const TYPES = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".json": "application/json",
};
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const PATIENCE = 120e3; // milliseconds; if a worker fails, the page waits forever

const [folder, kind] = process.argv.slice(2);
const provider = kind === "webgpu" ? "webgpu" : "wasm";
const from = createRequire(new URL("../../runtime/js/", import.meta.url));

const built = join(folder, `page-${kind}`);
const served = new Map();

function program() {
  const places = (process.env.PATH ?? "").split(delimiter).flatMap((place) => NAMES.map((name) => join(place, name)));
  return process.env.CHROMIUM ?? places.find(isProgram);
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function build() {
  const { build: bundle } = await import(pathToFileURL(from.resolve("vite")));
  await bundle({
    configFile: false,
    root: fileURLToPath(new URL("page/", import.meta.url)),
    base: "./",
    logLevel: "error",
    build: {
      outDir: built,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: false,
      // ONNX Runtime's script loads itself again as a worker, so code that it shares with the page must be in another chunk.
      rolldownOptions: {
        output: { codeSplitting: { groups: [{ name: "shared", test: /rolldown[\\/]runtime|preload-helper/ }] } },
      },
    },
  });
}

/** Serves the page and, below it, the bundles; records the requested files. */
function listen() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname).replace(/\/$/, "/index.html");
    const ofBundle = /^\/(packaged|portable)\//.test(path);
    const file = join(ofBundle ? folder : built, path);
    let body;
    try {
      body = readFileSync(file);
    } catch {
      response.writeHead(404).end();
      return;
    }
    if (!ofBundle) served.set(path, statSync(file).size);
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    response.writeHead(200, { "Content-Type": type, ...(kind === "threads" ? ISOLATION : {}) }).end(body);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}/?provider=${provider}`));
  });
}

/** Waits for a function of the page; rejects if something in the page fails. */
async function waitFor(page, asked, ...given) {
  let refuse, timer;
  const broken = new Promise((_, reject) => {
    refuse = reject;
    timer = setTimeout(() => reject(new Error(`the page does not answer within ${PATIENCE / 1e3} s`)), PATIENCE);
  });
  page.once("pageerror", refuse);
  try {
    return await Promise.race([page.evaluate(asked, ...given), broken]);
  } finally {
    clearTimeout(timer);
    page.off("pageerror", refuse);
  }
}

/** Opens the page in a new context; returns it with its report on the first picture. */
async function open(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url, { waitUntil: "commit" });
  await page.waitForFunction(() => "first" in window);
  return { context, page, first: await waitFor(page, () => window.first) };
}

async function main() {
  const executablePath = program();
  if (executablePath === undefined) {
    say({ unavailable: "Chromium is not installed: apt-get install chromium, or set CHROMIUM" });
    return;
  }
  await build();
  const url = await listen();
  const { chromium } = from("playwright-core");
  // No sandbox, because root cannot have one, and only our own page is opened. Most builds for Linux have WebGPU off.
  const args = ["--no-sandbox", ...(kind === "webgpu" ? ["--enable-unsafe-webgpu"] : [])];
  const browser = await chromium.launch({ executablePath, args });
  try {
    let opened;
    try {
      opened = await open(browser, url);
    } catch (error) {
      const [, reason] = /ProviderError: (.*)/.exec(String(error)) ?? [];
      if (reason === undefined || reason.includes("self-check")) throw error; // WebGPU exists but computes wrong numbers
      say({ unavailable: reason });
      return;
    }
    const { page, first } = opened;
    const device = kind === "webgpu" ? await waitFor(page, adapter) : undefined;
    const on = device ? `, on ${device.name}` : "";
    const about = `onnxruntime-web ${first.version}, Chromium ${browser.version()}${on}, ${first.file}`;
    say({ image: first.image, threads: device ? (device.software ? "no GPU" : "GPU") : String(first.threads), about });
    await serve(async (request) => {
      if (request.do === "size") return { bytes: [...served.values()].reduce((a, b) => a + b, 0) };
      if (request.do !== "cold") return await waitFor(page, (asked) => window.answer(asked), request);
      const cold = await open(browser, url);
      await cold.context.close();
      return { seconds: cold.first.seconds, image: cold.first.image };
    });
  } finally {
    await browser.close();
  }
}

async function adapter() {
  const { info } = await navigator.gpu.requestAdapter();
  const software = info.isFallbackAdapter;
  return { software, name: `${info.vendor} ${info.architecture}${software ? ", a graphics card in software" : ""}` };
}

try {
  await main();
  process.exit(0); // the server still listens
} catch (error) {
  console.error(String(error).split("\n")[0]);
  process.exit(1);
}
