import { afterAll, describe, expect, test } from "vitest";

import { ascending } from "../src/explore.ts";
import type { GraphInfo, ModelInfo } from "../src/manifest-types.ts";
import { microBatchOf } from "../src/micro-batch.ts";
import * as cvae from "../src/node.ts";
import { BUNDLES, readJson } from "./golden.ts";

const model = await cvae.load(BUNDLES.colour);

afterAll(() => model.close());

test("of equal dimensions, the lower one is first", () => {
  expect(ascending(new Float32Array([0, -1, 0, -1]))).toEqual([1, 3, 0, 2]);
});

test("a latent is ranked as its image", async () => {
  const latent = new Float32Array([1, -1, 0.5]);
  const image = cvae.toUint8(await model.decode(latent));
  const order = await model.rankDimensions(image);
  expect(await model.rankDimensions(latent)).toEqual(order);
  expect([...order].sort()).toEqual([0, 1, 2]);
});

test("the defaults are ranked dimensions", async () => {
  const order = await model.rankDimensions();
  const start = new Float32Array(3);
  expect(await model.traverse(start)).toEqual(await model.traverse(start, order, { steps: 7, span: 3 }));
  const dimensions = order.slice(0, 2).sort();
  expect(await model.manifold()).toEqual(await model.manifold(dimensions, { steps: 20 }));
  expect((await model.manifold(undefined, { steps: 2 })).shape).toEqual([4, 12, 16, 3]);
});

describe("invalid arguments are refused", () => {
  test.each<[string, () => Promise<unknown>, string]>([
    ["two images", () => model.rankDimensions(new Uint8Array(1152)), "start must be one latent or one image; found 2"],
    ["two latents", () => model.traverse(new Float32Array(6)), "start must be one latent or one image; found 2"],
    [
      "no span",
      () => model.traverse(new Float32Array(3), undefined, { span: 0 }),
      "span must be a finite number above 0; found 0",
    ],
    [
      "a repeated dimension",
      () => model.traverse(new Float32Array(3), [1, 1]),
      "dimensions must be distinct whole numbers from 0 to 2; found [1, 1]",
    ],
    [
      "a dimension too high",
      () => model.manifold([0, 3]),
      "dimensions must be distinct whole numbers from 0 to 2; found [0, 3]",
    ],
    ["three dimensions", () => model.manifold([0, 1, 2]), "a manifold needs exactly 2 latent dimensions; found 3"],
    ["one step", () => model.manifold([0, 1], { steps: 1 }), "steps must be a whole number of at least 2; found 1"],
  ])("%s", async (_, call, message) => {
    await expect(call()).rejects.toThrow(new cvae.InputError(message));
  });
});

type Case = Pick<GraphInfo, "role" | "precision"> &
  Pick<ModelInfo, "image_shape" | "filters"> & { micro_batch: number };

test.each(readJson("tests/golden/micro_batch.json") as Case[])("micro-batch of %o, as in Python", (one) => {
  expect(microBatchOf(one, one, true)).toBe(one.micro_batch);
  expect(microBatchOf(one, one, false)).toBe(256);
});
