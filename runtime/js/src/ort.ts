/** The part of ONNX Runtime's JavaScript API that onnxruntime-node and onnxruntime-web share. */

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

export type TensorData = Float32Array | Uint8Array | BigInt64Array;

/** ONNX Runtime, ready to open sessions on a provider. */
export interface Runtime {
  readonly ort: Ort;
  /** ONNX Runtime's name of the provider, with its options. */
  readonly executionProvider: unknown;
  /** Number of threads of a session. */
  readonly threads: number;
  /** The remedy in messages if a session cannot be opened. */
  readonly remedy: string;
}

/** The differences between Node.js and browsers. */
export interface Platform {
  /** The names of the available providers. */
  readonly providers: readonly string[];
  /** The providers that "auto" tries, the best one first. */
  auto(options: RuntimeOptions): readonly string[];
  /** The providers that use the kernels of ONNX Runtime's CPU provider. */
  readonly onCpu: readonly string[];
  /**
   * Loads ONNX Runtime.
   *
   * @throws ProviderError if it is not installed or has no such provider; the message says what to do.
   */
  runtime(provider: string, options: RuntimeOptions & { readonly provider?: string }): Promise<Runtime>;
}

/** Options of ONNX Runtime. */
export interface RuntimeOptions {
  /** Number of threads, at most one per core, which is the default. Pages need cross-origin isolation for more than 1. */
  threads?: number;
  /** Browsers: URL or bytes of ONNX Runtime's .wasm file; by default it is next to the script. With it, "auto" means "wasm". */
  wasm?: { wasmPath?: string | URL; wasmBinary?: Uint8Array };
}
