/** Classes of images, as callers name them, converted to the graphs' input `label`. */

import { found, InputError } from "./errors.ts";
import type { ModelInfo } from "./manifest-types.ts";

/** A class: its name, or its index. */
export type Label = string | number;

/** The class of all items, or no label: `null`, the default. Only for models with labels. */
export interface LabelOption {
  label?: Label | null;
}

/** The class of all items, or in its place `labels`, the class of each. Only for models with labels. */
export interface LabelOptions extends LabelOption {
  labels?: readonly (Label | null)[];
}

/** The classes of items as indices. The number of classes stands for no label. Undefined for models without labels. */
export type Indices = BigInt64Array | undefined;

/** p(label | x) of images: one row for each image, with one value for each class. */
export interface Probabilities {
  readonly data: Float64Array;
  readonly shape: readonly [count: number, classes: number];
}

const LISTED = 10; // names in an error

/**
 * Converts the classes of `count` items to indices.
 *
 * @throws InputError if both options are given, the model has no labels, or a class or the number of classes is wrong.
 */
export function labelArray(
  model: Pick<ModelInfo, "labels">,
  count: number,
  options: LabelOptions = {},
  name = "labels", // of the caller's argument, for messages
): Indices {
  const { label = null, labels } = options;
  if (label !== null && labels !== undefined) {
    throw new InputError("label and labels both choose the classes: give one of them");
  }
  const names = model.labels;
  if (names === undefined) {
    if (label === null && labels === undefined) return undefined;
    throw new InputError("the model has no labels: leave label and labels out, or train one with cvae-train --labels");
  }
  if (labels === undefined) return new BigInt64Array(count).fill(indexOf(names, label));
  if (!Array.isArray(labels) || labels.length !== count) {
    const what = Array.isArray(labels) ? `a list of ${labels.length.toLocaleString("en")}` : found(labels);
    throw new InputError(
      `${name}: expected a list of ${count.toLocaleString("en")} classes, one for each item, found ${what}; ` +
        "pass one for each",
    );
  }
  return BigInt64Array.from(labels as readonly (Label | null)[], (one, n) => indexOf(names, one, `${name}[${n}]`));
}

/** The names of a model's classes. @throws InputError if it has no labels. */
export function classNames({ labels }: Pick<ModelInfo, "labels">): readonly string[] {
  if (labels !== undefined) return labels;
  throw new InputError("expected a model with labels, found one without; train one with cvae-train --labels");
}

/** Returns the index of the most probable class of each image. */
export function mostProbable({ data, shape: [count, classes] }: Probabilities): number[] {
  return Array.from({ length: count }, (_, image) => {
    const of = data.subarray(image * classes, (image + 1) * classes);
    return of.indexOf(of.reduce((a, b) => Math.max(a, b)));
  });
}

/** Repeats the class of each item `times` times. */
export function repeated(indices: Indices, times: number): Indices {
  return indices && BigInt64Array.from({ length: indices.length * times }, (_, i) => indices[Math.floor(i / times)]);
}

/** The index of a class, given its name or index; the number of classes for no label. */
function indexOf(names: readonly string[], label: Label | null | undefined, argument = "label"): bigint {
  if (label === null || label === undefined) return BigInt(names.length);
  if (typeof label === "string") {
    const index = names.indexOf(label);
    if (index >= 0) return BigInt(index);
    const more = names.length > LISTED ? ` and ${(names.length - LISTED).toLocaleString("en")} more` : "";
    throw new InputError(
      `${argument} must be one of ${names.slice(0, LISTED).join(", ")}${more}; found ${found(label)}`,
    );
  }
  if (!Number.isInteger(label) || label < 0 || label >= names.length) {
    throw new InputError(
      `${argument} must be a name, or an index from 0 to ${names.length - 1}; found ${found(label)}`,
    );
  }
  return BigInt(label);
}
