import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, describe, expect, test } from "vitest";

import * as cvae from "../src/node.ts";
import { expectPythons } from "./expectations.ts";
import { BUNDLES, filesOf, readGolden, valuesOf } from "./golden.ts";
import { numbersOf } from "./numbers.ts";

const folders: string[] = [];

afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** A copy of the colour bundle, to damage. */
function copy(): string {
  const folder = mkdtempSync(join(tmpdir(), "cvae-"));
  folders.push(folder);
  cpSync(BUNDLES.colour, folder, { recursive: true });
  return folder;
}

describe.each(["mnist", "colour", "mixture", "residual", "learned", "labelled", "detector"] as const)(
  "the bundle %s",
  (name) => {
    const golden = readGolden(name);
    const asked = { seed: golden.seed, first: golden.first, images: valuesOf(golden.images) };

    test("matches Python", async () => {
      const model = await cvae.load(BUNDLES[name]);
      const found = await numbersOf(model, asked);
      expectPythons(found, golden);
      const rest = Object.keys(golden).filter((key) => !(key in found));
      expect(rest).toEqual(["seed", "first", "images"]); // the arguments
      await model.close();
    });

    test("passes its self-check", async () => {
      const model = await cvae.load(BUNDLES[name]);
      const check = await model.selfCheck();
      expect(check.results.filter(({ agrees }) => !agrees)).toEqual([]);
      expect(check).toMatchObject({ provider: "cpu", agrees: true });
      const checked = check.results.map(({ file }) => file);
      expect(checked).toEqual(
        expect.arrayContaining(["rng", ...Object.values(model.receipt().graphs).map(({ file }) => file)]),
      );
      await model.close();
    });
  },
);

test("threads, repeats and concurrent calls change no bit", async () => {
  const [one, two] = [await cvae.load(BUNDLES.mnist, { threads: 1 }), await cvae.load(BUNDLES.mnist, { threads: 2 })];
  const asked = [5, 6].map((seed) => two.generate(40, { seed }));
  const [five, six] = await Promise.all(asked);
  expect(five).toEqual(await one.generate(40, { seed: 5 }));
  expect(six).toEqual(await two.generate(40, { seed: 6 }));
  expect([one.threads, two.threads]).toEqual([1, Math.min(2, availableParallelism())]);
});

test("a sample does not depend on its call", async () => {
  const model = await cvae.load(BUNDLES.mnist);
  const many = await model.generate(41, { seed: 7 });
  const last = await model.generate(1, { seed: 7, first: 40 });
  const apart = Array.from(last.data, (value, i) => Math.abs(value - many.data[40 * 784 + i]));
  expect(Math.max(...apart)).toBeLessThan(1e-6);
});

test("extreme latents are decoded or refused", async () => {
  const model = await cvae.load(BUNDLES.mnist);
  const { data } = await model.decode(new Float32Array(50).fill(1e30));
  expect(data.every((value) => value >= 0 && value <= 1)).toBe(true);
  await expect(model.decode(new Float32Array(50).fill(3.4028234663852886e38))).rejects.toThrow(
    `${join(BUNDLES.mnist, model.graphs.decoder.file)}: expected latents whose outputs fit float32, found values ` +
      "up to 3.40e+38; use smaller latents or a lower temperature",
  );
  await model.close();
});

test("int8 graphs are chosen if they exist", async () => {
  const model = await cvae.load(BUNDLES.mnist, { precision: "int8" });
  expect(model.receipt()).toMatchObject({
    provider: { requested: "auto", actual: "cpu", why: "the best that works here" },
    graphs: {
      encoder: { file: "encoder.onnx", precision: "float32" },
      decoder: { file: "decoder_cpu_int8.onnx", precision: "int8" },
    },
  });
  expect((await model.selfCheck()).agrees).toBe(true);
});

