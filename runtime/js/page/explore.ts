/** The section Explore: sliders for the dimensions of a latent, and its picture. */

import type { Model } from "../src/browser.ts";
import type { Bench } from "./bench.ts";
import { block, button, canvas, element, on } from "./dom.ts";
import { Latest } from "./latest.ts";
import { alarm, explain, press } from "./notice.ts";
import { paint, toImageData } from "./picture.ts";
import { Slider } from "./slider.ts";
import type { Sample } from "./sample.ts";

const MOST = 12; // sliders that are always visible; phones show the first eight

interface Request {
  latent: Float32Array;
  when: number | undefined; // time of the input event, on the page's clock
}

export class ExploreSection {
  readonly #bench: Bench;
  readonly #latest = new Latest<Request>(
    (request) => this.#draw(request),
    (error) => {
      alarm("The picture could not be made", explain(error));
    },
  );
  #origin: Sample = { name: "", latent: new Float32Array(0) };
  #latent = new Float32Array(0);
  #few: Slider[] = [];
  #every: Slider[] = [];

  constructor(bench: Bench, next: () => Sample) {
    this.#bench = bench;
    press("explore-sample", "No sample could be taken", () => {
      this.show(next());
    });
    press("explore-undo", "The changes could not be undone", () => {
      this.show(this.#origin);
    });
    press("explore-zero", "The picture could not be made", () => {
      this.show({ name: "The prior’s mean", latent: new Float32Array(this.#latent.length) });
    });
    on(element("all", HTMLDetailsElement), "toggle", () => {
      this.#fillEvery();
    });
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** The latent that the sliders show. */
  get latent(): Float32Array {
    return this.#latent.slice();
  }

  show(sample: Sample): void {
    this.#origin = sample;
    this.#latent = sample.latent.slice();
    block("explore-name").textContent = sample.name;
    button("explore-undo").disabled = true;
    for (const slider of [...this.#few, ...this.#every]) slider.set(this.#latent[slider.dimension]);
    this.#latest.ask({ latent: this.latent, when: undefined });
  }

  /** Assigns the visible sliders to the first dimensions of a ranking. */
  rank(order: readonly number[]): void {
    this.#few = order.slice(0, MOST).map((dimension) => this.#slider(dimension));
    block("sliders").replaceChildren(...this.#few.map((slider) => slider.row));
  }

  #reset(model: Model): void {
    this.#latent = new Float32Array(model.latentDim);
    this.rank(Array.from({ length: model.latentDim }, (_, dimension) => dimension));
    this.#every = [];
    block("every").replaceChildren();
    block("all-count").textContent = String(model.latentDim);
    this.#fillEvery();
  }

  #fillEvery(): void {
    if (!element("all", HTMLDetailsElement).open || this.#every.length > 0) return;
    this.#every = Array.from(this.#latent, (_, dimension) => this.#slider(dimension));
    block("every").replaceChildren(...this.#every.map((slider) => slider.row));
  }

  #slider(dimension: number): Slider {
    const slider = new Slider(dimension, (moved, value, when) => {
      this.#latent[moved] = value;
      block("explore-name").textContent = `${this.#origin.name}, changed`;
      button("explore-undo").disabled = false;
      for (const other of [...this.#few, ...this.#every]) {
        if (other.dimension === moved && other !== slider) other.set(value);
      }
      this.#latest.ask({ latent: this.latent, when });
    });
    slider.set(this.#latent[dimension]);
    return slider;
  }

  async #draw({ latent, when }: Request): Promise<void> {
    const images = await this.#bench.use((model) => model.decode(latent));
    if (images === undefined) return;
    paint(canvas("explore-canvas"), toImageData(images));
    if (when !== undefined) performance.measure("slider-to-picture", { start: when, end: performance.now() });
  }
}
