/**
 * Reject ONNX files that are more than a plain graph.
 *
 * A bundle may come from an untrusted source. A tensor stored in another file could make a runtime read any file. Loops and
 * functions can run without end. Random operators return different numbers each time. Operators of other domains run code
 * that some runtimes lack.
 *
 * This module reads the protobuf messages of onnx.proto by field number. It accepts only the fields of a plain graph, each
 * with its own wire type, and once unless it is a list. Parsers merge repeated messages, use the last of repeated values,
 * and ignore unknown fields. Without these rules, a parser could read something other than what was checked.
 */

import { BundleError, EXPORT_AGAIN, messageOf } from "./errors.ts";

const ORT = "ORTM"; // at byte 4 of files in ONNX Runtime's own format, which is not protobuf

const [VARINT, EIGHT, BYTES, FOUR] = [0, 1, 2, 5]; // wire types
const WIRE_TYPES = new Map([
  ["int", VARINT],
  ["float", FOUR],
  ["double", EIGHT],
]);

// Message -> field number -> type; "*" marks lists. "bytes" are strings, raw values, and messages that contain no node and
// no tensor: value types, metadata and quantization.
const FIELDS = new Map<string, ReadonlyMap<number, string>>([
  [
    "ModelProto",
    numbered({ int: [1, 5], bytes: [2, 3, 4, 6], GraphProto: [7], "OperatorSetIdProto*": [8], "bytes*": [14] }),
  ],
  ["OperatorSetIdProto", numbered({ bytes: [1], int: [2] })],
  [
    "GraphProto",
    numbered({
      "NodeProto*": [1],
      bytes: [2, 10],
      "TensorProto*": [5],
      "bytes*": [11, 12, 13, 14, 16],
      "SparseTensorProto*": [15],
    }),
  ],
  ["NodeProto", numbered({ "bytes*": [1, 2, 9], bytes: [3, 4, 6, 7, 8], "AttributeProto*": [5] })],
  [
    "AttributeProto",
    numbered({
      bytes: [1, 4, 13, 14, 21],
      float: [2],
      int: [3, 20],
      TensorProto: [5],
      "float*": [7],
      "int*": [8],
      "bytes*": [9, 15],
      "TensorProto*": [10],
      SparseTensorProto: [22],
      "SparseTensorProto*": [23],
    }),
  ],
  ["SparseTensorProto", numbered({ TensorProto: [1, 2], "int*": [3] })],
  [
    "TensorProto",
    numbered({
      "int*": [1, 5, 7, 11],
      int: [2, 14],
      bytes: [3, 8, 9, 12],
      "float*": [4],
      "bytes*": [6, 16],
      "double*": [10],
    }),
  ],
]);

// Fields that a plain graph must not have.
const SUBGRAPH = "expected a plain graph without control flow, found a node with a graph of its own; export it without";
const REFUSED = new Map([
  ["ModelProto 20", "expected a plain graph alone, found training information; export it without"],
  ["ModelProto 25", "expected a plain graph without control flow, found functions; export it without"],
  ["AttributeProto 6", SUBGRAPH],
  ["AttributeProto 11", SUBGRAPH],
]);
const ELSEWHERE = "expected all tensors in the file, found some in another file; save it in one file";
const [EXTERNAL_DATA, DATA_LOCATION] = ["TensorProto 13", "TensorProto 14"];
const DOMAINS = ["OperatorSetIdProto 1", "NodeProto 7"];
const GRAPH = 7; // of ModelProto
const [INPUT, OPERATOR] = ["NodeProto 1", "NodeProto 4"];

const RANDOM = ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];
const LONGEST = 60; // characters of a string that a message quotes

/** @throws BundleError unless `model` is an ONNX file of one plain graph that holds all of its tensors. */
export function refuseOtherThanPlainGraph(model: Uint8Array, source: string): void {
  if (text(model.subarray(4, 8)) === ORT) {
    throw new BundleError(`${source}: expected an ONNX file, found ONNX Runtime's own format; ${EXPORT_AGAIN}`);
  }
  let refusal: string | undefined;
  try {
    refusal = refusalOf(model, "ModelProto");
  } catch (error) {
    throw new BundleError(`${source}: not an ONNX file: ${messageOf(error)}; ${EXPORT_AGAIN}`);
  }
  if (refusal !== undefined) throw new BundleError(`${source}: ${refusal}`);
}

/** The first part of a message that a plain graph must not have. @throws Error if it is no message of onnx.proto. */
function refusalOf(message: Uint8Array, kind: string): string | undefined {
  const seen = new Set<number>();
  const inputs: string[] = [];
  let operator = "";
  for (const [field, wireType, value] of fields(message)) {
    const place = `${kind} ${field}`;
    if (REFUSED.has(place)) return REFUSED.get(place);
    if (place === EXTERNAL_DATA || (place === DATA_LOCATION && value !== 0n)) return ELSEWHERE;
    const type = FIELDS.get(kind)?.get(field) ?? "";
    const [inner, isList] = [type.replace("*", ""), type.endsWith("*")];
    // Lists of numbers may be packed.
    if (type === "" || !(wireType === (WIRE_TYPES.get(inner) ?? BYTES) || (isList && wireType === BYTES))) {
      throw new Error(`${kind} has an unknown field ${field} of wire type ${wireType}`);
    }
    if (seen.has(field) && !isList) throw new Error(`${kind} has field ${field} twice`);
    seen.add(field);
    if (typeof value === "bigint") continue;
    if (DOMAINS.includes(place) && value.length > 0) {
      const domain = text(value.subarray(0, 4 * LONGEST)).slice(0, LONGEST);
      return `expected operators of the default domain alone, found the domain "${domain}"; export it without`;
    }
    if (place === INPUT) inputs.push(text(value));
    if (place === OPERATOR) operator = text(value);
    const refusal = FIELDS.has(inner) ? refusalOf(value, inner) : undefined;
    if (refusal !== undefined) return refusal;
  }
  if (kind === "ModelProto" && !seen.has(GRAPH)) throw new Error("expected a graph, found none");
  // A Dropout with a third input may draw random numbers.
  if (RANDOM.includes(operator) || (operator === "Dropout" && (inputs[2] ?? "") !== "")) {
    return `expected no random operators, found ${operator}; export it without`;
  }
  return undefined;
}

function numbered(types: Readonly<Record<string, readonly number[]>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(types).flatMap(([type, numbers]) => numbers.map((number) => [number, type] as const)));
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The fields of a message with their wire types and values: bigints for varints, bytes for the other types. */
function* fields(message: Uint8Array): Generator<[field: number, wireType: number, value: bigint | Uint8Array]> {
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
    if (tag >= 1n << 32n) throw new Error("a field number of more than 29 bits"); // parsers disagree about these
    const [field, wireType] = [Number(tag >> 3n), Number(tag & 7n)];
    if (wireType === VARINT) {
      yield [field, wireType, varint()];
      continue;
    }
    const sizes: Partial<Record<number, () => bigint>> = { [EIGHT]: () => 8n, [BYTES]: varint, [FOUR]: () => 4n };
    const size = sizes[wireType]?.();
    if (size === undefined) throw new Error(`unknown wire type ${wireType}`);
    if (BigInt(position) + size > BigInt(message.length)) throw new Error("cut short");
    yield [field, wireType, message.subarray(position, position + Number(size))];
    position += Number(size);
  }
}