test("a bundle loads from a path, a file URL and files in memory", async () => {
  const folder = BUNDLES.colour;
  const files = filesOf("colour");
  const blobs = new Map([...files].map(([name, bytes]) => [name, new Blob([new Uint8Array(bytes)])]));
  const found = [];
  for (const source of [folder, pathToFileURL(`${folder}/`), pathToFileURL(folder).href, files, blobs]) {
    found.push((await (await cvae.load(source)).generate(1)).data);
  }
  for (const other of found) expect(other).toEqual(found[0]);
});

test.each([
  [undefined, "undefined"],
  [null, "null"],
  [{}, "Object"],
  [7, "7"],
])("the source %s is refused", async (source, name) => {
  await expect(cvae.load(source as never)).rejects.toThrow(
    new cvae.InputError(`a bundle must be a path, a URL or a Map of files; found ${name}`),
  );
});

test("a failed request is an error", async () => {
  await expect(cvae.load("http://127.0.0.1:1/model")).rejects.toThrow(
    /^http:\/\/127\.0\.0\.1:1\/model\/manifest\.json: cannot be read: fetch failed: .+; expected a bundle, /,
  );
});

test("threads are limited to cores", async () => {
  const model = await cvae.load(BUNDLES.colour, { threads: 100_000 });
  expect(model.threads).toBe(availableParallelism());
});

test("interpolate accepts the input of decode", async () => {
  const model = await cvae.load(BUNDLES.colour);
  const { mean } = await model.encode(new Uint8Array(576));
  const end = new Float32Array(3);
  expect(await model.interpolate(mean, end)).toEqual(await model.interpolate(mean.data, end));
});

test("images of a model are the input of its methods", async () => {
  const model = await cvae.load(BUNDLES.colour);
  const images = await model.generate(3, { seed: 7 });
  const pixels = { data: cvae.toUint8(images), shape: images.shape };
  expect(await model.encode(images)).toEqual(await model.encode(pixels));
  expect(await model.score(images, { samples: 2 })).toEqual(await model.score(pixels.data, { samples: 2 }));
  expect(await model.reconstruct(images)).toEqual(await model.reconstruct(pixels));
  const [one, other] = [await model.generate(1), await model.generate(1, { first: 1 })];
  expect(await model.interpolate(one, other)).toEqual(await model.interpolate(cvae.toUint8(one), cvae.toUint8(other)));
  expect(await model.rankDimensions(one)).toEqual(await model.rankDimensions(cvae.toUint8(one)));
});

test("transparent pictures become white and grey", async () => {
  const model = await cvae.load(BUNDLES.mnist);
  const data = new Uint8ClampedArray(4 * 784);
  for (let i = 0; i < 784; i++) data.set(i % 2 ? [0, 0, 0, 0] : [250, 10, 130, 255], 4 * i);
  const picture = { data, width: 28, height: 28 } as unknown as ImageData;
  const grey = Uint8Array.from({ length: 784 }, (_, i) => (i % 2 ? 255 : 95)); // 0.299 * 250 + 0.587 * 10 + 0.114 * 130
  expect(await model.encode(picture)).toEqual(await model.encode(grey));
  expect(await model.encode([picture, picture])).toEqual(await model.encode(new Uint8Array([...grey, ...grey])));
});

test("transparent white glyphs get a black background", async () => {
  const model = await cvae.load(BUNDLES.mnist);
  const drawn = (glyph: number[]) => {
    const data = new Uint8ClampedArray(4 * 784);
    for (let i = 0; i < 784; i++) data.set(i % 3 ? [9, 9, 9, 0] : glyph, 4 * i);
    return { data, width: 28, height: 28 } as unknown as ImageData;
  };
  const on = (ink: number, paper: number) => Uint8Array.from({ length: 784 }, (_, i) => (i % 3 ? paper : ink));
  expect(await model.encode(drawn([255, 252, 250, 255]))).toEqual(await model.encode(on(253, 0)));
  expect(await model.encode(drawn([0, 0, 0, 255]))).toEqual(await model.encode(on(0, 255)));
  const opaque = { data: new Uint8ClampedArray(4 * 784).fill(255), width: 28, height: 28 } as unknown as ImageData;
  expect(await model.encode(opaque)).toEqual(await model.encode(on(255, 255)));
});

