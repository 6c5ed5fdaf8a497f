/** Replaces onnxruntime-web/webgpu in the single-file page. */

throw new Error("the single-file page contains only WebAssembly");

export {};
