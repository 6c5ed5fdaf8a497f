/** ONNX Runtime with sessions whose outputs are altered, to test what no real provider returns. */

import * as ort from "onnxruntime-node";

import type { Ort, OrtSession, OrtTensor, Platform } from "../src/ort.ts";

export const REAL = ort as unknown as Ort;

/** A platform with the CPU provider alone. */
export function platform(ort: Ort): Platform {
  return {
    providers: ["cpu"],
    onCpu: ["cpu"],
    auto: () => ["cpu"],
    runtime: () => Promise.resolve({ ort, executionProvider: "cpu", threads: 1, remedy: "say another" }),
  };
}

export function standIn(alter: (tensor: OrtTensor, output: string) => OrtTensor): Ort {
  const create: Ort["InferenceSession"]["create"] = async (model, options) => {
    const session = await REAL.InferenceSession.create(model, { ...options, executionProviders: ["cpu"] });
    const { inputNames, outputNames } = session;
    const run: OrtSession["run"] = async (feeds, fetches) => {
      const outputs = Object.entries(await session.run(feeds, fetches));
      return Object.fromEntries(outputs.map(([name, tensor]) => [name, alter(tensor, name)]));
    };
    return { inputNames, outputNames, run, release: () => session.release() };
  };
  return { Tensor: REAL.Tensor, env: REAL.env, InferenceSession: { create } };
}

/** Alters each value of the outputs. */
export function changed(change: (value: number, output: string) => number): Ort {
  return standIn(({ type, dims, data }, name) => {
    return { type, dims, data: (data as Float32Array).map((value) => change(value, name)) };
  });
}
