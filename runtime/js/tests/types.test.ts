/** The declarations of the built package, as TypeScript reads them in other projects. */

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { linkPackages, temporaryFolder } from "./examples/example.ts";
import { projectPath } from "./golden.ts";

const folder = temporaryFolder();
const readme = readFileSync(projectPath("runtime/js/README.md"), "utf8");

beforeAll(() => {
  linkPackages(folder, { "cvae-runtime": "file:", "@types/node": "20.19.43", "undici-types": "6.21.0" });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The programs of the README's section on CommonJS. */
function programs(language: "js" | "ts"): string[] {
  const [, section = ""] = /^## CommonJS\n(.*?)^## /ms.exec(readme) ?? [];
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, program]) => program);
}

/** The errors of a program; its declarations are checked, too. */
function errorsOf(name: string, program: string, options: ts.CompilerOptions): string[] {
  const file = join(folder, name);
  writeFileSync(file, program);
  const checked = ts.createProgram([file], {
    noEmit: true,
    strict: true,
    target: ts.ScriptTarget.ES2022,
    types: ["node"],
    typeRoots: [join(folder, "node_modules/@types")],
    ...options,
  });
  return ts
    .getPreEmitDiagnostics(checked)
    .map(({ code, messageText }) => `TS${code}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
}

const STATIC = `
import { imageGrid, load, toUint8, type Images, type Model } from "cvae-runtime";

export async function run(): Promise<Images> {
  const model: Model = await load("my-model");
  const images = await model.generate(2, { seed: 7 });
  await model.score(images, { samples: 10 });
  const levels: Uint8Array<ArrayBuffer> = toUint8(images);
  await model.encode(levels);
  await model.encode(imageGrid(images));
  return images;
}
`;

describe("without the library DOM", () => {
  const lib = ["lib.es2022.d.ts"];

  test.each([
    ["node16", ts.ModuleKind.Node16, false],
    ["node18", ts.ModuleKind.Node18, false],
    ["node20", ts.ModuleKind.Node20, true],
    ["nodenext", ts.ModuleKind.NodeNext, true],
  ] as const)("under module %s", (_, module, requires) => {
    expect(errorsOf("module.mts", STATIC, { module, lib })).toEqual([]);
    const [dynamic] = programs("ts");
    expect(errorsOf("dynamic.cts", dynamic, { module, lib })).toEqual([]);
    const found = errorsOf("static.cts", STATIC, { module, lib });
    expect(found.map((error) => error.split(":")[0])).toEqual(requires ? [] : ["TS1479"]);
  });
});

test("in a browser, without the types of Node.js", () => {
  const lib = ["lib.es2022.d.ts", "lib.dom.d.ts"];
  const program = `${STATIC}
export async function draw(context: CanvasRenderingContext2D): Promise<void> {
  const model = await load(new URL("my-model/", location.href), { provider: "wasm" });
  const { data, width, height } = imageGrid(await model.generate(1));
  context.putImageData(new ImageData(data, width, height), 0, 0);
  await model.encode([context.getImageData(0, 0, 28, 28)]);
}`;
  const options = { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, lib, types: [] };
  expect(errorsOf("browser.ts", program, options)).toEqual([]);
});

test("misspelt options are errors", () => {
  const program = STATIC.replace("{ seed: 7 }", "{ seeds: 7 }");
  const [error] = errorsOf("misspelt.mts", program, { module: ts.ModuleKind.NodeNext });
  expect(error).toMatch(/^TS2561: .*'seeds' does not exist in type .*Did you mean to write 'seed'\?$/);
});

test("CommonJS requires the package", () => {
  const [program] = programs("js");
  expect(program).toContain('require("cvae-runtime")');
  const file = join(folder, "required.cjs");
  writeFileSync(file, `const { load } = require("cvae-runtime");\nconsole.log(typeof load);\n`);
  expect(execFileSync(process.execPath, ["--no-warnings", file], { encoding: "utf8" })).toBe("function\n");
});
