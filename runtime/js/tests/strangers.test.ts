/** Untrusted bundles, and callers that change their arguments after a call. */

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, describe, expect, test } from "vitest";

import { fromFiles, type BundleSource } from "../src/bundle.ts";
import { loadOn } from "../src/load.ts";
import * as cvae from "../src/node.ts";
import type { Platform } from "../src/ort.ts";
import { BUNDLES, filesOf } from "./golden.ts";
import { changed } from "./stand-in.ts";

const root = mkdtempSync(join(tmpdir(), "cvae-"));
let made = 0;

afterAll(() => rmSync(root, { recursive: true }));

function copy(): string {
  const folder = join(root, String(made++));
  cpSync(BUNDLES.colour, folder, { recursive: true });
  return folder;
}

interface Loose {
  model: { likelihood: string };
  graphs: { file: string; bytes: number; sha256: string }[];
  golden: { file: string; bytes: number; sha256: string };
  versions: Record<string, string>;
}

/** The colour bundle's files, some replaced, with a manifest that describes them. */
function files(
  change: (manifest: Loose) => void = () => undefined,
  replaced: Record<string, string> = {},
  more: number[] = [], // bytes added to the encoder
) {
  const all = filesOf("colour");
  for (const [name, text] of Object.entries(replaced)) all.set(name, new TextEncoder().encode(text));
  all.set("encoder.onnx", new Uint8Array([...(all.get("encoder.onnx") ?? []), ...more]));
  const manifest = JSON.parse(readFileSync(join(BUNDLES.colour, "manifest.json"), "utf8")) as Loose;
  for (const info of [...manifest.graphs, manifest.golden]) {
    const bytes = all.get(info.file) ?? new Uint8Array();
    Object.assign(info, { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") });
  }
  change(manifest);
  return all.set("manifest.json", new TextEncoder().encode(JSON.stringify(manifest)));
}

/** Loads the colour bundle with sessions that return other values for one output. */
async function loadAltered(
  output: string,
  change: (value: number) => number,
  source = fromFiles(filesOf("colour")),
  onCpu = ["cpu"], // otherwise the self-check reads all files
) {
  const stand = changed((value, name) => (name === output ? change(value) : value));
  const platform: Platform = {
    providers: ["cpu"],
    onCpu,
    auto: () => ["cpu"],
    runtime: () => Promise.resolve({ ort: stand, executionProvider: "cpu", threads: 1, remedy: "say another" }),
  };
  return await loadOn(platform, source, {});
}

const IMAGES = Uint8Array.from({ length: 2 * 576 }, (_, i) => (i * 37) % 256);
const NO_IMAGES = new Uint8Array(2 * 576);
const LATENTS = Float32Array.from({ length: 6 }, (_, i) => i / 3 - 1);
const NO_LATENTS = new Float32Array(6);

describe("arguments may be changed after the call", () => {
  const calls: [string, (m: cvae.Model, images: Uint8Array, z: Float32Array) => Promise<unknown>][] = [
    ["encode", (m, images) => m.encode(images)],
    ["encode with a shape", (m, data) => m.encode({ data, shape: [2, 12, 16, 3] })],
    ["encode of a Buffer", (m, images) => m.encode(Buffer.from(images.buffer))],
    ["encode of clamped pixels", (m, images) => m.encode(new Uint8ClampedArray(images.buffer))],
    ["decode", (m, _, z) => m.decode(z)],
    ["decode with a shape", (m, _, data) => m.decode({ data, shape: [2, 3] })],
    ["reconstruct", (m, images) => m.reconstruct(images)],
    ["reconstruct a draw", (m, images) => m.reconstruct(images, { sample: true, seed: 5 })],
    ["score", (m, images) => m.score(images, { samples: 2 })],
    ["interpolate latents", (m, _, z) => m.interpolate(z.subarray(0, 3), z.subarray(3))],
    ["interpolate images", (m, images) => m.interpolate(images.subarray(0, 576), images.subarray(576))],
    ["interpolate both", (m, images, z) => m.interpolate(images.subarray(0, 576), z.subarray(3))],
  ];

  test.each(calls)("%s", async (_, call) => {
    const model = await cvae.load(BUNDLES.colour);
    const expected = await call(model, IMAGES.slice(), LATENTS.slice());
    expect(expected).not.toEqual(await call(model, NO_IMAGES.slice(), NO_LATENTS.slice()));
    const [images, z] = [IMAGES.slice(), LATENTS.slice()];
    const before = model.generate(9); // runs first
    const found = call(model, images, z);
    images.fill(0);
    z.fill(0);
    expect(await found).toEqual(expected);
    await before;
  });

  test("the options of a call", async () => {
    const model = await cvae.load(BUNDLES.colour);
    const options = { seed: 7, first: 3, temperature: 0.5 };
    const found = model.generate(4, options);
    Object.assign(options, { seed: 0, first: 0, temperature: 0 });
    expect(await found).toEqual(await model.generate(4, { seed: 7, first: 3, temperature: 0.5 }));
  });

  test("the files of a bundle", async () => {
    const given = files();
    const loading = cvae.load(given);
    for (const bytes of given.values()) bytes.fill(0);
    given.clear();
    expect((await (await loading).selfCheck()).agrees).toBe(true);
  });
});

describe("invalid outputs of graphs are refused", () => {
  const calls: [string, (m: cvae.Model) => Promise<unknown>][] = [
    ["generate", (m) => m.generate(3)],
    ["decode", (m) => m.decode(LATENTS)],
    ["reconstruct", (m) => m.reconstruct(IMAGES)],
    ["interpolate", (m) => m.interpolate(LATENTS.slice(0, 3), LATENTS.slice(3))],
    ["score", (m) => m.score(IMAGES)],
  ];

  test.each(calls)("%s", async (_, call) => {
    const load = (change: (value: number) => number) => loadAltered("probs", change);
    for (const value of [NaN, Infinity]) {
      await expect(call(await load(() => value))).rejects.toThrow(
        new cvae.BundleError("decoder.onnx: expected a finite probs, found NaN or infinity; export it again"),
      );
    }
    await expect(call(await load(() => 1e9))).rejects.toThrow(
      new cvae.BundleError("decoder.onnx: expected probs in [0, 1], found 1.00e+9 to 1.00e+9; export it again"),
    );
    await expect(call(await load(() => -0.25))).rejects.toThrow(
      new cvae.BundleError("decoder.onnx: expected probs in [0, 1], found -0.250 to -0.250; export it again"),
    );
  });

  test("rounding errors are clipped", async () => {
    let calls = 0;
    const model = await loadAltered("probs", () => (calls++ % 2 ? 1.0005 : -0.0005));
    expect(new Set((await model.generate(4)).data)).toEqual(new Set([0, 1]));
  });

  test("a scale of NaN", async () => {
    const model = await loadAltered("log_scale", () => NaN);
    await expect(model.score(IMAGES)).rejects.toThrow(
      new cvae.BundleError("decoder.onnx: expected a finite log_scale, found NaN or infinity; export it again"),
    );
  });

  test("a posterior of NaN", async () => {
    const model = await loadAltered("logvar", () => NaN);
    await expect(model.encode(IMAGES)).rejects.toThrow(
      new cvae.BundleError("encoder.onnx: expected a finite logvar, found NaN or infinity; export it again"),
    );
  });

  test.each([
    ["logvar", -1e9],
    ["log_scale", -1e9],
  ])("scores under an extreme %s", async (output, value) => {
    const model = await loadAltered(output, () => value);
    await expect(model.score(IMAGES)).rejects.toThrow(
      new cvae.BundleError(
        "encoder.onnx: expected finite scores, found NaN or infinity; the outputs of its graphs are too extreme; " +
          "export the bundle again",
      ),
    );
  });
});

test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
  "the likelihood %s is unknown",
  async (likelihood) => {
    const model = await cvae.load(files((manifest) => (manifest.model.likelihood = likelihood)));
    expect((await model.generate(2)).shape).toEqual([2, 12, 16, 3]);
    const known = "bernoulli, discretized-logistic, discretized-logistic-mixture";
    await expect(model.score(IMAGES)).rejects.toThrow(
      new cvae.InputError(
        `the bundle's likelihood is "${likelihood}", and this version scores ${known}; update cvae-toolkit`,
      ),
    );
  },
);

describe("invalid golden vectors", () => {
  const text = readFileSync(join(BUNDLES.colour, "golden.json"), "utf8");
  const golden = () => JSON.parse(text) as { cases: Record<string, Record<string, Record<string, unknown>>>[] };
  const empty = { dtype: "float32", shape: [0, 12, 16, 3], data: "" };

  test.each<[string, (value: ReturnType<typeof golden>) => void, string]>([
    [
      "empty arrays",
      (value) => value.cases.forEach(({ outputs }) => Object.keys(outputs).forEach((name) => (outputs[name] = empty))),
      "golden.json: not golden vectors: expected values, found none: shape [0, 12, 16, 3]; export the bundle again",
    ],
    [
      "parts of an image",
      (value) => value.cases.forEach(({ inputs }) => Object.values(inputs).forEach((one) => (one.shape = [0.5, 2]))),
      "golden.json: not golden vectors: shape [0.5, 2] does not fit ",
    ],
    [
      "unknown outputs",
      (value) => value.cases.forEach(({ outputs }) => Object.assign(outputs, { toString: Object.values(outputs)[0] })),
      "golden.json: the vectors do not fit encoder.onnx; export the bundle again",
    ],
    [
      "no outputs",
      (value) => value.cases.forEach((one) => (one.outputs = {})),
      "golden.json: the vectors do not fit encoder.onnx; export the bundle again",
    ],
  ])("%s", async (_, change, message) => {
    const value = golden();
    change(value);
    const model = await cvae.load(files(undefined, { "golden.json": JSON.stringify(value) }));
    await expect(model.selfCheck()).rejects.toThrow(cvae.BundleError);
    await expect(model.selfCheck()).rejects.toThrow(message);
  });

  test("lists in lists", async () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    const model = await cvae.load(files(undefined, { "golden.json": `{"cases": ${deep}, "rng": []}` }));
    await expect(model.selfCheck()).rejects.toThrow(
      "golden.json: not golden vectors: lists and objects nested deeper than 64; export the bundle again",
    );
  });
});

