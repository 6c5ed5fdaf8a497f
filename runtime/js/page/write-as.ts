/** "Write it as …": the picture on the pad in every class of a model with labels, or in the picked class. */

import type { Model } from "../src/browser.ts";
import { mostProbable } from "../src/labels.ts";
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
  readonly #latest = new Latest<ImageData>(
    (picture, overtaken) => this.#draw(picture, overtaken),
    (error) => {
      alarm("The picture could not be written as another class", explain(error));
    },
  );
  #picture: ImageData | undefined;
  #canvases: HTMLCanvasElement[] = [];

  constructor(bench: Bench, picker: ClassPicker) {
    this.#bench = bench;
    this.#picker = picker;
    picker.onPick(() => {
      this.#choose();
      if (this.#picture !== undefined) this.#latest.ask(this.#picture);
    });
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** Shows a picture in every class. */
  show(picture: ImageData): void {
    this.#picture = picture;
    if (this.#canvases.length > 0) this.#latest.ask(picture);
  }

  clear(): void {
    this.#latest.cancel();
    this.#picture = undefined;
    this.#canvases.forEach(erase);
  }

  #reset({ labels = [], imageShape: [height, width] }: Model): void {
    this.clear();
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

  async #draw(picture: ImageData, overtaken: () => boolean): Promise<void> {
    const chosen = this.#chosen;
    const of = await this.#bench.use(async (model) => mostProbable(await model.classify(picture)));
    for await (const [first, count] of paced(chosen.length)) {
      for (const label of chosen.slice(first, first + count)) {
        if (of === undefined || overtaken() || picture !== this.#picture) return; // cleared, or of another model
        const images = await this.#bench.use((model) => model.restyle(picture, [label], { of }));
        if (images === undefined || picture !== this.#picture) return;
        paint(this.#canvases[label], toImageData(images));
      }
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