describe("invalid arguments are refused", () => {
  const raw = "raw pixels 0 to 255 of images of shape [12, 16, 3]";
  const cases: [string, (model: cvae.Model) => Promise<unknown>, string][] = [
    ["no images", (m) => m.encode([]), "images must hold at least one image; found none"],
    ["no pixels", (m) => m.encode(new Uint8Array()), "images must hold at least one image; found none"],
    ["null", (m) => m.encode(null as never), `images must be a Uint8Array of ${raw}; found null`],
    [
      "floats",
      (m) => m.score(new Float32Array(576) as never),
      `images must be a Uint8Array of ${raw}; found Float32Array: pass { data, shape } if they are images in [0, 1]`,
    ],
    [
      "floats of another shape",
      (m) => m.score({ data: new Float32Array(576), shape: [1, 16, 12, 3] }),
      `images must be ${raw}; found 576 values of shape [1, 16, 12, 3]`,
    ],
    [
      "floats above 1",
      (m) => m.encode({ data: new Float32Array(576).fill(255), shape: [1, 12, 16, 3] }),
      "images must be uint8, or floats in [0, 1]; found 255.000: scale or convert them",
    ],
    [
      "a misspelt option",
      (m) => m.generate(1, { temprature: 0.5 } as never),
      'options of generate must be among seed, first, temperature, label, labels; found "temprature": write temperature',
    ],
    [
      "an option of Python",
      (m) => m.score(new Uint8Array(576), { k: 10 } as never),
      'options of score must be among samples, seed, first, label, labels; found "k": leave it out',
    ],
    [
      "a seed in the place of options",
      (m) => m.generate(1, 7 as never),
      "options of generate must be an object with seed, first, temperature, label, labels; found 7",
    ],
    ["a part", (m) => m.encode(new Uint8Array(577)), `images must be ${raw}, 576 values each; found 577 values`],
    [
      "a shape",
      (m) => m.encode({ data: new Uint8Array(576), shape: [1, 16, 12, 3] }),
      `images must be ${raw}; found 576 values of shape [1, 16, 12, 3]`,
    ],
    [
      "a picture's size",
      (m) => m.encode({ data: new Uint8ClampedArray(16), width: 2, height: 2 }),
      `images must be ${raw}; found an ImageData of 2 x 2`,
    ],
    ["a list", (m) => m.encode([3] as never), `images must be ${raw}; found a list that holds 3`],
    ["doubles", (m) => m.decode([0, 0, 0] as never), "latents must be a Float32Array of N * 3 values; found Array"],
    ["four", (m) => m.decode(new Float32Array(4)), "latents must be a Float32Array of N * 3 values; found 4 values"],
    ["NaN", (m) => m.decode(new Float32Array([0, NaN, 0])), "latents must be finite; found NaN or infinity"],
    ["none", (m) => m.generate(0), "count must be a whole number of at least 1; found 0"],
    [
      "too many",
      (m) => m.generate(2 ** 40),
      "count must be at most 2147483647; found 1099511627776: ask for it in parts",
    ],
    [
      "more than memory",
      (m) => m.generate(2 ** 31 - 1),
      "2147483647 images take 4608.0 GiB, more than is available; make them in parts, with first",
    ],
    ["heat", (m) => m.generate(1, { temperature: -1 }), "temperature must be a finite number of at least 0; found -1"],
    [
      "draws",
      (m) => m.score(new Uint8Array(576), { samples: 0 }),
      "samples must be a whole number of at least 1; found 0",
    ],
    [
      "two ends",
      (m) => m.interpolate(new Float32Array(6), new Float32Array(3)),
      "an end must be one latent or one image; found 2",
    ],
    [
      "one step",
      (m) => m.interpolate(new Float32Array(3), new Float32Array(3), { steps: 1 }),
      "steps must be a whole number of at least 2; found 1",
    ],
    [
      "a method",
      (m) => m.interpolate(new Float32Array(3), new Float32Array(3), { method: "cubic" as never }),
      'method must be one of linear, spherical; found "cubic"',
    ],
  ];
  const loaded = cvae.load(BUNDLES.colour);

  test.each(cases)("%s", async (_, call, message) => {
    await expect(call(await loaded)).rejects.toThrow(new cvae.InputError(message));
  });

  test("a closed model", async () => {
    const model = await cvae.load(BUNDLES.colour);
    await Promise.all([model.generate(1), model.close()]);
    await model.close();
    await expect(model.generate(1)).rejects.toThrow(new cvae.InputError("the model is closed; load it again"));
  });

  test("a provider, a precision or a number of threads that does not exist", async () => {
    const load = (options: object) => cvae.load(BUNDLES.colour, options);
    await expect(load({ provider: "gpu" })).rejects.toThrow(
      new cvae.InputError('provider must be one of auto, cpu, cuda, tensorrt, webgpu, coreml, directml; found "gpu"'),
    );
    await expect(load({ precision: "int4" })).rejects.toThrow(
      new cvae.InputError('precision must be one of float32, float16, int8; found "int4"'),
    );
    await expect(load({ precision: "int8" })).rejects.toThrow(
      new cvae.InputError("precision int8: the bundle has graphs in float32; choose one of them"),
    );
    await expect(load({ threads: 0 })).rejects.toThrow(
      new cvae.InputError("threads must be a whole number of at least 1; found 0"),
    );
  });

  test("a misspelt option of load or imageGrid", async () => {
    await expect(cvae.load(BUNDLES.colour, { Threads: 1 } as never)).rejects.toThrow(
      new cvae.InputError(
        'options of load must be among provider, precision, threads, wasm, onNotice; found "Threads": write threads',
      ),
    );
    await expect(cvae.load(BUNDLES.colour, { wasm: { wasm_path: "x" } } as never)).rejects.toThrow(
      new cvae.InputError(
        'options of load, wasm, must be among wasmPath, wasmBinary; found "wasm_path": write wasmPath',
      ),
    );
    const images = { data: new Uint8Array(1), shape: [1, 1, 1, 1] };
    expect(() => cvae.imageGrid(images, { column: 1 } as never)).toThrow(
      new cvae.InputError('options of imageGrid must be among columns, padding, scale; found "column": write columns'),
    );
  });

  test("a missing provider", async () => {
    const attempt = cvae.load(BUNDLES.colour, { provider: "coreml" });
    await expect(attempt).rejects.toThrow(cvae.ProviderError);
    await expect(attempt).rejects.toThrow(
      /^this onnxruntime-node has no coreml; it has cpu.*; install a build with it, or use cpu$/,
    );
  });
});

