/** Bundles without their optional files. */

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, expect, test } from "vitest";

import * as cvae from "../src/node.ts";
import { BUNDLES } from "./golden.ts";

const scratch = mkdtempSync(join(tmpdir(), "cvae-"));

afterAll(() => rmSync(scratch, { recursive: true }));

/** Copies the named files of a bundle. */
function slim(name: keyof typeof BUNDLES, ...files: string[]): string {
  const folder = mkdtempSync(join(scratch, "slim-"));
  mkdirSync(folder, { recursive: true });
  for (const file of ["manifest.json", ...files]) cpSync(join(BUNDLES[name], file), join(folder, file));
  return folder;
}

async function samples(folder: string): Promise<Float32Array> {
  const model = await cvae.load(folder);
  const { data } = await model.generate(3, { seed: 7 });
  await model.close();
  return data;
}

test("manifest and decoder are enough to draw samples", async () => {
  const found = await samples(slim("mnist", "decoder.onnx"));
  const expected = await samples(BUNDLES.mnist);
  expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(1e-5);
});

test("the portable graph replaces one that is absent", async () => {
  const model = await cvae.load(slim("mnist", "decoder.onnx", "encoder.onnx", "golden.json"));
  expect(model.graphs.decoder.file).toBe("decoder_cpu.onnx"); // until files are read
  const { agrees, results } = await model.selfCheck();
  expect(agrees).toBe(true);
  expect([...new Set(results.map(({ file }) => file))].sort()).toEqual(["decoder.onnx", "encoder.onnx", "rng"]);
  expect(model.graphs.decoder.file).toBe("decoder.onnx");
  expect(model.receipt().graphs.decoder.file).toBe("decoder.onnx");
  await model.close();
});

test("without an encoder, encode says so, and the self-check skips it", async () => {
  const folder = slim("colour", "decoder.onnx", "golden.json");
  const model = await cvae.load(folder);
  const images = await model.generate(1);
  const error: unknown = await model.encode(images).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(cvae.IntegrityError);
  expect((error as Error).message).toMatch(/^\S+encoder\.onnx: cannot be read: ENOENT: .*; get the bundle again$/);
  const { agrees, results } = await model.selfCheck();
  expect([agrees, results.some(({ file }) => file === "encoder.onnx")]).toEqual([true, false]);
  await model.close();
});

test("a prior is never skipped", async () => {
  const model = await cvae.load(slim("learned", "decoder.onnx"));
  await expect(model.generate(1)).rejects.toThrow(/prior\.onnx: cannot be read: ENOENT/);
  await model.close();
});

test("files that are there must match their hash", async () => {
  const folder = slim("mnist", "decoder.onnx");
  cpSync(join(BUNDLES.mnist, "decoder.onnx"), join(folder, "decoder_cpu.onnx"));
  const model = await cvae.load(folder);
  await expect(model.generate(1)).rejects.toThrow(/decoder_cpu\.onnx: expected \d+ bytes, found /);
  await model.close();
});
