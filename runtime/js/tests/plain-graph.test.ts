import { readFileSync } from "node:fs";
import { join } from "node:path";

import { expect, test } from "vitest";

import { BundleError } from "../src/api.ts";
import { refuseOtherThanPlainGraph } from "../src/plain-graph.ts";
import { BUNDLES } from "./golden.ts";

/** A field of a protobuf message with bytes: a nested message. */
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

const ELSEWHERE = "expected all tensors in the file, found some in another file; save it in one file";

test.each(["encoder.onnx", "decoder.onnx", "decoder_cpu.onnx", "decoder_cpu_int8.onnx"])("%s is plain", (file) => {
  expect(() => refuseOtherThanPlainGraph(readFileSync(join(BUNDLES.mnist, file)), file)).not.toThrow();
});

/** A field with a number. */
const number = (field: number, value: number) => [...varint(field * 8), value];
const text = (value: string) => [...new TextEncoder().encode(value)];

const SUBGRAPH = "expected a plain graph without control flow, found a node with a graph of its own; export it without";
const damaged = (why: string) => `not an ONNX file: ${why}; export the bundle again`;
const domain = (name: string) =>
  `expected operators of the default domain alone, found the domain "${name}"; export it without`;
const random = (name: string) => `expected no random operators, found ${name}; export it without`;

test.each<[string, number[], string]>([
  ["external data by its location", graph(initializer(locatedElsewhere)), ELSEWHERE],
  ["external data by its key", graph(initializer(field(13, [1]))), ELSEWHERE],
  ["external data in an attribute", graph(node(attribute(field(5, locatedElsewhere)))), ELSEWHERE],
  ["external data of a sparse tensor", graph(field(15, field(1, locatedElsewhere))), ELSEWHERE],
  ["a loop", graph(node(attribute(field(6, node())))), SUBGRAPH],
  ["branches", graph(node(attribute(field(11, node())))), SUBGRAPH],
  ["a function", field(25), "expected a plain graph without control flow, found functions; export it without"],
  [
    "training information",
    [...graph(), ...field(20)],
    "expected a plain graph alone, found training information; export it without",
  ],
  ["an operator of another domain", graph(node(field(7, text("com.microsoft")))), domain("com.microsoft")],
  ["an import of another domain", [...field(8, field(1, text("x".repeat(99)))), ...graph()], domain("x".repeat(60))],
  ["an operator that draws", graph(node(field(4, text("RandomUniformLike")))), random("RandomUniformLike")],
  [
    "a dropout in training",
    graph(node(field(1, text("x")), field(1), field(1, text("on")), field(4, text("Dropout")))),
    random("Dropout"),
  ],
  [
    "ONNX Runtime's own format",
    [8, 8, 10, 4, ...text("ORTM"), ...graph()],
    "expected an ONNX file, found ONNX Runtime's own format; export the bundle again",
  ],
  ["no graph", [], damaged("expected a graph, found none")],
  ["two graphs", [...graph(), ...graph()], damaged("ModelProto has field 7 twice")],
  ["an unknown field", [...graph(), ...field(99)], damaged("ModelProto has an unknown field 99 of wire type 2")],
  ["another wire type", [10, 1, 97, ...graph()], damaged("ModelProto has an unknown field 1 of wire type 2")],
  ["two operators", graph(node(field(4, text("If")), field(4, text("Add")))), damaged("NodeProto has field 4 twice")],
  ["a message that is cut short", [...varint(7 * 8 + 2), 9, 1], damaged("cut short")],
  ["a number that is cut short", [0x88], damaged("cut short")],
  ["a wire type", [0x0b], damaged("unknown wire type 3")],
  ["a large field number", [0xff, 0xff, 0xff, 0xff, 0x7f], damaged("a field number of more than 29 bits")],
  [
    "a large number",
    [8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    damaged("a number of more than 64 bits"),
  ],
])("%s is refused", (_, bytes, message) => {
  expect(() => refuseOtherThanPlainGraph(Uint8Array.from(bytes), "a.onnx")).toThrow(
    new BundleError(`a.onnx: ${message}`),
  );
});

test.each<[string, number[]]>([
  ["a dropout that passes", node(field(1, text("x")), field(1), field(1), field(4, text("Dropout")))],
  ["numbers in lists, packed or not", field(5, field(1, [1, 2]), number(1, 3), number(2, 1))],
])("%s is not refused", (_, content) => {
  expect(() => refuseOtherThanPlainGraph(Uint8Array.from(graph(content)), "a.onnx")).not.toThrow();
});
