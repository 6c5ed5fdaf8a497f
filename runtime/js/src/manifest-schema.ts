// Made by `npm run schema` from manifest.schema.json of the Python package, which owns the format.
import type { Schema } from "@cfworker/json-schema";

export const MANIFEST_SCHEMA: Schema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "Manifest of a cvae-toolkit bundle, format 1",
  type: "object",
  required: ["format", "model", "training", "graphs", "golden", "versions"],
  properties: {
    format: { const: 1 },
    model: {
      type: "object",
      required: ["image_shape", "latent_dim", "filters", "likelihood", "preprocessing", "rng"],
      properties: {
        image_shape: {
          description: "Height, width and channels of an image.",
          type: "array",
          minItems: 3,
          maxItems: 3,
          items: { $ref: "#/$defs/positive" },
        },
        latent_dim: { $ref: "#/$defs/positive" },
        filters: { type: "array", items: { $ref: "#/$defs/positive" } },
        likelihood: {
          description: "p(x|z): bernoulli, discretized-logistic or discretized-logistic-mixture; others may come.",
          type: "string",
        },
        preprocessing: {
          description:
            "What the encoder does to raw pixels 0-255 itself: value = pixel >= binarize_at ? 1 : 0, or pixel / scale where binarize_at is null.",
          type: "object",
          required: ["scale", "binarize_at"],
          properties: {
            scale: { $ref: "#/$defs/positive" },
            binarize_at: { anyOf: [{ type: "null" }, { type: "integer", minimum: 1, maximum: 255 }] },
          },
        },
        rng: { type: "string" },
        architecture: {
          description:
            "The network: residual; others may come. Absent for the notebook's network and for models from other projects.",
          anyOf: [{ type: "null" }, { type: "string" }],
        },
      },
    },
    training: {
      anyOf: [
        { type: "null" },
        {
          type: "object",
          required: ["config", "data", "test_images", "test_elbo", "test_elbo_stderr"],
          properties: {
            config: { type: "object" },
            data: { type: "string" },
            test_images: { $ref: "#/$defs/positive" },
            test_elbo: { description: "Nats per image, higher is better.", $ref: "#/$defs/number" },
            test_elbo_stderr: {
              description: "Null for a single image, which has none.",
              anyOf: [{ type: "null" }, { $ref: "#/$defs/number" }],
            },
          },
        },
      ],
    },
    graphs: {
      type: "array",
      maxItems: 256,
      items: { $ref: "#/$defs/graph" },
      allOf: [{ contains: { $ref: "#/$defs/portable_encoder" } }, { contains: { $ref: "#/$defs/portable_decoder" } }],
    },
    golden: { $ref: "#/$defs/file" },
    versions: { type: "object", additionalProperties: { type: "string" } },
  },
  allOf: [
    {
      if: { properties: { model: { properties: { likelihood: { const: "discretized-logistic" } } } } },
      then: { properties: { graphs: { items: { $ref: "#/$defs/decodes_a_scale" } } } },
    },
    {
      if: { properties: { model: { properties: { likelihood: { const: "discretized-logistic-mixture" } } } } },
      then: { properties: { graphs: { items: { $ref: "#/$defs/decodes_a_mixture" } } } },
    },
  ],
  $defs: {
    positive: { type: "integer", minimum: 1 },
    number: {
      description: "Finite as a 64-bit float.",
      type: "number",
      minimum: -1.7976931348623157e308,
      maximum: 1.7976931348623157e308,
    },
    file: {
      type: "object",
      required: ["file", "bytes", "sha256"],
      properties: {
        file: {
          description: "A name in the bundle's own folder.",
          type: "string",
          $comment: "Some languages let $ match before a final newline, hence the second clause.",
          pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
          not: { pattern: "\\s" },
        },
        bytes: { $ref: "#/$defs/positive" },
        sha256: { type: "string", pattern: "^[0-9a-f]{64}$", maxLength: 64 },
      },
    },
    tensor: {
      type: "object",
      required: ["name", "dtype", "shape"],
      properties: {
        name: { type: "string" },
        dtype: { type: "string" },
        shape: { type: "array", items: { anyOf: [{ type: "integer" }, { type: "string" }] } },
      },
    },
    graph: {
      allOf: [{ $ref: "#/$defs/file" }],
      type: "object",
      required: ["role", "target", "precision", "opset", "ir_version", "passes", "inputs", "outputs", "verified"],
      properties: {
        role: {
          description:
            "encoder, decoder, reconstructor, scorer, sampler, decoder_uint8 or encoder_float; others may come.",
          type: "string",
        },
        target: { enum: ["portable", "cpu"] },
        precision: { enum: ["float32", "float16", "int8"] },
        opset: { $ref: "#/$defs/positive" },
        ir_version: { $ref: "#/$defs/positive" },
        passes: { type: "array", items: { type: "string" } },
        inputs: { type: "array", items: { $ref: "#/$defs/tensor" } },
        outputs: { type: "array", items: { $ref: "#/$defs/tensor" } },
        verified: {
          type: "object",
          required: ["max_abs_difference", "elbo_change", "speed_ratio"],
          properties: {
            max_abs_difference: { type: "object", additionalProperties: { $ref: "#/$defs/number" } },
            elbo_change: { anyOf: [{ type: "null" }, { $ref: "#/$defs/number" }] },
            speed_ratio: { anyOf: [{ type: "null" }, { $ref: "#/$defs/number" }] },
          },
        },
      },
      if: { properties: { role: { const: "decoder" } } },
      then: { properties: { outputs: { contains: { properties: { name: { const: "probs" } } } } } },
    },
    decodes_a_scale: {
      if: { properties: { role: { const: "decoder" } } },
      then: { properties: { outputs: { contains: { properties: { name: { const: "log_scale" } } } } } },
    },
    decodes_a_mixture: {
      if: { properties: { role: { const: "decoder" } } },
      then: {
        allOf: [
          { properties: { outputs: { contains: { properties: { name: { const: "location" } } } } } },
          { properties: { outputs: { contains: { properties: { name: { const: "log_scale" } } } } } },
          { properties: { outputs: { contains: { properties: { name: { const: "mixture_logits" } } } } } },
        ],
      },
    },
    portable_encoder: {
      type: "object",
      properties: { role: { const: "encoder" }, target: { const: "portable" }, precision: { const: "float32" } },
      required: ["role", "target", "precision"],
    },
    portable_decoder: {
      type: "object",
      properties: { role: { const: "decoder" }, target: { const: "portable" }, precision: { const: "float32" } },
      required: ["role", "target", "precision"],
    },
  },
};
