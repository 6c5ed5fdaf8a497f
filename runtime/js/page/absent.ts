/** Stands in for onnxruntime-web/webgpu in the page that is one file. */

throw new Error("a page in one file carries WebAssembly alone");

export {};
