#!/usr/bin/env node
// Sample, reconstruct and score with a bundle. README.md explains its use.

import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";

import { BundleError, CvaeError, InputError, load, imageGrid, ProviderError } from "cvae-runtime";
import { convertIndexedToRgb, decode, encode } from "fast-png";

const USAGE = `usage: cvae.js sample BUNDLE [-n 16] [--seed 0] [--first 0] [--temperature 1] -o samples.png
       cvae.js reconstruct BUNDLE PICTURE.png... -o pairs.png
       cvae.js restyle BUNDLE PICTURE.png... --label NAME -o pairs.png
       cvae.js score BUNDLE PICTURE.png... [--samples 1] [--seed 0] [--first 0]
each:  [--label NAME] [--provider auto] [--precision float32]; with -o: [--overwrite]`;

const text = (value, short) => ({ type: "string", default: value, ...(short && { short }) });
const NAME = { type: "string" };
const MODEL = { label: NAME, provider: text("auto"), precision: text("float32"), help: { type: "boolean", short: "h" } };
const DRAWS = { seed: text("0"), first: text("0") };
const OUTPUT = { output: { ...NAME, short: "o" }, overwrite: { type: "boolean" } };
const COMMANDS = {
  sample: { run: sample, options: { ...OUTPUT, ...DRAWS, count: text("16", "n"), temperature: text("1") } },
  reconstruct: { run: reconstruct, options: OUTPUT },
  restyle: { run: restyle, options: OUTPUT },
  score: { run: score, options: { ...DRAWS, samples: text("1") } },
};

const MOST = 10_000; // images in one picture

class UsageError extends Error {}

async function sample(model, _paths, options) {
  const count = number("count", options.count);
  if (count > MOST) throw new InputError(`--count: expected at most ${MOST} for one picture, found ${count}`);
  const draws = { ...drawsOf(options), temperature: number("temperature", options.temperature), label: options.label };
  await writePicture(options.output, await model.generate(count, draws));
}

async function reconstruct(model, paths, options) {
  const pictures = await readImages(paths, model.imageShape);
  await writePairs(options.output, pictures, await model.reconstruct(pictures, { label: options.label }));
}

async function restyle(model, paths, options) {
  if (options.label === undefined) throw new UsageError("restyle: expected --label NAME");
  const pictures = await readImages(paths, model.imageShape);
  await writePairs(options.output, pictures, await model.restyle(pictures, [options.label]));
}

/** Writes one row of originals above one row of results. */
async function writePairs(path, pictures, { data, shape }) {
  const both = new Float32Array(2 * data.length);
  pictures.data.forEach((level, i) => (both[i] = level / 255));
  both.set(data, data.length);
  await writePicture(path, { data: both, shape: [2 * shape[0], ...shape.slice(1)] }, shape[0]);
}

async function score(model, paths, options) {
  const samples = number("samples", options.samples);
  const images = await readImages(paths, model.imageShape);
  const draws = { ...drawsOf(options), samples, label: options.label };
  const { elbo, reconstruction, kl, iwBound } = await model.score(images, draws);
  for (const [i, file] of paths.entries()) {
    const nats = { elbo: elbo[i], reconstruction: reconstruction[i], kl: kl[i], iw_bound: iwBound[i] };
    console.log(JSON.stringify({ file, ...nats }));
  }
}

/** Seeds and indices may have 64 bits, so they are bigints. */
function drawsOf(options) {
  const [seed, first] = ["seed", "first"].map((name) => {
    if (/^-?\d+$/.test(options[name])) return BigInt(options[name]);
    throw new UsageError(`--${name}: expected a whole number, found ${options[name]}`);
  });
  return { seed, first };
}

function number(name, value) {
  if (value.trim() !== "" && !Number.isNaN(Number(value))) return Number(value);
  throw new UsageError(`--${name}: expected a number, found ${value}`);
}

async function readImages(paths, shape) {
  const pictures = await Promise.all(paths.map((path) => readImage(path, shape)));
  return { data: Uint8Array.from(pictures.flatMap((pixels) => [...pixels])), shape: [paths.length, ...shape] };
}

