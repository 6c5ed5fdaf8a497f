/** cvae-runtime in Node.js: `node node.mjs FOLDER`. */

import { createRequire } from "node:module";
import { join } from "node:path";

import { say, serve } from "./lines.mjs";
import { Runtime, textOf } from "./serve.mjs";

const PACKAGE = new URL("../../runtime/js/", import.meta.url);
const folder = process.argv[2];
const cvae = await import(new URL("dist/node.js", PACKAGE));
const runtime = await Runtime.open(cvae, (bundle) => join(folder, bundle), { provider: "cpu" });
const image = textOf((await runtime.first()).data);
const { version } = createRequire(PACKAGE)("onnxruntime-node/package.json");
const about = `onnxruntime-node ${version}, Node.js ${process.versions.node}, ${runtime.model.graphs.decoder.file}`;
say({ image, threads: String(runtime.model.threads), about });

await serve(async (request) => {
  if (request.do !== "size") return await runtime.answer(request);
  const { installedBytes } = await import("./size.mjs");
  return { bytes: installedBytes(PACKAGE) };
});
