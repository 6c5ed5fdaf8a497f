/** Shows the first picture, then answers requests through `window.answer`. */

import * as cvae from "../../../runtime/js/src/browser.ts";
import { Runtime, textOf } from "../serve.mjs";

const provider = new URLSearchParams(location.search).get("provider");

async function show() {
  const locate = (bundle) => new URL(`${bundle}/`, location.href);
  const runtime = await Runtime.open(cvae, locate, { provider });
  const images = await runtime.first();
  const { data, width, height } = cvae.imageGrid(images);
  const canvas = document.querySelector("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  const seconds = performance.now() / 1e3; // since navigation began
  window.answer = (request) => runtime.answer(request);
  const { threads, graphs, receipt } = runtime.model;
  const { versions } = receipt.call(runtime.model);
  return { seconds, image: textOf(images.data), threads, file: graphs.decoder.file, version: versions.web };
}

window.first = show();
window.first.catch(() => undefined); // whatever awaits it gets the error
