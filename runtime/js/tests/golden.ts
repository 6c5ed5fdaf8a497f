/** Read Python's results, `tests/golden/*.json`. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A path relative to the project's root. */
export function projectPath(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}

export function readJson(path: string): unknown {
  return JSON.parse(readFileSync(projectPath(path), "utf8"));
}

export const BUNDLES = {
  mnist: projectPath("benchmarks/notebook/bundle"),
  packaged: projectPath("runtime/cvae_runtime/bundles/mnist"),
  colour: projectPath("tests/golden/colour"),
  mixture: projectPath("tests/golden/mixture"),
  residual: projectPath("tests/golden/residual"),
  learned: projectPath("tests/golden/learned"),
  labelled: projectPath("tests/golden/labelled"),
  detector: projectPath("tests/golden/detector"),
};

/** The files of a portable bundle, by name. */
export function filesOf(bundle: keyof typeof BUNDLES): Map<string, Uint8Array> {
  const prior = ["packaged", "learned", "labelled"].includes(bundle) ? ["prior.onnx", "prior_density.onnx"] : [];
  const names = ["manifest.json", "encoder.onnx", "decoder.onnx", ...prior, "golden.json"];
  return new Map(names.map((name) => [name, readFileSync(join(BUNDLES[bundle], name))]));
}

export interface GoldenArray {
  dtype: "uint8" | "float32" | "float64";
  shape: number[];
  data: string;
}

/** Reads a result by its name in `scripts/golden.py`; `seed` and `first` are strings. */
export function readGolden(
  bundle: keyof typeof BUNDLES,
): Record<string, GoldenArray> & Record<"seed" | "first", string> {
  return (readJson("tests/golden/runtime.json") as Record<string, never>)[bundle];
}

export function valuesOf({ dtype, data }: GoldenArray): number[] {
  const bytes = Buffer.from(data, "base64");
  if (dtype === "uint8") return [...bytes];
  const size = dtype === "float32" ? 4 : 8;
  return Array.from({ length: bytes.length / size }, (_, i) =>
    dtype === "float32" ? bytes.readFloatLE(i * size) : bytes.readDoubleLE(i * size),
  );
}
