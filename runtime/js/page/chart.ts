/** Bar chart of a latent code: each dimension's mean, with a band of one standard deviation to both sides. */

import type { Posterior } from "../src/browser.ts";
import { element, number } from "./dom.ts";

const FURTHEST = 3; // larger values are cut off
const NAMED = 3;
const SVG = "http://www.w3.org/2000/svg";

export function chart(posterior: Posterior | undefined, latentDim: number): void {
  const target = element("chart", SVGSVGElement);
  target.setAttribute("viewBox", `0 ${-FURTHEST} ${latentDim} ${2 * FURTHEST}`);
  const axis = path("axis", `M0 0H${latentDim}`);
  if (posterior === undefined) {
    target.setAttribute("aria-label", "Latent code: nothing to show yet");
    target.replaceChildren(axis);
    return;
  }
  const means = [...posterior.mean.data];
  const deviations = Array.from(posterior.logvar.data, (logvar) => Math.exp(logvar / 2));
  const bands = means.map((mean, index) => bar(index, mean - deviations[index], mean + deviations[index])).join("");
  const bars = means.map((mean, index) => bar(index, 0, mean)).join("");
  target.replaceChildren(path("band", bands), path("bars", bars), axis);
  const furthest = means
    .map((_, index) => index)
    .sort((a, b) => Math.abs(means[b]) - Math.abs(means[a]))
    .slice(0, NAMED)
    .map((index) => `z${index} at ${number(means[index], 2)}`);
  target.setAttribute(
    "aria-label",
    `Latent code of ${latentDim} dimensions; furthest from zero: ${furthest.join(", ")}`,
  );
}

/** A bar as SVG path data; positive values point up, so they are negated for SVG. */
function bar(index: number, from: number, to: number): string {
  const clip = (value: number) => Math.max(-FURTHEST, Math.min(FURTHEST, -value)).toFixed(3);
  return `M${index + 0.15} ${clip(from)}h.7V${clip(to)}h-.7z`;
}

function path(kind: string, shape: string): SVGPathElement {
  const result = document.createElementNS(SVG, "path");
  result.setAttribute("class", kind);
  result.setAttribute("d", shape);
  return result;
}
