/** Choice of the provider, with a simulated GPU whose results can be wrong. */

import { describe, expect, test } from "vitest";

import { ProviderError } from "../src/api.ts";
import { fromFiles } from "../src/bundle.ts";
import { loadOn, type LoadOptions } from "../src/load.ts";
import type { Ort, Platform } from "../src/ort.ts";
import { filesOf } from "./golden.ts";
import { changed, REAL, standIn } from "./stand-in.ts";

const FILES = filesOf("colour");

const remedy = "say something else";

/** A browser with this GPU. */
function platform(gpu: Ort | Error): Platform {
  return {
    providers: ["wasm", "webgpu"],
    onCpu: ["wasm"],
    auto: () => ["webgpu", "wasm"],
    runtime(provider) {
      if (provider === "wasm") return Promise.resolve({ ort: REAL, executionProvider: "cpu", threads: 1, remedy });
      if (gpu instanceof Error) return Promise.reject(gpu);
      return Promise.resolve({ ort: gpu, executionProvider: "webgpu", threads: 1, remedy });
    },
  };
}

async function load(gpu: Ort | Error, options: LoadOptions = {}) {
  const notices: string[] = [];
  const model = await loadOn(platform(gpu), fromFiles(FILES), { onNotice: (text) => notices.push(text), ...options });
  return { model, notices };
}

test("a GPU that reproduces the golden vectors is used", async () => {
  const { model, notices } = await load(changed((value) => value));
  expect(model.provider).toBe("webgpu");
  expect(model.receipt()).toMatchObject({
    provider: { requested: "auto", actual: "webgpu", why: "the best that works here" },
    graphs: { decoder: { micro_batch: 256 } },
  });
  expect(notices).toEqual([]);
});

describe.each([
  [
    "one value is wrong",
    changed((value, output) => (output === "log_scale" ? value + 0.25 : value)),
    /^webgpu is not used: webgpu fails the bundle's self-check: log_scale of decoder\.onnx is off by 0\.25\d*, allowed is [\d.e-]+; use another one$/,
  ],
  [
    "all are NaN",
    changed(() => NaN),
    /^webgpu is not used: webgpu fails the bundle's self-check: encoder\.onnx: expected a finite mean, found NaN or infinity; export it again; use another one$/,
  ],
  [
    "there is no adapter",
    new ProviderError("WebGPU finds no graphics adapter here; use the provider wasm"),
    /^webgpu is not used: WebGPU finds no graphics adapter here; use the provider wasm$/,
  ],
])("where %s", (_, gpu, notice) => {
  test("auto falls back with a notice", async () => {
    const { model, notices } = await load(gpu);
    expect(model.provider).toBe("wasm");
    expect(notices).toEqual([expect.stringMatching(notice)]);
    expect(model.receipt().provider).toEqual({ requested: "auto", actual: "wasm", why: notices[0] });
    expect((await model.selfCheck()).agrees).toBe(true);
  });

  test("a named provider is not replaced", async () => {
    await expect(load(gpu, { provider: "webgpu" })).rejects.toThrow(ProviderError);
  });
});

test("an invalid bundle causes no fallback", async () => {
  const files = new Map(FILES);
  files.set("decoder.onnx", new Uint8Array(3));
  const attempt = loadOn(platform(changed((value) => value)), fromFiles(files), { onNotice: () => undefined });
  await expect(attempt).rejects.toThrow(/^decoder\.onnx: expected \d+ bytes, found 3; get the bundle again$/);
});

test.each([
  ["shape", standIn(({ type, data }) => ({ type, data, dims: [1, 1] })), "float32 [1, 1]"],
  ["type", standIn(({ data, dims }) => ({ type: "float16", data, dims })), "float16 [3, 3]"],
])("outputs of another %s are refused", async (_, gpu, found) => {
  await expect(load(gpu, { provider: "webgpu" })).rejects.toThrow(
    "webgpu fails the bundle's self-check: encoder.onnx: expected mean float32 [3, 3], " +
      `found ${found}; export the bundle again`,
  );
});