describe("a bundle that is replaced", () => {
  test.each([1, 5])("is read again, %d times while it loads", async (times) => {
    const other = files((manifest) => (manifest.versions.more = "1"), {}, [0x32, 1, 0x78]);
    const bundles = [files(), other];
    let turns = 0;
    const source: BundleSource = {
      describe: (file) => file,
      read(file) {
        const bytes = bundles[turns % 2].get(file) ?? new Uint8Array();
        if (file === "manifest.json" && turns < times) turns++;
        return Promise.resolve(new Uint8Array(bytes));
      },
    };
    const model = await loadAltered("none", Number, source, []);
    const manifest = bundles[times % 2].get("manifest.json") ?? "";
    expect(model.sha256).toBe(createHash("sha256").update(manifest).digest("hex"));
  });

  test("afterwards is reported as replaced, not damaged", async () => {
    const folder = copy();
    const model = await cvae.load(folder);
    for (const [name, bytes] of files((manifest) => (manifest.versions.more = "1"), { "golden.json": "{}" })) {
      writeFileSync(join(folder, name), bytes);
    }
    await expect(model.selfCheck()).rejects.toThrow(
      new cvae.BundleError(
        `${join(folder, "golden.json")}: the bundle was replaced after it was loaded; load it again`,
      ),
    );
  });

  test("hundreds of times is never reported as damaged", async () => {
    const [target, next, old] = ["target", "next", "old"].map((name) => join(root, name));
    const variants = [files(), files((manifest) => (manifest.versions.more = "1"), {}, [0x32, 1, 0x78])];
    const folders = variants.map((variant, n) => {
      const folder = join(root, `variant${n}`);
      mkdirSync(folder);
      for (const [name, bytes] of variant) writeFileSync(join(folder, name), bytes);
      return folder;
    });
    symlinkSync(folders[0], target); // replacing a link is atomic, as is swapping two folders where the system can
    let turns = 0;
    const timer = setInterval(() => {
      symlinkSync(folders[++turns % 2], next);
      renameSync(next, target);
    });
    const seen = new Set<string>();
    try {
      for (let reading = 0; reading < 100; reading++) {
        const model = await cvae.load(target);
        seen.add(model.sha256);
        await model.encode(IMAGES).catch((error: unknown) => {
          expect(String(error)).toContain("the bundle was replaced after it was loaded; load it again");
        });
        await model.close();
      }
    } finally {
      clearInterval(timer);
      rmSync(old, { force: true });
    }
    expect(turns).toBeGreaterThan(0);
    expect(seen.size).toBe(2);
  });
});
