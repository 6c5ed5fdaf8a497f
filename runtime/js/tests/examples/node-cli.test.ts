/** examples/node_cli: its pictures and scores match Python's, and its errors are like those of cvae-generate. */

import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { imageGrid } from "../../src/api.ts";
import { BUNDLES, projectPath, readGolden, valuesOf, type GoldenArray } from "../golden.ts";
import { install } from "./example.ts";
import { apart, readPng, writeIndexed, writePng, type Levels } from "./png.ts";

const folder = install("node_cli");
const path = (name: string) => join(folder, name);

afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the program in the example's folder. */
async function cvae(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const program = spawn(process.execPath, ["cvae.js", ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<number | null>((resolve) => program.on("close", resolve));
  const [out, err] = await Promise.all([text(program.stdout), text(program.stderr)]);
  return { code: await ended, out, err };
}

const DONE = { code: 0, out: "", err: "" };

/** A grid of images from golden vectors, as drawn by cvae-generate. */
function grid(images: number[], [height, width, channels]: number[], columns?: number): Levels {
  const shape = [images.length / (height * width * channels), height, width, channels] as const;
  const options = columns === undefined ? { scale: 2 } : { scale: 2, columns };
  const picture = imageGrid({ data: Float32Array.from(images), shape }, options);
  return { ...picture, channels, data: [...picture.data].filter((_, i) => i % 4 < channels) };
}

// The packaged bundle is compared with the documents' picture below.
describe.each(["colour", "learned", "labelled"] as const)("the bundle %s", (name) => {
  const bundle = BUNDLES[name];
  const golden = readGolden(name);
  const shape = golden.images.shape.slice(1);
  const pictures = [0, 1, 2, 3].map((n) => `${name}-${n}.png`);

  beforeAll(() => {
    const [height, width, channels] = shape;
    const size = height * width * channels;
    const levels = valuesOf(golden.images);
    pictures.forEach((file, n) => {
      writePng(path(file), { data: levels.slice(n * size, (n + 1) * size), width, height, channels });
    });
  });

  test("samples match Python's, with 64-bit seeds and indices", async () => {
    const draws = ["--seed", golden.seed, "--first", golden.first];
    expect(await cvae("sample", bundle, "-n", "4", ...draws, "-o", `${name}.png`)).toEqual(DONE);
    expect(apart(readPng(path(`${name}.png`)), grid(valuesOf(golden.generate), shape))).toBeLessThanOrEqual(1);
  });

  test("a temperature matches Python's", async () => {
    const draws = ["-n", "2", "--seed", "3", "--temperature", "0.5"];
    expect(await cvae("sample", bundle, ...draws, "-o", `${name}-cool.png`)).toEqual(DONE);
    expect(apart(readPng(path(`${name}-cool.png`)), grid(valuesOf(golden.cool), shape))).toBeLessThanOrEqual(1);
  });

  test("reconstructions match Python's", async () => {
    expect(await cvae("reconstruct", bundle, ...pictures.slice(0, 2), "-o", `${name}-pairs.png`)).toEqual(DONE);
    const again = valuesOf(golden.reconstruct);
    const given = valuesOf(golden.images).slice(0, again.length);
    const expected = grid([...given.map((level) => level / 255), ...again], shape, 2);
    expect(apart(readPng(path(`${name}-pairs.png`)), expected)).toBeLessThanOrEqual(1);
  });

  test("scores match Python's, one JSON line per picture", async () => {
    const { code, out, err } = await cvae(
      "score",
      bundle,
      ...pictures,
      "--samples",
      "3",
      "--seed",
      "5",
      "--first",
      "2",
    );
    expect([code, err]).toEqual([0, ""]);
    const scores = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(scores.map(({ file }) => file)).toEqual(pictures);
    for (const key of ["elbo", "reconstruction", "kl", "iw_bound"]) {
      const expected = valuesOf((golden as Record<string, GoldenArray>)[key]);
      scores.forEach((score, n) => expect(Math.abs(score[key] - expected[n]), key).toBeLessThan(1e-3));
    }
  });
});

describe("labels", () => {
  const bundle = BUNDLES.labelled;
  const golden = readGolden("labelled");
  const [height, width, channels] = golden.images.shape.slice(1);
  const size = height * width * channels;
  const levels = valuesOf(golden.images);
  const one = (values: number[], n: number) => values.slice(n * size, (n + 1) * size);

  beforeAll(() => {
    writePng(path("label.png"), { data: one(levels, 1), width, height, channels });
  });

  test("choose the class of samples, as in Python", async () => {
    const draws = ["-n", "2", "--seed", "3", "--temperature", "0.5", "--label", "tall"];
    expect(await cvae("sample", bundle, ...draws, "-o", "tall.png")).toEqual(DONE);
    const expected = grid(valuesOf(golden.labelled_cool), [height, width, channels]);
    expect(apart(readPng(path("tall.png")), expected)).toBeLessThanOrEqual(1);
  });

  test("restyle a picture, as in Python", async () => {
    expect(await cvae("restyle", bundle, "label.png", "--label", "tall", "-o", "style.png")).toEqual(DONE);
    const pair = [...one(levels, 1).map((level) => level / 255), ...one(valuesOf(golden.labelled_restyle), 1)];
    expect(apart(readPng(path("style.png")), grid(pair, [height, width, channels], 1))).toBeLessThanOrEqual(1);
  });

  test("change reconstructions and scores", async () => {
    const scores = await Promise.all(
      [[], ["--label", "wide"]].map((label) => cvae("score", bundle, "label.png", ...label)),
    );
    expect(scores.map(({ code }) => code)).toEqual([0, 0]);
    expect(scores[0].out).not.toBe(scores[1].out);
    expect(await cvae("reconstruct", bundle, "label.png", "--label", "wide", "-o", "again.png")).toEqual(DONE);
  });
});

test("samples match the documents' picture", async () => {
  expect(await cvae("sample", BUNDLES.packaged, "--count", "50", "-o", "fifty.png")).toEqual(DONE);
  expect(apart(readPng(path("fifty.png")), readPng(projectPath("docs/images/samples.png")))).toBeLessThanOrEqual(1);
});

test("int8 graphs draw nearly the same", async () => {
  expect(await cvae("sample", BUNDLES.mnist, "--precision", "int8", "-o", "int8.png")).toEqual(DONE);
  expect(await cvae("sample", BUNDLES.mnist, "-o", "float32.png")).toEqual(DONE);
  const difference = apart(readPng(path("int8.png")), readPng(path("float32.png")));
  expect(difference).toBeGreaterThan(0);
  expect(difference).toBeLessThan(64);
});

describe("pictures of every kind", () => {
  const levels = Array.from({ length: 784 }, (_, i) => (i % 28 > 12 && i % 28 < 16 ? 255 : 0)); // a bar
  const form = { width: 28, height: 28 };
  const spread = (of: (level: number) => number[]) => levels.flatMap(of);

  beforeAll(() => {
    writePng(path("grey.png"), { ...form, channels: 1, data: levels });
    writePng(path("opaque.png"), { ...form, channels: 2, data: spread((level) => [level, 255]) });
    writePng(path("hole.png"), { ...form, channels: 2, data: spread((level) => [0, 255 - level]) }); // on white
    writePng(path("light.png"), { ...form, channels: 2, data: spread((level) => [255, level]) }); // on black
    writePng(path("rgb.png"), { ...form, channels: 3, data: spread((level) => [level, level, level]) });
    writePng(path("rgba.png"), { ...form, channels: 4, data: spread((level) => [level, level, level, 255]) });
    const [dark, bright] = [[0, 0, 0], [255, 255, 255]]; // prettier-ignore
    const indices = { ...form, channels: 1, data: levels.map((level) => level / 255) };
    writeIndexed(path("indexed.png"), indices, [dark, bright], []);
    writeIndexed(path("indexed-hole.png"), indices, [dark, dark], [255, 0]);
    writePng(path("deep.png"), { ...form, channels: 1, data: levels }, 16);
    writePng(path("colour.png"), { ...form, channels: 3, data: spread((level) => [level, 0, level]) });
    writePng(path("narrow.png"), { width: 14, height: 56, channels: 1, data: levels });
    writeFileSync(path("text.png"), "no picture");
    const bomb = readFileSync(path("grey.png"));
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    writeFileSync(path("bomb.png"), bomb);
  });

  test("hold the same pixels", async () => {
    const files = ["grey", "opaque", "hole", "light", "rgb", "rgba", "indexed", "indexed-hole"].map(
      (name) => `${name}.png`,
    );
    expect(await cvae("reconstruct", BUNDLES.mnist, ...files, "-o", "kinds.png")).toEqual(DONE);
    expect(await cvae("reconstruct", BUNDLES.mnist, ...files.map(() => "grey.png"), "-o", "greys.png")).toEqual(DONE);
    expect(readPng(path("kinds.png"))).toEqual(readPng(path("greys.png")));
  });

  test("in grey are pictures for a model of colours", async () => {
    const data = Array.from({ length: 192 }, (_, i) => i);
    writePng(path("wide.png"), { width: 16, height: 12, channels: 1, data });
    expect(await cvae("reconstruct", BUNDLES.colour, "wide.png", "-o", "wide-pair.png")).toEqual(DONE);
    const { data: pair, width } = readPng(path("wide-pair.png"));
    const given = data.map((_, i) => pair.slice(3 * ((1 + 2 * (i >> 4)) * width + 1 + 2 * (i % 16))).slice(0, 3));
    expect(given).toEqual(data.map((level) => [level, level, level]));
  });

  test.each([
    ["deep.png", "deep.png: expected 8 bits a channel, found 16; save it as plain grey or RGB"],
    ["colour.png", "colour.png: the model takes grey images, found colour; turn it grey"],
    ["narrow.png", "narrow.png: the model takes 28x28 pixels (width x height), found 14x56; scale or crop the picture"],
    [
      "bomb.png",
      "bomb.png: the model takes 28x28 pixels (width x height), found 60000x60000; scale or crop the picture",
    ],
    ["text.png", "text.png: cannot be read as PNG: wrong PNG signature"],
    ["none.png", "none.png: cannot be read as PNG: ENOENT: no such file or directory, open 'none.png'"],
  ])("%s is refused", async (file, message) => {
    expect(await cvae("score", BUNDLES.mnist, "grey.png", file)).toEqual({
      code: 1,
      out: "",
      err: `Error: ${message}\n`,
    });
  });
});

describe("errors are printed, and nothing is written", () => {
  const usage = /^const USAGE = `(.*?)`;$/ms.exec(readFileSync(path("cvae.js"), "utf8"))?.[1] ?? "no usage";
  const output = ["-o", "wrong.png"];

  test.each([
    ["no command", [], "expected sample, reconstruct, restyle, score, found nothing"],
    ["another command", ["draw"], "expected sample, reconstruct, restyle, score, found draw"],
    ["no bundle", ["sample", ...output], "sample: expected a bundle"],
    ["no output", ["sample", BUNDLES.mnist], "sample: expected -o FILE.png"],
    ["no pictures", ["score", BUNDLES.mnist], "score: expected PNG files after the bundle"],
    ["a picture", ["sample", BUNDLES.mnist, "a.png", ...output], "sample: expected a bundle alone, found a.png"],
    ["no label", ["restyle", BUNDLES.labelled, "a.png", ...output], "restyle: expected --label NAME"],
    ["no number", ["sample", BUNDLES.mnist, "-n", "many", ...output], "--count: expected a number, found many"],
    ["no seed", ["sample", BUNDLES.mnist, "--seed", "x", ...output], "--seed: expected a whole number, found x"],
  ])("usage: %s", async (_, args, message) => {
    expect(await cvae(...args)).toEqual({ code: 2, out: "", err: `Error: ${message}\n${usage}\n` });
  });

  test("usage: an option of another command", async () => {
    const { code, err } = await cvae("sample", BUNDLES.mnist, "--samples", "3", ...output);
    expect(code).toBe(2);
    expect(err).toMatch(/^Error: Unknown option '--samples'/);
  });

  test.each([
    [1, ["-n", "0"], "count must be a whole number of at least 1; found 0"],
    [1, ["-n", "10001"], "--count: expected at most 10000 for one picture, found 10001"],
    [1, ["--seed=-1"], "seed must be an unsigned 64-bit number, 0 to 18446744073709551615; found -1"],
    [1, ["--precision", "float16"], "precision float16: the bundle has graphs in float32, int8; choose one of them"],
    [4, ["--provider", "coreml"], /^Error: this onnxruntime-node has no coreml; it has cpu/],
  ])("exit code %i of %j", async (expected, options, message) => {
    const { code, err } = await cvae("sample", BUNDLES.mnist, ...options, ...output);
    expect(code).toBe(expected);
    if (typeof message === "string") expect(err).toBe(`Error: ${message}\n`);
    else expect(err).toMatch(message);
  });

  test.each([
    ["labelled", "round", 'label must be one of square, tall, wide; found "round"'],
    ["learned", "tall", "the model has no labels: leave label and labels out, or train one with cvae-train --labels"],
  ] as const)("a wrong label of the bundle %s", async (name, label, message) => {
    const args = ["sample", BUNDLES[name], "--label", label, ...output];
    expect(await cvae(...args)).toEqual({ code: 1, out: "", err: `Error: ${message}\n` });
  });

  test("exit code 5: no bundle, a damaged one", async () => {
    const none = await cvae("sample", "nowhere", ...output);
    expect(none.code).toBe(5);
    expect(none.err).toBe(
      "Error: nowhere/manifest.json: cannot be read: ENOENT: no such file or directory, lstat 'nowhere/manifest.json'; " +
        "expected a bundle, a folder that cvae-export makes\n",
    );
    cpSync(BUNDLES.colour, path("damaged"), { recursive: true });
    writeFileSync(path("damaged/decoder.onnx"), "not what was exported");
    const damaged = await cvae("sample", "damaged", ...output);
    expect(damaged.code).toBe(5);
    expect(damaged.err).toMatch(
      /^Error: damaged\/decoder\.onnx: expected \d+ bytes, found 21; get the bundle again\n$/,
    );
  });

  test("an existing file is only replaced with --overwrite", async () => {
    writeFileSync(path("kept.png"), "kept");
    expect(await cvae("sample", BUNDLES.mnist, "-o", "kept.png")).toEqual({
      code: 1,
      out: "",
      err: "Error: kept.png exists already; choose another name or pass --overwrite\n",
    });
    expect(readFileSync(path("kept.png"), "utf8")).toBe("kept");
    expect(await cvae("sample", BUNDLES.mnist, "--overwrite", "-o", "kept.png")).toEqual(DONE);
    expect(readPng(path("kept.png"))).toMatchObject({ width: 229, height: 229, channels: 1 });
  });

  test("a missing folder", async () => {
    expect(await cvae("sample", BUNDLES.mnist, "-o", "none/a.png")).toEqual({
      code: 1,
      out: "",
      err: "Error: none/a.png: cannot be written: ENOENT; check that its folder exists and is writable\n",
    });
  });

  test("other files in the folder stay", async () => {
    writeFileSync(path("beside.png.tmp"), "somebody's");
    expect(await cvae("sample", BUNDLES.mnist, "-o", "beside.png")).toEqual(DONE);
    expect(readFileSync(path("beside.png.tmp"), "utf8")).toBe("somebody's");
    rmSync(path("beside.png.tmp"));
  });

  test("a closed pipe prints no stack", async () => {
    writePng(path("one.png"), { width: 28, height: 28, channels: 1, data: Array.from({ length: 784 }, () => 0) });
    const program = spawn(process.execPath, ["cvae.js", "score", BUNDLES.mnist, "one.png"], { cwd: folder });
    program.stdout.destroy();
    const ended = new Promise<number | null>((resolve) => program.on("close", resolve));
    expect([await text(program.stderr), await ended]).toEqual(["", 1]);
  });

  test("help", async () => {
    const help = { code: 0, out: `${usage}\n`, err: "" };
    expect(await cvae("--help")).toEqual(help);
    expect(await cvae("score", "-h")).toEqual(help);
  });

  afterAll(() => expect(readdirSync(folder).filter((name) => /wrong|\.tmp$|^\.cvae-/.test(name))).toEqual([]));
});
