/** Bar chart of a latent code: each dimension's mean, with a band of one standard deviation to both sides. */

import type { Model, Posterior } from "../src/browser.ts";
import { element, number } from "./dom.ts";
import { isLearned } from "./prior.ts";

const FURTHEST = 3; // larger values are cut off, unless the prior is learned
const NAMED = 3;
const SVG = "http://www.w3.org/2000/svg";

export function chart(posterior: Posterior | undefined, model: Model): void {
  const { latentDim } = model;
  const target = element("chart", SVGSVGElement);
  const means = [...(posterior?.mean.data ?? [])];
  const deviations = Array.from(posterior?.logvar.data ?? [], (logvar) => Math.exp(logvar / 2));
  const ends = isLearned(model) ? means.map((mean, index) => Math.abs(mean) + deviations[index]) : [];
  const height = Math.max(FURTHEST, ...ends);
  target.setAttribute("viewBox", `0 ${-height} ${latentDim} ${2 * height}`);
  const axis = path("axis", `M0 0H${latentDim}`);
  if (posterior === undefined) {
    target.setAttribute("aria-label", "Latent code: nothing to show yet");
    target.replaceChildren(axis);
    return;
  }
  const bar = (index: number, from: number, to: number) => {
    // Positive values point up, so they are negated for SVG.
    const clip = (value: number) => Math.max(-height, Math.min(height, -value)).toFixed(3);
    return `M${index + 0.15} ${clip(from)}h.7V${clip(to)}h-.7z`;
  };
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

function path(kind: string, shape: string): SVGPathElement {
  const result = document.createElementNS(SVG, "path");
  result.setAttribute("class", kind);
  result.setAttribute("d", shape);
  return result;
}
