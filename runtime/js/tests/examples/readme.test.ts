/** README.md of the package: its programs run in Node.js and, built by Vite without settings, in Chromium. */

import { execFile } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";

import type { Browser, Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium } from "../chromium.ts";
import { BUNDLES, projectPath } from "../golden.ts";
import { linkPackages, temporaryFolder } from "./example.ts";
import { serve, type Host } from "./serve.ts";

const readme = readFileSync(projectPath("runtime/js/README.md"), "utf8");
const folder = temporaryFolder();

afterAll(() => rmSync(folder, { recursive: true }));

/** The programs below a heading. */
function programs(heading: string): string[] {
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^```js\n(.*?)^```$/gms)].map(([, program]) => program);
}

test.each([
  ["In Node.js", 1],
  ["In a browser", 3],
  ["Labels", 1],
  ["Errors", 1],
])("%s has programs", (heading, count) => {
  expect(programs(heading)).toHaveLength(count);
});

test("links have targets", () => {
  for (const [, target] of readme.matchAll(/\]\(([^)#]+)\)/g)) {
    expect(readFileSync(projectPath(join("runtime/js", target)), "utf8"), target).not.toBe("");
  }
});

test("options of load and methods of Model are documented", () => {
  const sourceOf = (name: string) => readFileSync(projectPath(`runtime/js/src/${name}.ts`), "utf8");
  const options = ["load", "ort"].flatMap((file) => {
    const [, fields = ""] = /^export interface (?:Load|Runtime)Options .*?\{\n(.*?)^\}/ms.exec(sourceOf(file)) ?? [];
    return [...fields.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name);
  });
  expect(options).toContain("provider");
  const told = [...readme.matchAll(/^\| `(\w+)` \| .* \| .* \|$/gm)].map(([, name]) => name);
  expect(told.sort()).toEqual(options.sort());
  const source = sourceOf("model");
  const methods = [...source.matchAll(/^ {2}(?:async )?([a-z]\w+)\(/gm)].map(([, name]) => name);
  const open = methods.filter((name) => name !== "constructor" && !source.includes(`private async ${name}`));
  expect(open).toContain("interpolate");
  for (const name of open) expect(readme).toContain(`model.${name}(`);
});

/** Runs a program in Node.js beside the bundles "my-model" and "my-labelled-model"; returns its stdout and stderr. */
async function printed(program: string, name: string): Promise<[string, string]> {
  const place = join(folder, name.replace(/\W/g, ""));
  linkPackages(place, { "cvae-runtime": "file:", "onnxruntime-node": "1.30.0" });
  cpSync(BUNDLES.mnist, join(place, "my-model"), { recursive: true });
  cpSync(BUNDLES.labelled, join(place, "my-labelled-model"), { recursive: true });
  writeFileSync(join(place, "program.mjs"), program);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ["program.mjs"], { cwd: place });
  return [stdout, stderr];
}

describe.each(["In Node.js", "Labels", "Errors"])("%s", (heading) => {
  test("the program prints its comments", async () => {
    const [program] = programs(heading);
    const told = [...program.matchAll(/console\.log.*\/\/ (.*)$/gm)].map(([, line]) => `${line}\n`);
    expect(await printed(program, heading)).toEqual([told.join(""), ""]);
  });
});

test("the program of docs/index.md runs", async () => {
  const [, program] = /^```js\n(.*?)^```$/ms.exec(readFileSync(projectPath("docs/index.md"), "utf8")) ?? [];
  expect(await printed(`${program}console.log(scores.elbo.length);`, "index")).toEqual(["16\n", ""]);
});

describe.skipIf(CHROMIUM === undefined)("in a browser, built by Vite", () => {
  const hosts: Host[] = [];
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });

  afterAll(async () => {
    await browser.close();
    await Promise.all(hosts.map((host) => host.close()));
  });

  async function open(program: string, name: string): Promise<{ page: Page; errors: string[]; asked: string[] }> {
    const root = join(folder, name);
    linkPackages(root, { "cvae-runtime": "file:", "onnxruntime-web": "1.30.0" });
    mkdirSync(join(root, "public/static"), { recursive: true });
    const binary = "ort-wasm-simd-threaded.wasm";
    copyFileSync(
      projectPath(`runtime/js/node_modules/onnxruntime-web/dist/${binary}`),
      join(root, "public/static", binary),
    );
    cpSync(BUNDLES.mnist, join(root, "public/my-model"), { recursive: true });
    writeFileSync(join(root, "main.js"), program);
    const icon = '<link rel="icon" href="data:," />';
    writeFileSync(
      join(root, "index.html"),
      `<!doctype html>${icon}<input type="file" multiple /><script type="module" src="main.js"></script>`,
    );
    await build({ configFile: false, root, base: "./", logLevel: "error" });
    const host = await serve(join(root, "dist"));
    hosts.push(host);
    const page = await browser.newPage();
    const [errors, asked]: string[][] = [[], []];
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("request", (request) => asked.push(request.url().slice(host.url.length)));
    await page.goto(host.url);
    return { page, errors, asked };
  }

  test("samples are drawn, and a picture is scored", async () => {
    const { page, errors, asked } = await open(programs("In a browser")[0], "drawn");
    await expect.poll(() => page.title()).toMatch(/^the ELBO of this bar is -\d+\.\d nats$/);
    const size = await page.evaluate(() => {
      const { width, height } = document.querySelector("canvas") ?? { width: 0, height: 0 };
      return [width, height];
    });
    expect(size).toEqual([453, 453]);
    expect(asked.filter((path) => path.endsWith(".wasm"))).toEqual([
      expect.stringMatching(/^assets\/ort-wasm-simd-threaded-\S{8}\.wasm$/),
    ]);
    expect(errors).toEqual([]);
  });

  test("the .wasm file is loaded from the given path", async () => {
    const { page, errors, asked } = await open(programs("In a browser")[1], "path");
    await expect.poll(() => page.title()).toBe("wasm from a path");
    const binaries = asked.filter((path) => path.endsWith(".wasm"));
    expect(binaries).toEqual(["static/ort-wasm-simd-threaded.wasm"]);
    expect(errors).toEqual([]);
  });

  test("a bundle is loaded from chosen files", async () => {
    const { page, errors } = await open(programs("In a browser")[2], "files");
    const files = ["manifest.json", "encoder.onnx", "decoder.onnx", "golden.json"];
    await page.setInputFiles(
      "input",
      files.map((name) => join(BUNDLES.colour, basename(name))),
    );
    await expect.poll(() => page.title()).toBe("a model of 12 x 16 x 3");
    expect(errors).toEqual([]);
  });
});
