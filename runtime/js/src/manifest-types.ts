/** The parts of a manifest. Made by scripts/manifest.py from manifest.schema.json; change the schema. */

import type { Schema } from "./schema.ts";

/** The providers that a graph is for. */
export const TARGETS = ["portable", "cpu"] as const;
export type Target = (typeof TARGETS)[number];

/** The distribution of latents, if it is not N(0, I). */
export const PRIORS = ["learned"] as const;
export type Prior = (typeof PRIORS)[number];

/** The precision of a graph's weights. */
export const PRECISIONS = ["float32", "float16", "int8"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** The preprocessing of raw pixels inside the encoder's graph. */
export interface Preprocessing {
  /** divisor of the pixels, if they are not binarized. */
  readonly scale: number;
  /** smallest pixel value that becomes 1; null if pixels are not binarized. */
  readonly binarize_at: number | null;
}

/** The model's shapes, likelihood, preprocessing and random numbers. */
export interface ModelInfo {
  /** (H, W, C), the shape of an image. */
  readonly image_shape: readonly [number, number, number];
  /** L, the number of latent dimensions. */
  readonly latent_dim: number;
  /** number of channels of each convolution of the encoder, or at 1/2, 1/4, ... of the image's side if the architecture is residual. */
  readonly filters: readonly number[];
  /** p(x|z): bernoulli, discretized-logistic or discretized-logistic-mixture; later versions may add names. */
  readonly likelihood: string;
  /** the preprocessing inside the encoder. */
  readonly preprocessing: Preprocessing;
  /** name of the random numbers that define the samples, such as threefry2x32-20/box-muller. */
  readonly rng: string;
  /** name of the network, such as residual; absent for the notebook's network and for models from other projects. Later versions may add names. */
  readonly architecture?: string;
  /** names of the classes that the graphs' input label chooses, by index; the number of classes stands for no label. Absent for models without labels. */
  readonly labels?: readonly string[];
  /** learned if the graphs prior and prior_density define p(z); absent for N(0, I). */
  readonly prior?: Prior;
}

/** The training run that made the weights. */
export interface Training {
  /** the run's configuration. */
  readonly config: Readonly<Record<string, unknown>>;
  /** name of the data set. */
  readonly data: string;
  /** number of test images. */
  readonly test_images: number;
  /** mean ELBO of the test images, in nats per image. */
  readonly test_elbo: number;
  /** standard error of test_elbo; null for a single image. */
  readonly test_elbo_stderr: number | null;
  /** epoch of the run whose weights the graphs have, counted from 1; absent in older bundles. */
  readonly epoch?: number;
  /** checkpoint of the run that has these weights: best, of the epoch of best validation ELBO, or last, of the last complete epoch; absent in older bundles. Later versions may add names. */
  readonly checkpoint?: string;
}

/** An input or output of a graph. */
export interface TensorInfo {
  /** its name in the graph. */
  readonly name: string;
  /** NumPy's name, such as float32. */
  readonly dtype: string;
  /** a number for each fixed dimension, and a name for each dimension of any size. */
  readonly shape: readonly (number | string)[];
}

/** The export's measurements of a graph against the trained model. */
export interface Verified {
  /** largest absolute difference over the test set, by output. */
  readonly max_abs_difference: Readonly<Record<string, number>>;
  /** change of the test ELBO, in nats per image; null without a test set. */
  readonly elbo_change: number | null;
  /** time of the float32 graph that this graph replaces, divided by the time of this graph; null if not measured. */
  readonly speed_ratio: number | null;
}

/** A graph: one .onnx file of the bundle. */
export interface GraphInfo {
  /** encoder, decoder, or an optional role. */
  readonly role: string;
  /** portable for any provider, or cpu. */
  readonly target: Target;
  /** float32, float16 or int8. */
  readonly precision: Precision;
  /** name of the file in the bundle's folder. */
  readonly file: string;
  /** size of the file. */
  readonly bytes: number;
  /** SHA-256 of the file, in hex. */
  readonly sha256: string;
  /** version of ONNX's operators that the graph needs. */
  readonly opset: number;
  /** version of ONNX's file format that the graph needs. */
  readonly ir_version: number;
  /** names of the graph rewrites that the export applied. */
  readonly passes: readonly string[];
  /** the graph's inputs. */
  readonly inputs: readonly TensorInfo[];
  /** the graph's outputs. */
  readonly outputs: readonly TensorInfo[];
  /** the export's measurements. */
  readonly verified: Verified;
}

/** Images that a calibration used. */
export interface ImageSet {
  /** number of images. */
  readonly count: number;
  /** SHA-256 of their pixels, uint8 in the shape of the model, in the order of the files, in hex. */
  readonly sha256: string;
}

/** The background model of a likelihood ratio. */
export interface Background {
  /** SHA-256 of the manifest of its bundle, in hex. */
  readonly sha256: string;
}

/** The calibration of a detector, whose graph computes scores, p-values, alarms and maps. */
export interface Detector {
  /** elbo, reconstruction, error, kl, typicality or likelihood-ratio; later versions may add names. */
  readonly score: string;
  /** k, the draws of the posterior for each image: posterior noise 0 ... k - 1 of seed 0. */
  readonly draws: number;
  /** highest rate of false alarms, averaged over calibration sets: an image raises an alarm if its p-value is at most this. */
  readonly false_alarms: number;
  /** the calibration score that the score of an alarm exceeds. */
  readonly threshold: number;
  /** n, the number of calibration scores. */
  readonly count: number;
  /** scores of the calibration images, float32, ascending. */
  readonly scores: readonly number[];
  /** value of a smoothed map above which a pixel belongs to a conspicuous region, in nats. */
  readonly map_threshold: number;
  /** seed that split the good images; from 0 to 2^53 - 1. */
  readonly seed: number;
  /** good images on which score, median, map and map_threshold were chosen. */
  readonly fit: ImageSet;
  /** good images of the calibration scores, none of which is in fit. */
  readonly calibration: ImageSet;
  /** median ELBO of the images in fit, in nats, of the score typicality; absent for the others. */
  readonly median?: number;
  /** the background model of the score likelihood-ratio; absent for the others. */
  readonly background?: Background;
}

/** A file in the format of another program, which cvae-runtime does not open. */
export interface DerivedFile {
  /** format of the file, such as safetensors. */
  readonly kind: string;
  /** name of the file in the bundle's folder. */
  readonly file: string;
  /** size of the file. */
  readonly bytes: number;
  /** SHA-256 of the file, in hex. */
  readonly sha256: string;
  /** name of the file that it was made from. */
  readonly from: string;
}

/** A file of the bundle that is not a graph. */
export interface FileInfo {
  /** name of the file in the bundle's folder. */
  readonly file: string;
  /** size of the file. */
  readonly bytes: number;
  /** SHA-256 of the file, in hex. */
  readonly sha256: string;
}

/** The content of manifest.json, format 1 or 2. */
export interface Manifest {
  /** version of the format: 2 if the prior is learned or there are labels, otherwise 1. */
  readonly format: 1 | 2;
  /** shapes, likelihood, preprocessing and random numbers. */
  readonly model: ModelInfo;
  /** the training run; null without a run of cvae-train or without test images. */
  readonly training: Training | null;
  /** every graph. A portable float32 encoder and decoder are required. */
  readonly graphs: readonly GraphInfo[];
  /** the file of golden vectors. */
  readonly golden: FileInfo;
  /** files in the formats of other programs, made from files of the bundle; absent if there are none. */
  readonly files?: readonly DerivedFile[];
  /** the calibration of the graph of role detector; absent for bundles that cvae-calibrate did not write. */
  readonly detector?: Detector;
  /** version of each package that took part in the export, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

export const MANIFEST_SCHEMA: Schema = {"type": "object", "required": ["format", "model", "training", "graphs", "golden", "versions"], "properties": {"format": {"anyOf": [{"const": 1}, {"const": 2}]}, "model": {"$ref": "#/$defs/ModelInfo"}, "training": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Training"}]}, "graphs": {"type": "array", "maxItems": 256, "items": {"$ref": "#/$defs/GraphInfo"}, "allOf": [{"title": "a portable float32 encoder", "contains": {"type": "object", "required": ["role", "target", "precision"], "properties": {"role": {"const": "encoder"}, "target": {"const": "portable"}, "precision": {"const": "float32"}}}}, {"title": "a portable float32 decoder", "contains": {"type": "object", "required": ["role", "target", "precision"], "properties": {"role": {"const": "decoder"}, "target": {"const": "portable"}, "precision": {"const": "float32"}}}}]}, "golden": {"$ref": "#/$defs/FileInfo"}, "files": {"type": "array", "maxItems": 256, "items": {"$ref": "#/$defs/DerivedFile"}}, "detector": {"$ref": "#/$defs/Detector"}, "versions": {"type": "object", "additionalProperties": {"type": "string"}}}, "allOf": [{"if": {"required": ["detector"]}, "then": {"properties": {"graphs": {"title": "a portable float32 detector", "contains": {"type": "object", "required": ["role", "target", "precision"], "properties": {"role": {"const": "detector"}, "target": {"const": "portable"}, "precision": {"const": "float32"}}}}}}}, {"if": {"properties": {"model": {"required": ["labels"]}}}, "then": {"properties": {"format": {"title": "2, for labels", "const": 2}, "model": {"properties": {"labels": {"title": "2 or more different names", "minItems": 2, "uniqueItems": true}}}, "graphs": {"items": {"if": {"properties": {"role": {"not": {"const": "detector"}}}}, "then": {"properties": {"inputs": {"title": "the input label, for a model with labels", "contains": {"properties": {"name": {"const": "label"}}}}}}}}}}}, {"if": {"properties": {"model": {"required": ["prior"]}}}, "then": {"properties": {"format": {"title": "2, for a learned prior", "const": 2}, "graphs": {"allOf": [{"title": "a portable float32 prior, for a learned prior", "contains": {"type": "object", "required": ["role", "target", "precision"], "properties": {"role": {"const": "prior"}, "target": {"const": "portable"}, "precision": {"const": "float32"}}}}, {"title": "a portable float32 prior_density, for a learned prior", "contains": {"type": "object", "required": ["role", "target", "precision"], "properties": {"role": {"const": "prior_density"}, "target": {"const": "portable"}, "precision": {"const": "float32"}}}}]}}}}, {"if": {"properties": {"model": {"properties": {"likelihood": {"const": "discretized-logistic"}}}}}, "then": {"properties": {"graphs": {"items": {"if": {"properties": {"role": {"const": "decoder"}}}, "then": {"allOf": [{"properties": {"outputs": {"title": "log_scale, for the likelihood discretized-logistic", "contains": {"properties": {"name": {"const": "log_scale"}}}}}}]}}}}}}, {"if": {"properties": {"model": {"properties": {"likelihood": {"const": "discretized-logistic-mixture"}}}}}, "then": {"properties": {"graphs": {"items": {"if": {"properties": {"role": {"const": "decoder"}}}, "then": {"allOf": [{"properties": {"outputs": {"title": "location, for the likelihood discretized-logistic-mixture", "contains": {"properties": {"name": {"const": "location"}}}}}}, {"properties": {"outputs": {"title": "log_scale, for the likelihood discretized-logistic-mixture", "contains": {"properties": {"name": {"const": "log_scale"}}}}}}, {"properties": {"outputs": {"title": "mixture_logits, for the likelihood discretized-logistic-mixture", "contains": {"properties": {"name": {"const": "mixture_logits"}}}}}}]}}}}}}], "$defs": {"Positive": {"type": "integer", "minimum": 1}, "Number": {"title": "a number", "type": "number", "minimum": -1.7976931348623157e+308, "maximum": 1.7976931348623157e+308}, "FileName": {"title": "a plain file name", "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "not": {"pattern": "\\s"}}, "Sha256": {"title": "64 hex digits", "type": "string", "pattern": "^[0-9a-f]{64}$", "maxLength": 64}, "Target": {"enum": ["portable", "cpu"]}, "Prior": {"enum": ["learned"]}, "Precision": {"enum": ["float32", "float16", "int8"]}, "Preprocessing": {"type": "object", "required": ["scale", "binarize_at"], "properties": {"scale": {"$ref": "#/$defs/Positive"}, "binarize_at": {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1, "maximum": 255}]}}}, "ModelInfo": {"type": "object", "required": ["image_shape", "latent_dim", "filters", "likelihood", "preprocessing", "rng"], "properties": {"image_shape": {"type": "array", "minItems": 3, "maxItems": 3, "items": {"$ref": "#/$defs/Positive"}}, "latent_dim": {"$ref": "#/$defs/Positive"}, "filters": {"type": "array", "items": {"$ref": "#/$defs/Positive"}}, "likelihood": {"type": "string"}, "preprocessing": {"$ref": "#/$defs/Preprocessing"}, "rng": {"type": "string"}, "architecture": {"type": "string"}, "labels": {"type": "array", "items": {"type": "string"}}, "prior": {"$ref": "#/$defs/Prior"}}}, "Training": {"type": "object", "required": ["config", "data", "test_images", "test_elbo", "test_elbo_stderr"], "properties": {"config": {"type": "object"}, "data": {"type": "string"}, "test_images": {"$ref": "#/$defs/Positive"}, "test_elbo": {"$ref": "#/$defs/Number"}, "test_elbo_stderr": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Number"}]}, "epoch": {"$ref": "#/$defs/Positive"}, "checkpoint": {"type": "string"}}}, "TensorInfo": {"type": "object", "required": ["name", "dtype", "shape"], "properties": {"name": {"type": "string"}, "dtype": {"type": "string"}, "shape": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}}, "Verified": {"type": "object", "required": ["max_abs_difference", "elbo_change", "speed_ratio"], "properties": {"max_abs_difference": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Number"}}, "elbo_change": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Number"}]}, "speed_ratio": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/Number"}]}}}, "GraphInfo": {"type": "object", "required": ["role", "target", "precision", "file", "bytes", "sha256", "opset", "ir_version", "passes", "inputs", "outputs", "verified"], "properties": {"role": {"type": "string"}, "target": {"$ref": "#/$defs/Target"}, "precision": {"$ref": "#/$defs/Precision"}, "file": {"$ref": "#/$defs/FileName"}, "bytes": {"$ref": "#/$defs/Positive"}, "sha256": {"$ref": "#/$defs/Sha256"}, "opset": {"$ref": "#/$defs/Positive"}, "ir_version": {"$ref": "#/$defs/Positive"}, "passes": {"type": "array", "items": {"type": "string"}}, "inputs": {"type": "array", "items": {"$ref": "#/$defs/TensorInfo"}}, "outputs": {"type": "array", "items": {"$ref": "#/$defs/TensorInfo"}}, "verified": {"$ref": "#/$defs/Verified"}}, "if": {"properties": {"role": {"const": "decoder"}}}, "then": {"properties": {"outputs": {"title": "probs", "contains": {"properties": {"name": {"const": "probs"}}}}}}}, "ImageSet": {"type": "object", "required": ["count", "sha256"], "properties": {"count": {"$ref": "#/$defs/Positive"}, "sha256": {"$ref": "#/$defs/Sha256"}}}, "Background": {"type": "object", "required": ["sha256"], "properties": {"sha256": {"$ref": "#/$defs/Sha256"}}}, "Detector": {"type": "object", "required": ["score", "draws", "false_alarms", "threshold", "count", "scores", "map_threshold", "seed", "fit", "calibration"], "properties": {"score": {"type": "string"}, "draws": {"$ref": "#/$defs/Positive"}, "false_alarms": {"$ref": "#/$defs/Number"}, "threshold": {"$ref": "#/$defs/Number"}, "count": {"$ref": "#/$defs/Positive"}, "scores": {"type": "array", "items": {"$ref": "#/$defs/Number"}}, "map_threshold": {"$ref": "#/$defs/Number"}, "seed": {"type": "integer", "minimum": 0, "maximum": 9007199254740991}, "fit": {"$ref": "#/$defs/ImageSet"}, "calibration": {"$ref": "#/$defs/ImageSet"}, "median": {"$ref": "#/$defs/Number"}, "background": {"$ref": "#/$defs/Background"}}}, "DerivedFile": {"type": "object", "required": ["kind", "file", "bytes", "sha256", "from"], "properties": {"kind": {"type": "string"}, "file": {"$ref": "#/$defs/FileName"}, "bytes": {"$ref": "#/$defs/Positive"}, "sha256": {"$ref": "#/$defs/Sha256"}, "from": {"$ref": "#/$defs/FileName"}}}, "FileInfo": {"type": "object", "required": ["file", "bytes", "sha256"], "properties": {"file": {"$ref": "#/$defs/FileName"}, "bytes": {"$ref": "#/$defs/Positive"}, "sha256": {"$ref": "#/$defs/Sha256"}}}}};
