import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { BundleError } from "../src/api.ts";
import { refuseOtherThanPlainGraph } from "../src/plain-graph.ts";
import { BUNDLES } from "./golden.ts";

/** A field of a protobuf message that holds bytes: another message. */
function field(number: number, ...content: number[][]): number[] {
  const bytes = content.flat();
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
}

function varint(number: number): number[] {
  return number < 128 ? [number] : [(number % 128) + 128, ...varint(Math.floor(number / 128))];
}

// Fields of onnx.proto.
const graph = (...content: number[][]) => field(7, ...content);
const node = (...content: number[][]) => field(1, ...content);
const attribute = (...content: number[][]) => field(5, ...content);
const initializer = (...content: number[][]) => field(5, ...content);
const locatedElsewhere = [14 * 8, 1];

const ELSEWHERE = "keeps tensors in another file, which a bundle must not; save it in one file";

test.each(["encoder.onnx", "decoder.onnx", "decoder_cpu.onnx", "decoder_cpu_int8.onnx"])("%s is plain", (file) => {
  expect(() => refuseOtherThanPlainGraph(readFileSync(join(BUNDLES.mnist, file)), file)).not.toThrow();
});

test.each<[string, number[], string]>([
  ["external data by its location", graph(initializer(locatedElsewhere)), ELSEWHERE],
  ["external data by its key", graph(initializer(field(13, [1]))), ELSEWHERE],
  ["external data in an attribute", graph(node(attribute(field(5, locatedElsewhere)))), ELSEWHERE],
  ["external data of a sparse tensor", graph(field(15, field(1, locatedElsewhere))), ELSEWHERE],
  ["external data in training information", field(20, field(1, initializer(locatedElsewhere))), ELSEWHERE],
  [
    "a loop",
    graph(node(attribute(field(6, node())))),
    "expected a plain graph without control flow, found a node with a graph of its own; export it without",
  ],
  [
    "branches",
    graph(node(attribute(field(11, node())))),
    "expected a plain graph without control flow, found a node with a graph of its own; export it without",
  ],
  ["a function", field(25), "expected a plain graph without control flow, found functions; export it without"],
  ["a message that is cut short", [...varint(7 * 8 + 2), 9, 1], "not an ONNX file: cut short; export the bundle again"],
  ["a number that is cut short", [0x88], "not an ONNX file: cut short; export the bundle again"],
  ["a wire type", [0x0b], "not an ONNX file: unknown wire type 3; export the bundle again"],
  [
    "a large field number",
    [0xff, 0xff, 0xff, 0xff, 0x7f],
    "not an ONNX file: a field number of more than 29 bits; export the bundle again",
  ],
  [
    "a large number",
    [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    "not an ONNX file: a number of more than 64 bits; export the bundle again",
  ],
  [
    "graphs in graphs",
    Array.from({ length: 40 }).reduce<number[]>((inner) => field(1, attribute(field(6, inner))), []),
    "not an ONNX file: messages nested deeper than 64; export the bundle again",
  ],
])("%s is refused", (_, bytes, message) => {
  const model = _ === "graphs in graphs" ? graph(bytes) : bytes;
  expect(() => refuseOtherThanPlainGraph(Uint8Array.from(model), "a.onnx")).toThrow(
    new BundleError(`a.onnx: ${message}`),
  );
});
