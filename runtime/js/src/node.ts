/** cvae-runtime in Node.js, on onnxruntime-node. */

import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { checkSource, fromFiles, fromUrl, type BundleFiles, type BundleSource } from "./bundle.ts";
import { messageOf, ProviderError } from "./errors.ts";
import { loadOn, type LoadOptions } from "./load.ts";
import type { Model } from "./model.ts";
import type { Ort, Platform } from "./ort.ts";

export * from "./api.ts";

/**
 * Loads a bundle from the path or the URL of its folder, or from its files.
 *
 * Runs on the CPU unless another provider is asked for. See {@link LoadOptions}, and for what is thrown {@link loadOn}.
 */
export async function load(source: string | URL | BundleFiles, options: LoadOptions = {}): Promise<Model> {
  return await loadOn(NODE, sourceOf(source), options);
}

// Our names to those of onnxruntime-node.
const PROVIDERS: Readonly<Record<string, string>> = {
  cpu: "cpu",
  cuda: "cuda",
  tensorrt: "tensorrt",
  webgpu: "webgpu",
  coreml: "coreml",
  directml: "dml",
};

interface OrtNode extends Ort {
  listSupportedBackends?(): readonly { readonly name: string }[];
}

const NODE: Platform = {
  providers: Object.keys(PROVIDERS),
  onCpu: ["cpu"],
  auto: () => ["cpu"],

  async runtime(provider, { threads = Infinity }) {
    let ort: OrtNode;
    // Its official builds report their use to their maker otherwise, over the network; they look when they are loaded.
    process.env.ORT_DISABLE_TELEMETRY ??= "1";
    try {
      ort = await import("onnxruntime-node");
    } catch (error) {
      throw new ProviderError(`onnxruntime-node cannot be loaded: ${messageOf(error)}; npm install onnxruntime-node`);
    }
    const name = PROVIDERS[provider];
    const there = ort.listSupportedBackends?.().map((backend) => backend.name) ?? [name];
    if (!there.includes(name)) {
      throw new ProviderError(
        `this onnxruntime-node has no ${provider}; it has ${there.join(", ")}; install a build with it, or use cpu`,
      );
    }
    const remedy = provider === "cpu" ? "update onnxruntime-node" : `see that ${provider} works here, or use cpu`;
    return { ort, executionProvider: name, threads: Math.min(threads, availableParallelism()), remedy };
  },
};

function sourceOf(source: string | URL | BundleFiles): BundleSource {
  checkSource(source);
  if (source instanceof URL) return source.protocol === "file:" ? fromFolder(fileURLToPath(source)) : fromUrl(source);
  if (typeof source !== "string") return fromFiles(source);
  return /^(https?|file):/.test(source) ? sourceOf(new URL(source)) : fromFolder(source);
}

/** A bundle in a folder; links are not followed, and a pipe in a file's place is not waited for. */
function fromFolder(folder: string): BundleSource {
  return {
    describe: (file) => join(folder, file),
    async read(file, limit) {
      const handle = await open(join(folder, file), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      try {
        const status = await handle.stat();
        if (!status.isFile()) throw new Error("is no regular file");
        const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(status.size, limit + 1)));
        return buffer.slice(0, bytesRead);
      } finally {
        await handle.close();
      }
    },
  };
}
