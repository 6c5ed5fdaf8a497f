/** The manifest of a bundle, format 1, as described by its JSON Schema. */

import { Validator, type OutputUnit } from "@cfworker/json-schema";

import { decoderOutputs } from "./elbo.ts";
import { BundleError, EXPORT_AGAIN, InputError, messageOf } from "./errors.ts";
import { parseJson } from "./json.ts";
import { MANIFEST_SCHEMA } from "./manifest-schema.ts";

export const MANIFEST_NAME = "manifest.json";

const FORMAT = 1;
const MOST_GRAPHS = 256; // in a bundle; bundles of this project have up to 20

/** Precisions of a graph's weights. */
export const PRECISIONS = ["float32", "float16", "int8"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** A file of the bundle. */
export interface FileInfo {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** An input or output of a graph; a dimension is a number, or a name if its size is free. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
}

/** One `.onnx` file. */
export interface GraphInfo extends FileInfo {
  readonly role: string;
  readonly target: "portable" | "cpu";
  readonly precision: Precision;
  readonly opset: number;
  readonly ir_version: number;
  readonly passes: readonly string[];
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly verified: {
    /** The largest difference of each output over the test set. */
    readonly max_abs_difference: Readonly<Record<string, number>>;
    /** Change of the test ELBO, in nats per image. */
    readonly elbo_change: number | null;
    readonly speed_ratio: number | null;
  };
}

/** The content of `manifest.json`. */
export interface Manifest {
  readonly format: 1;
  readonly model: {
    /** Height, width and channels. */
    readonly image_shape: readonly [number, number, number];
    readonly latent_dim: number;
    readonly filters: readonly number[];
    /** The network, such as "residual"; absent for the notebook's network and for models from other projects. */
    readonly architecture?: string | null;
    readonly likelihood: string;
    readonly preprocessing: { readonly scale: number; readonly binarize_at: number | null };
    readonly rng: string;
  };
  readonly training: {
    readonly config: Readonly<Record<string, unknown>>;
    readonly data: string;
    readonly test_images: number;
    readonly test_elbo: number;
    /** Null for a single image, which has no standard error. */
    readonly test_elbo_stderr: number | null;
  } | null;
  readonly graphs: readonly GraphInfo[];
  readonly golden: FileInfo;
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Parses and checks a manifest.
 *
 * @param source its name in messages.
 * @throws BundleError for invalid JSON, another format version, or a missing or wrong field; the message names the field.
 */
export function parseManifest(bytes: Uint8Array, source: string): Manifest {
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (error) {
    throw new BundleError(`${source}: expected JSON: ${messageOf(error)}; ${EXPORT_AGAIN}`);
  }
  const format = typeof value === "object" && value !== null ? (value as { format?: unknown }).format : undefined;
  if (format === undefined) {
    throw new BundleError(`${source}: expected an object with "format": ${FORMAT}; this is not a bundle's manifest`);
  }
  if (format !== FORMAT) {
    throw new BundleError(
      `${source}: expected format ${FORMAT}, found ${JSON.stringify(format)}; ` +
        `use the version of cvae-toolkit that wrote it, or ${EXPORT_AGAIN}`,
    );
  }
  const { graphs } = value as { graphs?: unknown };
  if (Array.isArray(graphs) && graphs.length > MOST_GRAPHS) {
    throw new BundleError(
      `${source}: graphs: expected at most ${MOST_GRAPHS}, found ${graphs.length}; ${EXPORT_AGAIN}`,
    );
  }
  const { errors } = new Validator(MANIFEST_SCHEMA, "2020-12").validate(value);
  const error = errors.at(-1); // errors are nested; the last one is the innermost
  if (error !== undefined) throw new BundleError(`${source}: ${sentence(error, value)}; ${EXPORT_AGAIN}`);
  return value as Manifest;
}

/**
 * Chooses the graph of a role: with the precision if there is one, and shaped for the CPU if `onCpu` and there is one.
 *
 * @throws InputError if the bundle has no graph of this precision.
 */
export function chooseGraph(manifest: Manifest, role: string, precision: Precision, onCpu: boolean): GraphInfo {
  const there = [...new Set(manifest.graphs.map((graph) => graph.precision))].sort();
  if (!there.includes(precision)) {
    throw new InputError(`precision ${precision}: the bundle has graphs in ${there.join(", ")}; choose one of them`);
  }
  for (const wanted of [precision, "float32"]) {
    const graphs = manifest.graphs.filter((graph) => graph.role === role && graph.precision === wanted);
    const forCpu = onCpu ? graphs.find((graph) => graph.target === "cpu") : undefined;
    const chosen = forCpu ?? graphs.find((graph) => graph.target === "portable");
    if (chosen !== undefined) return chosen;
  }
  throw new Error(`a manifest without a float32 ${role} is refused when it is read`);
}

function sentence(error: OutputUnit, value: unknown): string {
  const keys = error.instanceLocation.split("/").slice(1);
  const path = keys.map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`)).join("");
  const where = path.slice(1) || "manifest";
  const { model, graphs } = value as Manifest;
  if (error.keyword === "contains" && path === ".graphs") {
    const lacking = ["encoder", "decoder"].find(
      (role) => !graphs.some((g) => g.role === role && g.target === "portable" && g.precision === "float32"),
    );
    return `graphs: expected a portable float32 ${lacking ?? ""}, found none`;
  }
  if (error.keyword === "contains") {
    const expected = decoderOutputs(model.likelihood).join(" and ");
    const names = graphs[Number(keys[1])].outputs.map((output) => output.name).join(", ");
    return `${where}: expected ${expected}, for the likelihood "${model.likelihood}", found ${names || "none"}`;
  }
  return `${where}: ${error.error.replace(/\.$/, "")}`;
}
