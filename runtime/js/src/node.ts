/** cvae-runtime in Node.js, on onnxruntime-node. */

import { constants } from "node:fs";
import { lstat, open, realpath, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { checkSource, fromFiles, fromUrl, NoFile, type BundleFiles, type BundleSource, type Bytes } from "./bundle.ts";
import { BundleError, IntegrityError, messageOf, ProviderError } from "./errors.ts";
import { loadOn, type LoadOptions } from "./load.ts";
import { MANIFEST_NAME } from "./manifest.ts";
import type { Model } from "./model.ts";
import type { Ort, Platform } from "./ort.ts";

export * from "./api.ts";

/**
 * Loads a bundle from the path or the URL of its folder, or from its files.
 *
 * Runs on the CPU unless another provider is requested. See {@link LoadOptions} for the options, and {@link loadOn} for
 * the errors.
 */
export async function load(source: string | URL | BundleFiles, options: LoadOptions = {}): Promise<Model> {
  return await loadOn(NODE, sourceOf(source), options);
}

// The provider names of this package, and those of onnxruntime-node.
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
    // Otherwise the official builds send telemetry to Microsoft. They read this variable when they are loaded.
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
    const remedy = provider === "cpu" ? "update onnxruntime-node" : `check that ${provider} works here, or use cpu`;
    return { ort, executionProvider: name, threads: Math.min(threads, availableParallelism()), remedy };
  },
};

function sourceOf(source: string | URL | BundleFiles): BundleSource {
  checkSource(source);
  if (source instanceof URL) return source.protocol === "file:" ? fromFolder(fileURLToPath(source)) : fromUrl(source);
  if (typeof source !== "string") return fromFiles(source);
  return /^(https?|file):/.test(source) ? sourceOf(new URL(source)) : fromFolder(source);
}

/** A bundle in a folder. Links are not followed, and reading a pipe does not block. */
function fromFolder(folder: string): BundleSource {
  return {
    describe: (file) => join(folder, file),
    read: (file, limit) => readFrom(folder, file, limit),
    async pin() {
      const [real, identity] = await whereIs(folder);
      return {
        describe: (file) => join(folder, file),
        read: (file, limit) => readFrom(folder, file, limit, real),
        isReplaced: async () => String(await whereIs(folder)) !== String([real, identity]),
      };
    },
  };
}

/** The real path of a folder, and an identity that changes when it is replaced; the given path and "" if it is missing. */
async function whereIs(folder: string): Promise<[real: string, identity: string]> {
  try {
    const real = await realpath(folder);
    const { dev, ino, ctimeNs } = await stat(real, { bigint: true });
    return [real, `${dev} ${ino} ${ctimeNs}`];
  } catch {
    return [folder, ""];
  }
}

/** Reads a file of the bundle `folder`, whose real path is `real`. */
async function readFrom(folder: string, file: string, limit: number, real = folder): Promise<Bytes> {
  const path = join(folder, file);
  const place = join(real, file);
  const there = await lstat(place).catch(async (error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new NoFile(messageOf(error));
    if (code !== "ENOTDIR") throw error;
    throw new BundleError(await noFolder(folder));
  });
  if (there.isSymbolicLink()) {
    throw new IntegrityError(
      `${path}: expected a file, found a link; ` + `copy the bundle without links: cp -RL ${quoted(folder)} COPY`,
    );
  }
  const handle = await open(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new Error("is no regular file");
    const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(status.size, limit + 1)));
    return buffer.slice(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function noFolder(path: string): Promise<string> {
  const parent = dirname(path);
  const isPart = await lstat(join(parent, MANIFEST_NAME)).then(
    (status) => status.isFile(),
    () => false,
  );
  const found = isPart ? `a file of a bundle; pass its folder: ${parent}` : "a file; cvae-export makes one";
  return `${path}: expected a bundle, a folder with ${MANIFEST_NAME}, found ${found}`;
}

/** Quotes a path for a shell. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`;
}