describe("a damaged bundle is refused", () => {
  test("no bundle", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cvae-"));
    folders.push(folder);
    const path = join(folder, "manifest.json");
    await expect(cvae.load(folder)).rejects.toThrow(
      new cvae.BundleError(
        `${path}: cannot be read: ENOENT: no such file or directory, lstat '${path}'; ` +
          "expected a bundle, a folder that cvae-export makes",
      ),
    );
  });

  test("a changed byte", async () => {
    const folder = copy();
    const path = join(folder, "decoder.onnx");
    const bytes = readFileSync(path);
    bytes[100] ^= 1;
    writeFileSync(path, bytes);
    const attempt = (await cvae.load(folder)).generate(1);
    await expect(attempt).rejects.toThrow(cvae.IntegrityError);
    await expect(attempt).rejects.toThrow(
      /decoder\.onnx: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}; the file was changed or damaged: get the bundle again$/,
    );
  });

  test.each([
    ["shorter", 3, /encoder\.onnx: expected \d+ bytes, found 3; get the bundle again$/],
    ["longer", 100_000, /encoder\.onnx: expected \d+ bytes, found more; get the bundle again$/],
  ])("a file that is %s", async (_, size, message) => {
    const folder = copy();
    writeFileSync(join(folder, "encoder.onnx"), new Uint8Array(size));
    await expect((await cvae.load(folder)).encode(new Uint8Array(576))).rejects.toThrow(message);
  });

  test("a missing file, a link", async () => {
    const folder = copy();
    const path = join(folder, "encoder.onnx");
    rmSync(path);
    const model = await cvae.load(folder); // the decoder is there
    expect((await model.generate(1)).shape).toEqual([1, 12, 16, 3]);
    const missing = model.encode(new Uint8Array(576));
    await expect(missing).rejects.toThrow(cvae.IntegrityError);
    await expect(missing).rejects.toThrow(
      `${path}: cannot be read: ENOENT: no such file or directory, lstat '${path}'; get the bundle again`,
    );
    symlinkSync(join(BUNDLES.colour, "encoder.onnx"), path);
    await expect((await cvae.load(folder)).encode(new Uint8Array(576))).rejects.toThrow(
      new cvae.IntegrityError(
        `${path}: expected a file, found a link; copy the bundle without links: cp -RL ${folder} COPY`,
      ),
    );
  });

  test("a linked manifest in a folder whose name needs quotes", async () => {
    const folder = join(copy(), "it's a cache");
    mkdirSync(folder);
    symlinkSync(join(BUNDLES.colour, "manifest.json"), join(folder, "manifest.json"));
    const attempt = cvae.load(folder);
    await expect(attempt).rejects.toThrow(cvae.IntegrityError);
    await expect(attempt).rejects.toThrow(
      `copy the bundle without links: cp -RL '${folder.replace("'", `'"'"'`)}' COPY`,
    );
  });

  test("a file instead of a folder", async () => {
    const folder = copy();
    const expected = "expected a bundle, a folder with manifest.json, found a file";
    const part = join(folder, "decoder.onnx");
    await expect(cvae.load(part)).rejects.toThrow(
      new cvae.BundleError(`${part}: ${expected} of a bundle; pass its folder: ${folder}`),
    );
    rmSync(join(folder, "manifest.json"));
    await expect(cvae.load(part)).rejects.toThrow(new cvae.BundleError(`${part}: ${expected}; cvae-export makes one`));
  });

  test("missing golden vectors", async () => {
    const files = filesOf("colour");
    files.delete("golden.json");
    const model = await cvae.load(files);
    await expect(model.selfCheck()).rejects.toThrow(
      new cvae.IntegrityError(
        "golden.json: is not among the files: manifest.json, encoder.onnx, decoder.onnx; get the bundle again",
      ),
    );
  });
});

test("telemetry is off and stores nothing", () => {
  const home = mkdtempSync(join(tmpdir(), "cvae-"));
  folders.push(home);
  const library = JSON.stringify(new URL("../dist/node.js", import.meta.url));
  const program = `const { load } = await import(${library});
    const model = await load(process.argv[1]);
    console.log((await model.generate(1)).shape, process.env.ORT_DISABLE_TELEMETRY);`;
  const environment: NodeJS.ProcessEnv = { ...process.env, HOME: home };
  delete environment.ORT_DISABLE_TELEMETRY;
  delete environment.XDG_CACHE_HOME;
  const options = { env: environment, encoding: "utf8" } as const;
  const told = execFileSync(process.execPath, ["--input-type=module", "-e", program, BUNDLES.colour], options);
  expect(told).toMatch(/ 1\n$/);
  expect(readdirSync(home)).toEqual([]);
});
