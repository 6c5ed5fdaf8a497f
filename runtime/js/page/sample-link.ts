/**
 * Samples, and their names in links: `7.9` is sample 9 of seed 7, `7.9@0.5` the same at temperature 0.5, `zero` the latent
 * of the noise zero, and `~…` a code in base64. Changed dimensions follow, such as `7.9,z3:1.25`; of several values of one
 * dimension, the last one counts.
 */

import type { Bench } from "./bench.ts";
import type { ClassPicker } from "./classes.ts";
import { isLearned, middleOf } from "./prior.ts";

export interface Sample {
  name: string;
  latent: Float32Array;
  /** The latent of the same noise for the class that is picked now; undefined if the latent comes from no noise. */
  again?: (() => Promise<Float32Array | undefined>) | undefined;
  /** Its name in links. */
  link: string;
}

/** Draws a sample for the picked class; undefined if another model was opened meanwhile. */
export async function drawSample(
  bench: Bench,
  picker: ClassPicker,
  seed: bigint,
  index: number,
  temperature: number,
): Promise<Sample | undefined> {
  const again = () =>
    bench.use(async (model) => (await model.latents(1, { seed, first: index, temperature, label: picker.label })).data);
  const latent = await again();
  const link = `${seed.toString()}.${index}${temperature === 1 ? "" : `@${temperature}`}`;
  return latent && { name: `Sample ${index} of seed ${seed.toString()}`, latent, again, link };
}

/** The latent of the noise zero, for the picked class. */
export async function middleSample(bench: Bench, picker: ClassPicker): Promise<Sample | undefined> {
  const again = () => bench.use((model) => middleOf(model, picker.label));
  const latent = await again();
  const name = isLearned(bench.model) ? "The latent of the noise zero" : "The prior’s mean";
  return latent && { name, latent, again, link: "zero" };
}

export function codeSample(name: string, latent: Float32Array): Sample {
  const bytes = new Uint8Array(latent.slice().buffer);
  const text = btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  return { name, latent, link: `~${text}` };
}

/** A sample with other values in some dimensions; `latent` is that of the sample with these values. */
export function changedSample(sample: Sample, latent: Float32Array): Sample {
  const changes = latent.map((value, i) => value - sample.latent[i]);
  const { again, link } = sample;
  const changed = async () => (await again?.())?.map((value, i) => value + changes[i]);
  const values = Array.from(latent).flatMap((value, i) =>
    value === sample.latent[i] ? [] : [`,z${i}:${shortest(value)}`],
  );
  return { ...sample, latent: latent.slice(), again: again && changed, link: link + values.join("") };
}

/** Makes the sample that a link names; undefined for a link that the open model cannot follow. */
export async function linkedSample(bench: Bench, picker: ClassPicker, link: string): Promise<Sample | undefined> {
  const [first, ...changes] = link.split(",");
  const sample = await unchanged(bench, picker, first);
  if (sample === undefined || changes.length === 0) return sample;
  const latent = sample.latent.slice();
  for (const change of changes) {
    const [, dimension, value] = /^z(\d+):(-?[\d.]+(?:e-?\d+)?)$/.exec(change) ?? [];
    if (!(Number(dimension) < latent.length) || !Number.isFinite(Math.fround(Number(value)))) return undefined;
    latent[Number(dimension)] = Number(value);
  }
  return { ...changedSample(sample, latent), name: `${sample.name}, changed` };
}

async function unchanged(bench: Bench, picker: ClassPicker, link: string): Promise<Sample | undefined> {
  if (link === "zero") return await middleSample(bench, picker);
  if (link.startsWith("~")) {
    const latent = fromBase64(link.slice(1));
    const fits = latent?.length === bench.model.latentDim && latent.every(Number.isFinite);
    return fits ? codeSample("The code of a picture", latent) : undefined;
  }
  const found = /^(\d{1,20})\.(\d{1,9})(?:@(\d+(?:\.\d+)?))?$/.exec(link);
  if (found === null) return undefined;
  const [, seed, index, temperature = "1"] = found;
  if (BigInt(seed) >= 1n << 64n) return undefined;
  return await drawSample(bench, picker, BigInt(seed), Number(index), Number(temperature));
}

function fromBase64(text: string): Float32Array | undefined {
  try {
    const characters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return new Float32Array(Uint8Array.from(characters, (character) => character.charCodeAt(0)).buffer);
  } catch {
    return undefined;
  }
}

/** The shortest decimal number that is this float32. */
function shortest(value: number): string {
  const digits = [1, 2, 3, 4, 5, 6, 7, 8, 9].find((count) => Math.fround(Number(value.toPrecision(count))) === value);
  return String(Number(value.toPrecision(digits ?? 9)));
}
