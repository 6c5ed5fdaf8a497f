/** A canvas to draw on with mouse, pen or finger. It also shows pictures, which can be drawn on. */

import { block, canvas, context2d, on } from "./dom.ts";
import { cover } from "./fit.ts";
import { resize } from "./picture.ts";

const SIDE = 280; // minimum in pixels, for any size of the model
const PEN = 0.08; // of the shorter side: MNIST's lines are two to three of 28 pixels wide

export class Pad {
  ink = "#fff";
  /** Whether nothing was drawn since the pad was cleared. */
  empty = true;
  readonly #canvas = canvas("pad");
  readonly #changed: () => void;
  #paper = 0;
  #last: [number, number] | undefined;

  constructor(changed: () => void) {
    this.#changed = changed;
    on(this.#canvas, "pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.#canvas.setPointerCapture(event.pointerId);
      this.#last = undefined;
      this.#line([event]);
    });
    on(this.#canvas, "pointermove", (event) => {
      if (!this.#canvas.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents();
      this.#line(all.length > 0 ? all : [event]);
    });
  }

  /** Adapts to a model's shape and the grey level of its paper, and clears the pad. */
  suit([height, width]: readonly [number, number, number], paper: number): void {
    const scale = Math.max(1, Math.ceil(SIDE / Math.max(height, width)));
    resize(this.#canvas, width * scale, height * scale);
    block("pad").style.setProperty("--ratio", String(width / height));
    this.#paper = paper;
    this.clear();
  }

  clear(): void {
    const context = context2d(this.#canvas);
    context.fillStyle = `rgb(${this.#paper} ${this.#paper} ${this.#paper})`;
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#setEmpty(true);
  }

  place(picture: CanvasImageSource, width: number, height: number): void {
    cover(this.#canvas, picture, width, height);
    this.#setEmpty(false);
  }

  /** Puts a picture of the model's own size on the pad; its pixels become squares. */
  placePixels(picture: ImageData): void {
    const small = document.createElement("canvas");
    small.width = picture.width;
    small.height = picture.height;
    context2d(small).putImageData(picture, 0, 0);
    const context = context2d(this.#canvas);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, this.#canvas.width, this.#canvas.height);
    context.imageSmoothingEnabled = true;
    this.#setEmpty(false);
  }

  get pixels(): ImageData {
    return context2d(this.#canvas).getImageData(0, 0, this.#canvas.width, this.#canvas.height);
  }

  #setEmpty(empty: boolean): void {
    this.empty = empty;
    block("pad-hint").hidden = !empty;
    block("pad-hint").classList.toggle("on-bright", this.#paper > 127);
  }

  #line(events: readonly PointerEvent[]): void {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.#canvas;
    const context = context2d(this.#canvas);
    context.strokeStyle = this.ink;
    context.lineWidth = PEN * Math.min(width, height);
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    for (const event of events) {
      const point: [number, number] = [
        ((event.clientX - box.left) / box.width) * width,
        ((event.clientY - box.top) / box.height) * height,
      ];
      context.moveTo(...(this.#last ?? point));
      context.lineTo(...point);
      this.#last = point;
    }
    context.stroke();
    this.#setEmpty(false);
    this.#changed();
  }
}
