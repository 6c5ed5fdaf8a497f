/** A slider for one latent dimension, with its name on the left and its value on the right. */

import { number, on } from "./dom.ts";

const STEPS = 80; // on each side of zero

export class Slider {
  readonly row = document.createElement("label");
  readonly #range = document.createElement("input");
  readonly #value = document.createElement("output");

  constructor(
    readonly dimension: number,
    reach: number,
    moved: (dimension: number, value: number, when: number) => void,
  ) {
    this.#range.type = "range";
    this.#range.min = String(-reach);
    this.#range.max = String(reach);
    this.#range.step = String(reach / STEPS);
    this.#range.setAttribute("aria-label", `Latent dimension ${dimension}`);
    const name = document.createElement("span");
    name.textContent = `z${dimension}`;
    this.row.className = "slider";
    this.row.append(name, this.#range, this.#value);
    this.set(0);
    on(this.#range, "input", (event) => {
      const value = this.#range.valueAsNumber;
      this.#value.value = number(value, 2);
      moved(dimension, value, event.timeStamp);
    });
  }

  /** Shows a value; the figure is right even if the value is beyond the slider's range. */
  set(value: number): void {
    this.#range.value = String(value);
    this.#value.value = number(value, 2);
  }
}
