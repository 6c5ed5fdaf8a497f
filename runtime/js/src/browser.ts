/** cvae-runtime in browsers, on onnxruntime-web. */

import { checkSource, fromFiles, fromUrl, type BundleFiles } from "./bundle.ts";
import { messageOf, ProviderError } from "./errors.ts";
import { loadOn, type LoadOptions } from "./load.ts";
import type { Model } from "./model.ts";
import type { Ort, Platform, RuntimeOptions } from "./ort.ts";

export * from "./api.ts";

/**
 * Loads a bundle from the URL of its folder, or from its files.
 *
 * Runs on WebGPU if the browser has it and it reproduces the bundle's golden vectors, otherwise on WebAssembly.
 * See {@link LoadOptions} for the options, and {@link loadOn} for the errors.
 */
export async function load(source: string | URL | BundleFiles, options: LoadOptions = {}): Promise<Model> {
  checkSource(source);
  const from = source instanceof Map ? fromFiles(source) : fromUrl(new URL(source as string | URL, baseUrl()));
  return await loadOn(BROWSER, from, options);
}

interface OrtWeb extends Ort {
  readonly env: Ort["env"] & { readonly wasm: Record<string, unknown> };
}

const BROWSER: Platform = {
  providers: ["wasm", "webgpu"],
  onCpu: ["wasm"],
  // A .wasm file that the caller names belongs to the build without WebGPU.
  auto: ({ wasm }) => ("gpu" in navigator && wasm === undefined ? ["webgpu", "wasm"] : ["wasm"]),

  async runtime(provider, options) {
    if (provider === "webgpu") await checkAdapter(options.provider === "webgpu");
    let ort: OrtWeb;
    try {
      // There are two builds; the one for WebGPU is twice as large.
      ort = (await (provider === "webgpu"
        ? import("onnxruntime-web/webgpu")
        : import("onnxruntime-web/wasm"))) as unknown as OrtWeb;
    } catch (error) {
      throw new ProviderError(`onnxruntime-web cannot be loaded: ${messageOf(error)}; npm install onnxruntime-web`);
    }
    const remedy = "check that its .wasm file can be fetched, or update onnxruntime-web";
    return { ort, executionProvider: provider, threads: configure(ort, options), remedy };
  },
};

/** Sets the options that onnxruntime-web reads when it opens its first session. Returns the number of threads, which cannot change later. */
function configure(ort: OrtWeb, { threads, wasm = {} }: RuntimeOptions): number {
  const before = configured.get(ort);
  if (before !== undefined) return before;
  const possible = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const used = Math.min(threads ?? possible, possible);
  configured.set(ort, used);
  ort.env.wasm.numThreads = used;
  if (wasm.wasmPath !== undefined) ort.env.wasm.wasmPaths = { wasm: String(wasm.wasmPath) };
  if (wasm.wasmBinary !== undefined) ort.env.wasm.wasmBinary = wasm.wasmBinary;
  return used;
}

const configured = new Map<OrtWeb, number>();

/** @throws ProviderError unless there is a graphics card; if `software` is true, a software adapter will do. */
async function checkAdapter(software: boolean): Promise<void> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } }).gpu;
  if (gpu === undefined) throw new ProviderError("this browser has no WebGPU; use the provider wasm");
  const adapter = await gpu.requestAdapter().catch(() => null);
  // A software adapter computes correctly, but tens of times more slowly than WebAssembly.
  if (adapter === null || (adapter.info?.isFallbackAdapter === true && !software)) {
    throw new ProviderError("WebGPU finds no graphics adapter here; use the provider wasm");
  }
}

interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
}

function baseUrl(): string {
  return typeof document === "undefined" ? location.href : document.baseURI;
}