/** The raw pixels of a PNG file for the model; transparent pixels become white, or black if all visible ones are white. */
async function readImage(path, [height, width, channels]) {
  let png, levels;
  const file = await readFile(path).catch((error) => {
    throw new InputError(`${path}: cannot be read as PNG: ${error.message}`);
  });
  // The size is in PNG's header. Check it before decoding: a few kilobytes can unpack to gigabytes.
  const size = file.length < 24 ? [width, height] : [file.readUInt32BE(16), file.readUInt32BE(20)];
  if (file.toString("latin1", 0, 4) === "\x89PNG" && (size[0] !== width || size[1] !== height)) {
    const [expected, found] = [`${width}x${height} pixels (width x height)`, size.join("x")];
    throw new InputError(`${path}: the model takes ${expected}, found ${found}; scale or crop the picture`);
  }
  try {
    png = decode(file);
    levels = png.palette ? convertIndexedToRgb(png) : png.data;
  } catch (error) {
    throw new InputError(`${path}: cannot be read as PNG: ${error.message}`);
  }
  if (!png.palette && (png.depth !== 8 || png.transparency)) {
    const found = png.depth === 8 ? "a transparent colour" : `${png.depth}`;
    throw new InputError(`${path}: expected 8 bits a channel, found ${found}; save it as plain grey or RGB`);
  }
  const stored = levels.length / (width * height); // 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA
  const paper = stored % 2 ? 255 : paperBelow(levels, stored);
  const pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const alpha = stored % 2 ? 1 : levels[stored * (i + 1) - 1] / 255;
    const colour = [0, 1, 2].map((c) => levels[stored * i + (stored < 3 ? 0 : c)] * alpha + paper * (1 - alpha));
    if (channels === 1 && colour.some((level) => level !== colour[0])) {
      throw new InputError(`${path}: the model takes grey images, found colour; turn it grey`);
    }
    pixels.set(colour.slice(0, channels).map(Math.round), channels * i);
  }
  return pixels;
}

/** The grey level behind transparent pixels: white, or black if all visible pixels are white. */
function paperBelow(levels, stored) {
  const pixels = Array.from({ length: levels.length / stored }, (_, i) => levels.subarray(stored * i, stored * (i + 1)));
  const varied = pixels.some((pixel) => pixel.at(-1) !== pixels[0].at(-1));
  return varied && pixels.every((pixel) => pixel.at(-1) === 0 || Math.min(...pixel.subarray(0, -1)) >= 250) ? 0 : 255;
}

/** Writes a grid atomically, at the same size as cvae-generate: pixels of small images are doubled. */
async function writePicture(path, images, columns) {
  const [, imageHeight, imageWidth, channels] = images.shape;
  const scale = Math.max(imageHeight, imageWidth) <= 64 ? 2 : 1;
  const { data, width, height } = imageGrid(images, { scale, ...(columns && { columns }) });
  const levels = data.filter((_, i) => i % 4 < channels);
  // Write in a new folder: any file name beside the target may be in use.
  const folder = await mkdtemp(join(dirname(path), ".cvae-")).catch((error) => {
    throw new InputError(`${path}: cannot be written: ${error.code}; check that its folder exists and is writable`);
  });
  try {
    const whole = join(folder, basename(path));
    await writeFile(whole, encode({ data: levels, width, height, channels }));
    await rename(whole, path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function main([name, ...args]) {
  if (["-h", "--help"].includes(name)) return console.log(USAGE);
  if (!Object.hasOwn(COMMANDS, name ?? "")) {
    throw new UsageError(`expected ${Object.keys(COMMANDS).join(", ")}, found ${name ?? "nothing"}`);
  }
  const { run, options } = COMMANDS[name];
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { ...options, ...MODEL } });
  const [bundle, ...paths] = positionals;
  if (values.help) return console.log(USAGE);
  if (bundle === undefined) throw new UsageError(`${name}: expected a bundle`);
  if (run === sample && paths.length > 0) throw new UsageError(`sample: expected a bundle alone, found ${paths[0]}`);
  if (run !== sample && paths.length === 0) throw new UsageError(`${name}: expected PNG files after the bundle`);
  if ("output" in options && !values.output) throw new UsageError(`${name}: expected -o FILE.png`);
  if (values.output && !values.overwrite && existsSync(values.output)) {
    throw new InputError(`${values.output} exists already; choose another name or pass --overwrite`);
  }
  const model = await load(bundle, { provider: values.provider, precision: values.precision });
  await run(model, paths, values);
  await model.close();
}

process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(1); // the reader has closed the pipe: `| head`
});
try {
  await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof UsageError || String(error.code).startsWith("ERR_PARSE_ARGS");
  if (!usage && !(error instanceof CvaeError) && error.syscall === undefined) throw error; // a bug: show the stack
  const text = error.message.replace(/[^\P{Cc}\n\t]/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  console.error(`Error: ${text}${usage ? `\n${USAGE}` : ""}`);
  process.exitCode = usage ? 2 : error instanceof ProviderError ? 4 : error instanceof BundleError ? 5 : 1;
}
