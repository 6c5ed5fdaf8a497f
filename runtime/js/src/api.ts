/** The public names shared by Node.js and browsers. */

export type { Images, ImageShape, Latents } from "./arrays.ts";
export type { BundleFiles } from "./bundle.ts";
export type { Whole } from "./check.ts";
export type { Detection } from "./detection.ts";
export { PROBABILITY_FLOOR } from "./elbo.ts";
export { BundleError, CvaeError, InputError, IntegrityError, ProviderError } from "./errors.ts";
export type { GoldenResult, SelfCheck } from "./golden.ts";
export type { Box } from "./heat-map.ts";
export type { Method } from "./interpolate.ts";
export type { Label, LabelOption, LabelOptions, Probabilities } from "./labels.ts";
export type { LoadOptions } from "./load.ts";
export type {
  Detector,
  FileInfo,
  GraphInfo,
  Manifest,
  ModelInfo,
  Precision,
  Preprocessing,
  Prior,
  Target,
  TensorInfo,
  Training,
  Verified,
} from "./manifest-types.ts";
export type { DrawOptions, Graphs, Model, Receipt, SampleOptions } from "./model.ts";
export type { RuntimeOptions } from "./ort.ts";
export { imageGrid, toUint8, type Drawable, type GridOptions, type Picture } from "./pictures.ts";
export { rawPixels, type ImagesIn, type RgbaImage } from "./pixels.ts";
export { posteriorNoise, priorLatents, RNG_NAME, threefry2x32, type Words } from "./random.ts";
export type { Posterior, Scores } from "./score.ts";
