/** A model with a learned prior, and that other models do without. */

import { createHash } from "node:crypto";

import { afterAll, describe, expect, test } from "vitest";

import { fromFiles, type BundleSource } from "../src/bundle.ts";
import { loadOn } from "../src/load.ts";
import { parseManifest } from "../src/manifest.ts";
import * as cvae from "../src/node.ts";
import { BUNDLES, filesOf, readGolden, valuesOf } from "./golden.ts";
import { changed, platform, REAL } from "./stand-in.ts";

const model = await cvae.load(BUNDLES.learned);
const PIXELS = 12 * 16 * 3;
const IMAGES = Uint8Array.from(valuesOf(readGolden("learned").images));

afterAll(() => model.close());

/** The source of a bundle's files, and the names of the files that were read. */
function watched(files: ReadonlyMap<string, Uint8Array>): { source: BundleSource; read: string[] } {
  const inner = fromFiles(files);
  const read: string[] = [];
  const source: BundleSource = {
    describe: (file) => file,
    read(file, limit) {
      read.push(file);
      return inner.read(file, limit);
    },
  };
  return { source, read };
}

describe("samples", () => {
  const microBatch = model.receipt().graphs.decoder.micro_batch;
  const options = { seed: 7, first: 3, temperature: 0.5 };

  test("are decoded from the latents", async () => {
    const latents = await model.latents(microBatch + 5, options);
    expect(latents.shape).toEqual([microBatch + 5, 3]);
    expect(await model.decode(latents)).toEqual(await model.generate(microBatch + 5, options));
  });

  test("have the same bits in parts", async () => {
    const whole = await model.generate(2 * microBatch, { seed: 7 });
    const parts = [0, microBatch].map((first) => model.generate(microBatch, { seed: 7, first }));
    const data = (await Promise.all(parts)).flatMap((part) => [...part.data]);
    expect(data).toEqual([...whole.data]);
  });

  test("do not depend on calls that run at the same time", async () => {
    const alone = await model.generate(40, { seed: 7 });
    const [drawn] = await Promise.all([
      model.generate(40, { seed: 7 }),
      model.latents(40),
      model.score(IMAGES),
      model.encode(IMAGES),
    ]);
    expect(drawn).toEqual(alone);
  });

  test("are those of the prior, not of its noise", async () => {
    const { data } = await model.latents(1000);
    const noise = cvae.priorLatents(0, 0, 1000, 3);
    const spread = (values: Float32Array) => Math.sqrt(values.reduce((sum, z) => sum + z * z, 0) / values.length);
    expect(spread(data)).toBeGreaterThan(4 * spread(noise));
  });

  test("have noise times the temperature", async () => {
    const { data } = await model.latents(2, { temperature: 0 });
    expect(data.slice(0, 3)).toEqual(data.slice(3));
    expect(data.every((z) => z !== 0)).toBe(true);
    expect(await model.rankDimensions()).toEqual(await model.rankDimensions(data.slice(0, 3)));
  });
});

test("the latents of N(0, I) are its noise", async () => {
  const other = await cvae.load(BUNDLES.colour);
  const { data } = await other.latents(4, { seed: 7, first: 3, temperature: 0.5 });
  expect(data).toEqual(cvae.priorLatents(7, 3, 4, 3).map((z) => z * 0.5));
  await other.close();
});

test("the ELBO of one draw is the bound of one draw", async () => {
  const { elbo, kl, reconstruction, iwBound } = await model.score(IMAGES.subarray(0, PIXELS));
  expect(iwBound[0]).toBeCloseTo(elbo[0], 9);
  expect(elbo[0]).toBeCloseTo(reconstruction[0] - kl[0], 9);
});

test("the receipt and the graphs have all roles", () => {
  const files = ["encoder.onnx", "decoder.onnx", "prior.onnx", "prior_density.onnx"];
  expect(Object.values(model.receipt().graphs).map(({ file }) => file)).toEqual(files);
  expect(Object.keys(model.graphs)).toEqual(["encoder", "decoder", "prior", "prior_density"]);
  expect(model.manifest).toMatchObject({ format: 2, model: { prior: "learned" } });
});

describe("a graph is read when it first runs, and once", () => {
  test.each([
    ["colour", ["decoder.onnx"], ["encoder.onnx"]],
    ["learned", ["prior.onnx", "decoder.onnx"], ["encoder.onnx", "prior_density.onnx"]],
  ] as const)("%s", async (name, toGenerate, toScore) => {
    const { source, read } = watched(filesOf(name));
    const opened = await loadOn(platform(REAL), source, {});
    expect(read).toEqual(["manifest.json"]);
    await Promise.all([opened.generate(2), opened.generate(2)]);
    expect(read).toEqual(["manifest.json", ...toGenerate]);
    await opened.score(new Uint8Array(PIXELS));
    await opened.generate(2);
    await opened.close();
    expect(read).toEqual(["manifest.json", ...toGenerate, ...toScore]);
  });

  test("and again after a failure", async () => {
    const { source } = watched(filesOf("colour"));
    let down = true;
    const flaky: BundleSource = {
      ...source,
      read: (file, limit) =>
        down && file === "decoder.onnx" ? Promise.reject(new Error("cannot be reached")) : source.read(file, limit),
    };
    const opened = await loadOn(platform(REAL), flaky, {});
    await expect(opened.generate(1)).rejects.toThrow(
      new cvae.IntegrityError("decoder.onnx: cannot be reached; get the bundle again"),
    );
    down = false;
    expect((await opened.generate(1)).shape).toEqual([1, 12, 16, 3]);
    await opened.close();
  });

  test("but all before a GPU is used", async () => {
    const { source, read } = watched(filesOf("learned"));
    const opened = await loadOn({ ...platform(REAL), onCpu: [] }, source, {});
    expect([...read].sort()).toEqual([...filesOf("learned").keys()].sort());
    await opened.close();
  });
});

