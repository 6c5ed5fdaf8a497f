import { expect, test } from "vitest";

import {
  bitsPerDimension,
  discretizedLogisticLogLikelihood,
  discretizedLogisticMixtureLogLikelihood,
  gaussianKl,
  logPriorOverPosterior,
  logSumExp,
} from "../src/elbo.ts";
import { parseManifest } from "../src/manifest.ts";
import { filesOf } from "./golden.ts";

test("only likelihoods of 256 levels have bits per dimension", () => {
  const bitsOf = (bundle: "mnist" | "colour" | "mixture", elbo: number) => {
    const { model } = parseManifest(filesOf(bundle).get("manifest.json") ?? new Uint8Array(), bundle);
    return bitsPerDimension(elbo * model.image_shape.reduce((a, b) => a * b) * Math.LN2, model);
  };
  expect(bitsOf("mnist", -5)).toBeUndefined();
  expect(bitsOf("colour", -5)).toBeCloseTo(5, 12);
  expect(bitsOf("mixture", -3.5)).toBeCloseTo(3.5, 12);
});

test("the 256 levels of the discretized logistic sum to one", () => {
  for (const [location, logScale] of [
    [0.3, -3],
    [0, -7],
    [1, 2],
    [0.999, -1],
  ]) {
    const levels = Array.from({ length: 256 }, (_, v) =>
      Math.exp(discretizedLogisticLogLikelihood(f32(v / 255), f32(location), f32(logScale))),
    );
    expect(levels.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
  }
});

test("the 256 levels of a mixture sum to one", () => {
  const logP = (v: number) =>
    discretizedLogisticMixtureLogLikelihood(
      f32(v / 255),
      f32(-1, 2, 1e30),
      f32(-7, -7, -7.69),
      f32(Math.log(0.9), Math.log(0.1), -200),
    );
  const levels = Array.from({ length: 256 }, (_, v) => Math.exp(logP(v)));
  expect(levels.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
  expect(levels[0]).toBeCloseTo(0.9, 6);
  expect(levels[255]).toBeCloseTo(0.1, 6);
});

test("a mixture of equal components equals one of them", () => {
  const targets = f32(0, 7 / 255, 1);
  const expected = discretizedLogisticLogLikelihood(targets, f32(0.1, 0.2, 0.9), f32(-3, -2, -4));
  const twice = (...values: number[]) => f32(...values.flatMap((value) => [value, value]));
  expect(
    discretizedLogisticMixtureLogLikelihood(targets, twice(0.1, 0.2, 0.9), twice(-3, -2, -4), f32(0, 5, -1, 2, 3, 3)),
  ).toBeCloseTo(expected, 6);
});

test("the KL is zero for the prior, and equals the closed form", () => {
  expect(gaussianKl(f32(0, 0), f32(0, 0))).toBe(0);
  expect(gaussianKl(f32(1, -2), f32(0, 1))).toBeCloseTo((1 + 4 + Math.E - 1 - 1) / 2, 6);
});

test("the ratio of equal prior and posterior is one", () => {
  expect(logPriorOverPosterior(f32(0.5, -3), f32(0, 0), f32(0, 0))).toBe(0);
  // log N(1; 0, 1) - log N(1; 1, 4) = -1/2 + log 2
  expect(logPriorOverPosterior(f32(1), f32(1), f32(Math.log(4)))).toBeCloseTo(-0.5 + Math.log(2), 6);
});

test("logarithms of sums do not overflow", () => {
  expect(logSumExp(new Float64Array([-2000, -2000 + Math.log(3)]))).toBeCloseTo(-2000 + Math.log(4), 10);
  expect(logSumExp(new Float64Array([900]))).toBe(900);
});

function f32(...values: number[]): Float32Array {
  return new Float32Array(values);
}
