/**
 * Refuses ONNX files that are more than a plain graph: tensors kept in another file, which could make a runtime read any
 * file; and control flow or functions, which could run for ever. Walks the protobuf messages of onnx.proto by their field
 * numbers.
 */

import { BundleError, EXPORT_AGAIN, messageOf } from "./errors.ts";

const MAX_DEPTH = 64;
const [EXTERNAL_DATA, DATA_LOCATION] = [13, 14]; // fields of TensorProto
const FUNCTIONS = 25; // of ModelProto
const SUBGRAPHS = [6, 11]; // of AttributeProto

// Message -> field number -> message: the fields that can lead to a tensor.
const PATHS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  Model: { 7: "Graph", 20: "Training", 25: "Function" },
  Training: { 1: "Graph", 2: "Graph" },
  Function: { 7: "Node", 11: "Attribute" },
  Graph: { 1: "Node", 5: "Tensor", 15: "SparseTensor" },
  Node: { 5: "Attribute" },
  Attribute: { 5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor" },
  SparseTensor: { 1: "Tensor", 2: "Tensor" },
};

/** @throws BundleError unless `model` is an ONNX file of a plain graph with all of its tensors. */
export function refuseOtherThanPlainGraph(model: Uint8Array, source: string): void {
  const found = new Set<Finding>();
  try {
    walk(model, "Model", 0, found);
  } catch (error) {
    throw new BundleError(`${source}: not an ONNX file: ${messageOf(error)}; ${EXPORT_AGAIN}`);
  }
  if (found.has("external data")) {
    throw new BundleError(`${source}: keeps tensors in another file, which a bundle must not; save it in one file`);
  }
  for (const flow of found) {
    throw new BundleError(`${source}: expected a plain graph without control flow, found ${flow}; export it without`);
  }
}

type Finding = "external data" | "functions" | "a node with a graph of its own";

function walk(message: Uint8Array, kind: string, depth: number, found: Set<Finding>): void {
  if (depth > MAX_DEPTH) throw new Error(`messages nested deeper than ${MAX_DEPTH}`);
  for (const [field, value] of fields(message)) {
    if (kind === "Tensor") {
      if (field === EXTERNAL_DATA || (field === DATA_LOCATION && value !== 0n)) found.add("external data");
      continue;
    }
    if (kind === "Model" && field === FUNCTIONS) found.add("functions");
    if (kind === "Attribute" && SUBGRAPHS.includes(field)) found.add("a node with a graph of its own");
    const inner = PATHS[kind][field] as string | undefined;
    if (inner !== undefined && typeof value !== "bigint") walk(value, inner, depth + 1, found);
  }
}

/** The fields of one message: numbers for varints, bytes for everything else. */
function* fields(message: Uint8Array): Generator<[field: number, value: bigint | Uint8Array]> {
  let position = 0;

  function varint(): bigint {
    let number = 0n;
    for (let shift = 0n; shift <= 63n; shift += 7n) {
      if (position >= message.length) throw new Error("cut short");
      const byte = message[position++];
      number |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return number;
    }
    throw new Error("a number of more than 64 bits");
  }

  while (position < message.length) {
    const tag = varint();
    if (tag >= 1n << 32n) throw new Error("a field number of more than 29 bits"); // readers differ in what they make of it
    const [field, wireType] = [Number(tag >> 3n), Number(tag & 7n)];
    if (wireType === 0) {
      yield [field, varint()];
      continue;
    }
    const sizes: Partial<Record<number, () => bigint>> = { 1: () => 8n, 2: varint, 5: () => 4n };
    const size = sizes[wireType]?.();
    if (size === undefined) throw new Error(`unknown wire type ${wireType}`);
    if (BigInt(position) + size > BigInt(message.length)) throw new Error("cut short");
    yield [field, message.subarray(position, position + Number(size))];
    position += Number(size);
  }
}