describe("arguments are refused", () => {
  test.each<[string, (m: cvae.Model) => Promise<unknown>, string]>([
    ["no latents", (m) => m.latents(0), "count must be a whole number of at least 1; found 0"],
    ["heat", (m) => m.latents(1, { temperature: NaN }), "temperature must be a finite number of at least 0; found NaN"],
    [
      "a seed",
      (m) => m.latents(1, { seed: -1 }),
      "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1",
    ],
  ])("%s", async (_, call, message) => {
    await expect(call(model)).rejects.toThrow(new cvae.InputError(message));
  });

  test("more latents than memory holds", async () => {
    const packaged = await cvae.load(BUNDLES.mnist);
    await expect(packaged.latents(2 ** 31 - 1)).rejects.toThrow(
      new cvae.InputError("2147483647 latents take 400.0 GiB, more than is available; make them in parts, with first"),
    );
    await packaged.close();
  });
});

describe("outputs are refused", () => {
  const altered = (output: string) =>
    loadOn(platform(changed((value, name) => (name === output ? NaN : value))), fromFiles(filesOf("learned")), {});

  test("latents of NaN", async () => {
    const message = "prior.onnx: expected a finite z, found NaN or infinity; export it again";
    const broken = await altered("z");
    for (const call of [broken.generate(2), broken.latents(2), broken.manifold([0, 1]), broken.rankDimensions()]) {
      await expect(call).rejects.toThrow(new cvae.BundleError(message));
    }
  });

  test("densities of NaN", async () => {
    await expect((await altered("log_prob")).score(IMAGES)).rejects.toThrow(
      new cvae.BundleError("prior_density.onnx: expected a finite log_prob, found NaN or infinity; export it again"),
    );
  });

  test.each(["z", "log_prob"])("a wrong %s on a GPU", async (output) => {
    const gpu = changed((value, name) => (name === output ? value + 1 : value));
    const onGpu = { ...platform(gpu), onCpu: [] };
    await expect(loadOn(onGpu, fromFiles(filesOf("learned")), {})).rejects.toThrow(
      new RegExp(`^cpu fails the bundle's self-check: ${output} of prior\\w*\\.onnx is off by .*; use another one$`),
    );
  });
});

describe("bundles are refused", () => {
  interface Loose {
    format: number;
    graphs: { role: string; file: string; bytes: number; sha256: string }[];
  }
  const parse = (change: (manifest: Loose) => unknown) => {
    const manifest = JSON.parse(new TextDecoder().decode(filesOf("learned").get("manifest.json"))) as Loose;
    change(manifest);
    return parseManifest(new TextEncoder().encode(JSON.stringify(manifest)), "m.json");
  };

  test.each<[string, (manifest: Loose) => unknown, string]>([
    [
      "format 1",
      (m) => (m.format = 1),
      "m.json: format: expected 2, for a learned prior, found 1; export the bundle again",
    ],
    [
      "format 3",
      (m) => (m.format = 3),
      "m.json: expected format 1 or 2, found 3; use the version of cvae-toolkit that wrote it, or export the bundle again",
    ],
    [
      "no graph of the prior",
      (m) => (m.graphs = m.graphs.filter(({ role }) => role !== "prior")),
      "m.json: graphs: expected a portable float32 prior, for a learned prior, found none; export the bundle again",
    ],
    [
      "no graph of the density",
      (m) => (m.graphs = m.graphs.filter(({ role }) => role !== "prior_density")),
      "m.json: graphs: expected a portable float32 prior_density, for a learned prior, found none; export the bundle again",
    ],
  ])("%s", (_, change, message) => {
    expect(() => parse(change)).toThrow(new cvae.BundleError(message));
  });

  test.each(["prior.onnx", "prior_density.onnx"])("without %s", async (file) => {
    const files = filesOf("learned");
    files.delete(file);
    const opened = await cvae.load(files);
    await expect(file === "prior.onnx" ? opened.generate(1) : opened.score(IMAGES)).rejects.toThrow(
      new cvae.IntegrityError(`${file}: is not among the files: ${[...files.keys()].join(", ")}; get the bundle again`),
    );
  });

  test("with another graph in the place of the prior", async () => {
    const files = filesOf("learned");
    const bytes = files.get("prior_density.onnx") ?? new Uint8Array();
    const manifest = parse((m) => {
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      Object.assign(m.graphs.find(({ role }) => role === "prior") ?? {}, { bytes: bytes.length, sha256 });
    });
    files.set("prior.onnx", bytes);
    files.set("manifest.json", new TextEncoder().encode(JSON.stringify(manifest)));
    await expect((await cvae.load(files)).generate(1)).rejects.toThrow(
      new cvae.BundleError("prior.onnx: expected noise -> z; found z -> log_prob, noise; export it again"),
    );
  });
});
