/** cvae-runtime in browsers, on onnxruntime-web. */

import { fromFiles, fromUrl, type BundleFiles } from "./bundle.ts";
import { messageOf, ProviderError } from "./errors.ts";
import { loadOn, type LoadOptions } from "./load.ts";
import type { Model } from "./model.ts";
import type { Ort, Platform, RuntimeOptions } from "./ort.ts";

export * from "./api.ts";

/**
 * Loads a bundle from the URL of its folder, or from its files.
 *
 * Runs on WebGPU where the browser has it and it computes the bundle's golden vectors, else on WebAssembly.
 * See {@link LoadOptions}, and for what is thrown {@link loadOn}.
 */
export async function load(source: string | URL | BundleFiles, options: LoadOptions = {}): Promise<Model> {
  const from = source instanceof Map ? fromFiles(source) : fromUrl(new URL(source as string | URL, baseUrl()));
  return await loadOn(BROWSER, from, options);
}

interface OrtWeb extends Ort {
  readonly env: Ort["env"] & { readonly wasm: Record<string, unknown> };
}

const BROWSER: Platform = {
  providers: ["wasm", "webgpu"],
  onCpu: ["wasm"],
  auto: () => ("gpu" in navigator ? ["webgpu", "wasm"] : ["wasm"]),

  async runtime(provider, options) {
    if (provider === "webgpu") await demandAdapter();
    let ort: OrtWeb;
    try {
      // Two builds: that for WebGPU is twice as large.
      ort = (await (provider === "webgpu"
        ? import("onnxruntime-web/webgpu")
        : import("onnxruntime-web/wasm"))) as unknown as OrtWeb;
    } catch (error) {
      throw new ProviderError(`onnxruntime-web cannot be loaded: ${messageOf(error)}; npm install onnxruntime-web`);
    }
    return { ort, executionProvider: provider, threads: configure(ort, options) };
  },
};

/** Sets what onnxruntime-web reads when it opens its first session, and gives the number of threads. */
function configure(ort: OrtWeb, { threads, wasm = {} }: RuntimeOptions): number {
  const possible = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const used = Math.min(threads ?? possible, possible);
  ort.env.wasm.numThreads = used;
  if (wasm.wasmPath !== undefined) ort.env.wasm.wasmPaths = { wasm: String(wasm.wasmPath) };
  if (wasm.wasmBinary !== undefined) ort.env.wasm.wasmBinary = wasm.wasmBinary;
  return used;
}

async function demandAdapter(): Promise<void> {
  const gpu = (navigator as { gpu?: { requestAdapter(): Promise<unknown> } }).gpu;
  if (gpu === undefined) throw new ProviderError("this browser has no WebGPU; use the provider wasm");
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (adapter === null) throw new ProviderError("WebGPU finds no graphics adapter here; use the provider wasm");
}

function baseUrl(): string {
  return typeof document === "undefined" ? location.href : document.baseURI;
}
