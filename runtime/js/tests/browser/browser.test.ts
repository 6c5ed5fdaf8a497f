/** The library in Chromium. */

import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

import type { Browser, Page } from "playwright-core";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { CHROMIUM, launchChromium, SOFTWARE_GPU } from "../chromium.ts";
import { expectPythons } from "../expectations.ts";
import { BUNDLES, projectPath, readGolden, valuesOf } from "../golden.ts";
import { ISOLATION } from "../http.ts";

describe.skipIf(CHROMIUM === undefined)("Chromium", () => {
  let browser: Browser;
  const servers: ViteDevServer[] = [];
  const damaged = mkdtempSync(join(tmpdir(), "cvae-"));
  const errors: string[] = [];

  async function open(
    headers: Record<string, string> = {},
    prepare?: (page: Page) => Promise<unknown>,
    from = browser,
  ): Promise<Page> {
    const server = await createServer({
      configFile: false,
      root: projectPath("runtime/js"),
      cacheDir: join(damaged, "vite"),
      logLevel: "error",
      optimizeDeps: { exclude: ["onnxruntime-web"] },
      server: { host: "127.0.0.1", port: 0, headers, fs: { allow: [projectPath(""), damaged] } },
    });
    servers.push(server);
    await server.listen();
    const page = await from.newPage();
    page.on("pageerror", (error) => errors.push(error.message));
    await prepare?.(page);
    await page.goto(`${server.resolvedUrls?.local[0] ?? ""}tests/browser/`);
    await page.waitForSelector("[data-ready]", { state: "attached" });
    return page;
  }

  beforeAll(async () => {
    browser = await launchChromium();
    for (const file of ["manifest.json", "encoder.onnx", "golden.json"]) {
      copyFileSync(join(BUNDLES.colour, file), join(damaged, file));
    }
    writeFileSync(join(damaged, "decoder.onnx"), "not what was exported");
  });

  afterAll(async () => {
    await browser.close();
    for (const server of servers) await server.close();
    rmSync(damaged, { recursive: true });
  });

  const asked = (bundle: keyof typeof BUNDLES) => {
    const { seed, first, images } = readGolden(bundle);
    return { seed, first, images: valuesOf(images) };
  };
  const url = (folder: string) => `/@fs${folder}`;

  test.each(["mnist", "colour", "mixture", "residual", "learned", "labelled", "detector"] as const)(
    "WebAssembly matches Python for the bundle %s",
    async (bundle) => {
      const page = await open();
      const result = await page.evaluate(([...args]) => window.run(...args, { provider: "wasm" }), [
        url(BUNDLES[bundle]),
        asked(bundle),
      ] as const);
      expectPythons(result.numbers, readGolden(bundle));
      expect(result.check.results.filter(({ agrees }) => !agrees)).toEqual([]);
      expect(result).toMatchObject({ provider: "wasm", threads: 1, notices: [], check: { agrees: true } });
      expect(errors).toEqual([]);
    },
  );

  test("an isolated page has threads, and the same results", async () => {
    const page = await open(ISOLATION);
    const result = await page.evaluate(([...args]) => window.run(...args, { provider: "wasm", threads: 2 }), [
      url(BUNDLES.mnist),
      asked("mnist"),
    ] as const);
    expect(result.threads).toBe(Math.min(2, availableParallelism()));
    expectPythons(result.numbers, readGolden("mnist"));
  });

  test.for(["mnist", "colour", "learned", "labelled", "detector"] as const)(
    "WebGPU matches Python for the bundle %s",
    async (bundle, context) => {
      const withGpu = await launchChromium(SOFTWARE_GPU);
      try {
        const page = await open({}, undefined, withGpu);
        const isThere = await page.evaluate(async () => (await navigator.gpu.requestAdapter()) !== null);
        context.skip(!isThere, "this Chromium has no WebGPU in software");
        const run = (provider: string) =>
          page.evaluate(([where, what, one]) => window.run(where, what, { provider: one }), [
            url(BUNDLES[bundle]),
            asked(bundle),
            provider,
          ] as const);
        const result = await run("webgpu");
        expect(result).toMatchObject({ provider: "webgpu", notices: [], check: { agrees: true } });
        expectPythons(result.numbers, readGolden(bundle));
        expect((await run("auto")).provider).toBe("wasm"); // which is faster than software
      } finally {
        await withGpu.close();
      }
    },
  );

  test("auto falls back if WebGPU has no adapter", async () => {
    const page = await open({}, (one) =>
      one.addInitScript(() => {
        Object.defineProperty(navigator, "gpu", { value: { requestAdapter: () => Promise.resolve(null) } });
      }),
    );
    const result = await page.evaluate(([...args]) => window.run(...args, {}), [
      url(BUNDLES.colour),
      asked("colour"),
    ] as const);
    expect(result.provider).toBe("wasm");
    expect(result.notices).toEqual([
      "webgpu is not used: WebGPU finds no graphics adapter here; use the provider wasm",
    ]);
    expectPythons(result.numbers, readGolden("colour"));
  });

  test("a plain-HTTP page checks hashes without Web Crypto", async () => {
    const page = await open({}, (one) =>
      one.addInitScript(() => {
        Object.defineProperty(crypto, "subtle", { value: undefined });
      }),
    );
    const result = await page.evaluate(([...args]) => window.run(...args, { provider: "wasm" }), [
      url(BUNDLES.colour),
      asked("colour"),
    ] as const);
    expectPythons(result.numbers, readGolden("colour"));
    expect(await page.evaluate((bundle) => window.fail(bundle, { provider: "wasm" }), url(damaged))).toMatch(
      /^IntegrityError: .*decoder\.onnx: expected \d+ bytes, found 21; get the bundle again$/,
    );
  });

  test("failed loads", async () => {
    const page = await open();
    const fail = (where: string, options = {}) =>
      page.evaluate(([bundle, chosen]) => window.fail(bundle, chosen), [where, options] as const);
    expect(await fail("/no/such/bundle/")).toMatch(/^BundleError: http:.*\/no\/such\/bundle\/manifest\.json: /);
    expect(await fail("http://127.0.0.1:1/", { provider: "wasm" })).toBe(
      "BundleError: http://127.0.0.1:1/manifest.json: cannot be read: Failed to fetch; " +
        "expected a bundle, a folder that cvae-export makes",
    );
    expect(await fail(url(BUNDLES.colour), { provider: "cuda" })).toBe(
      'InputError: provider must be one of auto, wasm, webgpu; found "cuda"',
    );
    expect(await fail(url(BUNDLES.colour), { provider: "wasm", wasm: { wasmPath: "/nowhere.wasm" } })).toMatch(
      /^ProviderError: ONNX Runtime cannot open http.*decoder\.onnx on wasm: .*; check that its \.wasm file can be fetched, /,
    );
  });
});
