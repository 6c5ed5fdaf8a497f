/** What is used of ONNX Runtime's JavaScript API; onnxruntime-node and onnxruntime-web both have it. */

export interface OrtTensor {
  readonly type: string;
  readonly data: unknown;
  readonly dims: readonly number[];
}

export interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>, fetches: readonly string[]): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

export interface Ort {
  readonly Tensor: new (type: string, data: TensorData, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: {
    create(model: Uint8Array, options: Record<string, unknown>): Promise<OrtSession>;
  };
  readonly env: { readonly versions: Readonly<Record<string, string | undefined>> };
}

export type TensorData = Float32Array | Uint8Array;

/** ONNX Runtime, ready to open sessions on one of its providers. */
export interface Runtime {
  readonly ort: Ort;
  /** The provider as ONNX Runtime calls it, with its options. */
  readonly executionProvider: unknown;
  /** How many threads a session uses. */
  readonly threads: number;
  /** What to do where it opens no session. */
  readonly remedy: string;
}

/** What differs between Node.js and browsers. */
export interface Platform {
  /** The providers that can be asked for, by our names. */
  readonly providers: readonly string[];
  /** Those that "auto" tries, the best one first. */
  auto(options: RuntimeOptions): readonly string[];
  /** Those that compute with the kernels of ONNX Runtime's CPU provider. */
  readonly onCpu: readonly string[];
  /**
   * Loads ONNX Runtime.
   *
   * @throws ProviderError if it is not installed or has no such provider; the message says what to do.
   */
  runtime(provider: string, options: RuntimeOptions & { readonly provider?: string }): Promise<Runtime>;
}

/** Where and how ONNX Runtime runs. */
export interface RuntimeOptions {
  /** How many threads compute, at most one a core, which it is if not given. Pages need cross-origin isolation for more than 1. */
  threads?: number;
  /** In browsers: where ONNX Runtime's WebAssembly file lies, or its bytes; beside its script if not given. "auto" is "wasm" then. */
  wasm?: { wasmPath?: string | URL; wasmBinary?: Uint8Array };
}
