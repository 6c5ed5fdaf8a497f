/**
 * The section Explore: sliders for the dimensions of a latent, and its picture.
 *
 * With a learned prior, too, the sliders show the latent and not its noise: the code of a picture has no noise, and the
 * model ranks the dimensions of latents.
 */

import type { Model } from "../src/browser.ts";
import type { Bench } from "./bench.ts";
import type { ClassPicker } from "./classes.ts";
import { block, button, canvas, element, on } from "./dom.ts";
import { Latest } from "./latest.ts";
import { alarm, attempt, explain, press } from "./notice.ts";
import { paint, toImageData } from "./picture.ts";
import { FURTHEST, isLearned } from "./prior.ts";
import { note } from "./link.ts";
import { changedSample, middleSample, type Sample } from "./sample-link.ts";
import { Slider } from "./slider.ts";

const MOST = 12; // sliders that are always visible; phones show the first eight

interface Request {
  latent: Float32Array;
  when: number | undefined; // time of the input event, on the page's clock
}

export class ExploreSection {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #latest = new Latest<Request>(
    (request) => this.#draw(request),
    (error) => {
      alarm("The picture could not be made", explain(error));
    },
  );
  #origin: Sample = { name: "", latent: new Float32Array(0), link: "" };
  #latent: Float32Array = new Float32Array(0);
  #few: Slider[] = [];
  #every: Slider[] = [];
  #reach = FURTHEST;

  constructor(bench: Bench, picker: ClassPicker, next: () => Promise<Sample | undefined>) {
    this.#bench = bench;
    this.#picker = picker;
    press("explore-sample", "No sample could be taken", async () => {
      const sample = await next();
      if (sample !== undefined) this.show(sample);
    });
    press("explore-undo", "The changes could not be undone", () => {
      this.show(this.#origin);
    });
    press("explore-zero", "The picture could not be made", async () => {
      const sample = await middleSample(bench, picker);
      if (sample !== undefined) this.show(sample);
    });
    on(element("all", HTMLDetailsElement), "toggle", () => {
      this.#fillEvery();
    });
    picker.onPick(() => {
      attempt("The picture could not be made", this.#follow());
    });
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** The latent that the sliders show; for another class, the sliders' changes are added to the sample of that class. */
  get sample(): Sample {
    return changedSample(this.#origin, this.#latent);
  }

  show(sample: Sample): void {
    this.#origin = sample;
    this.#latent = sample.latent.slice();
    block("explore-name").textContent = sample.name;
    button("explore-undo").disabled = true;
    this.#setSliders();
    this.#ask();
  }

  /** Shows the picked class: its sample of the same noise, with the same changes; or the same latent if it has no noise. */
  async #follow(): Promise<void> {
    const { again } = this.#origin;
    const latent = await again?.();
    if (this.#origin.again !== again) return; // another one is shown meanwhile
    if (latent !== undefined) {
      this.#latent = sum(latent, difference(this.#latent, this.#origin.latent));
      this.#origin = { ...this.#origin, latent };
      this.#setSliders();
    }
    this.#ask();
  }

  #setSliders(): void {
    for (const slider of [...this.#few, ...this.#every]) slider.set(this.#latent[slider.dimension]);
  }

  #ask(when?: number): void {
    note({ explore: this.sample.link });
    this.#latest.ask({ latent: this.#latent.slice(), when });
  }

  /** Assigns the visible sliders to the first dimensions of a ranking. All sliders go from -reach to reach. */
  rank(order: readonly number[], reach: number): void {
    if (reach !== this.#reach) this.#every = [];
    this.#reach = reach;
    this.#fillEvery();
    this.#few = order.slice(0, MOST).map((dimension) => this.#slider(dimension));
    block("sliders").replaceChildren(...this.#few.map((slider) => slider.row));
  }

  #reset(model: Model): void {
    this.#latest.cancel();
    this.#latent = new Float32Array(model.latentDim);
    this.#every = [];
    block("every").replaceChildren();
    block("all-count").textContent = String(model.latentDim);
    button("explore-zero").textContent = isLearned(model) ? "Set the noise to zero" : "Set all to zero";
    this.rank(
      Array.from({ length: model.latentDim }, (_, dimension) => dimension),
      FURTHEST,
    );
  }

  #fillEvery(): void {
    if (!element("all", HTMLDetailsElement).open || this.#every.length > 0) return;
    this.#every = Array.from(this.#latent, (_, dimension) => this.#slider(dimension));
    block("every").replaceChildren(...this.#every.map((slider) => slider.row));
  }

  #slider(dimension: number): Slider {
    const slider = new Slider(dimension, this.#reach, (moved, value, when) => {
      this.#latent[moved] = value;
      block("explore-name").textContent = `${this.#origin.name}, changed`;
      button("explore-undo").disabled = false;
      for (const other of [...this.#few, ...this.#every]) {
        if (other.dimension === moved && other !== slider) other.set(value);
      }
      this.#ask(when);
    });
    slider.set(this.#latent[dimension]);
    return slider;
  }

  async #draw({ latent, when }: Request): Promise<void> {
    const images = await this.#bench.use((model) => model.decode(latent, { label: this.#picker.label }));
    if (images === undefined) return;
    paint(canvas("explore-canvas"), toImageData(images));
    if (when !== undefined) performance.measure("slider-to-picture", { start: when, end: performance.now() });
  }
}

function sum(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value + b[i]);
}

function difference(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]);
}
