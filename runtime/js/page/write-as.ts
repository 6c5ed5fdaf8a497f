/** "Write it as …": the picture on the pad in every class of a model with labels, or in the picked class. */

import type { Model } from "../src/browser.ts";
import type { Bench } from "./bench.ts";
import type { ClassPicker } from "./classes.ts";
import { block } from "./dom.ts";
import { Latest } from "./latest.ts";
import { alarm, explain } from "./notice.ts";
import { paced } from "./pace.ts";
import { erase, paint, resize, toImageData } from "./picture.ts";

export class WriteAs {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #latest = new Latest<Float32Array>(
    (code, overtaken) => this.#draw(code, overtaken),
    (error) => {
      alarm("The picture could not be written as another class", explain(error));
    },
  );
  #code: Float32Array | undefined;
  #canvases: HTMLCanvasElement[] = [];

  constructor(bench: Bench, picker: ClassPicker) {
    this.#bench = bench;
    this.#picker = picker;
    picker.onPick(() => {
      this.#choose();
      if (this.#code !== undefined) this.#latest.ask(this.#code);
    });
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** Shows the classes of a picture, given its code. */
  show(code: Float32Array): void {
    this.#code = code;
    if (this.#canvases.length > 0) this.#latest.ask(code);
  }

  clear(): void {
    this.#code = undefined;
    this.#canvases.forEach(erase);
  }

  #reset({ labels = [], imageShape: [height, width] }: Model): void {
    this.#code = undefined;
    block("write-as").hidden = labels.length === 0;
    this.#canvases = labels.map((name) => {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Your picture as ${name}`);
      resize(canvas, width, height);
      return canvas;
    });
    block("restyled").replaceChildren(...this.#canvases.map((canvas, index) => framed(canvas, labels[index])));
    this.#choose();
  }

  /** The classes to draw, by index. */
  get #chosen(): number[] {
    const { label } = this.#picker;
    return label === null ? [...this.#canvases.keys()] : [label];
  }

  #choose(): void {
    const chosen = new Set(this.#chosen);
    [...block("restyled").children].forEach((figure, index) => {
      (figure as HTMLElement).hidden = !chosen.has(index);
    });
  }

  async #draw(code: Float32Array, overtaken: () => boolean): Promise<void> {
    const chosen = this.#chosen;
    for await (const [first, count] of paced(chosen.length)) {
      const labels = chosen.slice(first, first + count);
      if (code !== this.#code) return; // cleared, or of another model
      const codes = new Float32Array(count * code.length);
      for (let index = 0; index < count; index++) codes.set(code, index * code.length);
      const images = await this.#bench.use((model) => model.decode(codes, { labels }));
      if (images === undefined || overtaken() || code !== this.#code) return;
      labels.forEach((label, index) => {
        paint(this.#canvases[label], toImageData(images, index));
      });
    }
  }
}

function framed(canvas: HTMLCanvasElement, name: string): HTMLElement {
  const frame = document.createElement("div");
  frame.className = "frame";
  frame.append(canvas);
  const caption = document.createElement("figcaption");
  caption.textContent = name;
  caption.title = name; // long names are cut
  const figure = document.createElement("figure");
  figure.append(frame, caption);
  return figure;
}
