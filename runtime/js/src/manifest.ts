/** The manifest of a bundle, format 1 or 2, as described by its JSON Schema. */

import { BundleError, EXPORT_AGAIN, InputError, messageOf } from "./errors.ts";
import { parseJson } from "./json.ts";
import { MANIFEST_SCHEMA, type GraphInfo, type Manifest, type Precision } from "./manifest-types.ts";
import { excerpt, findError } from "./schema.ts";

export const MANIFEST_NAME = "manifest.json";

const FORMATS = [1, 2] as const;

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
    throw new BundleError(
      `${source}: expected an object with "format": ${FORMATS[0]}; this is not a bundle's manifest`,
    );
  }
  if (!(FORMATS as readonly unknown[]).includes(format)) {
    throw new BundleError(
      `${source}: expected format ${FORMATS.join(" or ")}, found ${excerpt(format)}; ` +
        `use the version of cvae-toolkit that wrote it, or ${EXPORT_AGAIN}`,
    );
  }
  const error = findError(value, MANIFEST_SCHEMA);
  if (error !== undefined) throw new BundleError(`${source}: ${error}; ${EXPORT_AGAIN}`);
  return value as Manifest;
}

/**
 * Ranks the graphs of a role: the precision first, then float32. If `onCpu`, the graph shaped for the CPU comes first
 * in each precision. A bundle may lack the file of the best graph.
 *
 * @throws InputError if the bundle has no graph of this precision.
 */
export function rankGraphs(
  manifest: Manifest,
  role: string,
  precision: Precision,
  onCpu: boolean,
): readonly GraphInfo[] {
  const there = [...new Set(manifest.graphs.map((graph) => graph.precision))].sort();
  if (!there.includes(precision)) {
    throw new InputError(`precision ${precision}: the bundle has graphs in ${there.join(", ")}; choose one of them`);
  }
  const ranked = [...new Set([precision, "float32"])].flatMap((wanted) => {
    const graphs = manifest.graphs.filter((graph) => graph.role === role && graph.precision === wanted);
    const targets = onCpu ? ["cpu", "portable"] : ["portable"];
    return targets.map((target) => graphs.find((graph) => graph.target === target));
  });
  return ranked.filter((graph) => graph !== undefined);
}
