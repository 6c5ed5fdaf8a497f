/** A canvas to draw on with mouse, pen, finger or keyboard. It also shows pictures, which can be drawn on. */

import { block, canvas, context2d, isShortcut, on } from "./dom.ts";
import { cover } from "./fit.ts";
import { resize } from "./picture.ts";

/** Minimum of the longer side, in pixels. */
const SIDE = 280;
/** One press of an arrow key, as a fraction of the shorter side. */
const STEP = 1 / 28;
/** Points of the digit that are drawn in one frame. */
const DIGIT_STEP = 3;
/** Width of the pen, as a fraction of the shorter side. Lines of MNIST are two to three of 28 pixels wide. */
const PEN = 0.08;

type Point = [x: number, y: number];

export class Pad {
  ink = "#fff";
  /** Whether nothing was drawn since the pad was cleared. */
  empty = true;
  readonly #canvas = canvas("pad");
  readonly #changed: () => void;
  #paper = 0;
  #last: Point | undefined;
  #pen: Point = [0.5, 0.5]; // of the keyboard, as fractions of the width and the height
  #down = false; // the keyboard's pen draws
  #demonstrates = false; // a digit draws itself, or did

  constructor(changed: () => void) {
    this.#changed = changed;
    on(this.#canvas, "pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.#endDemonstration();
      this.#canvas.setPointerCapture(event.pointerId);
      this.#last = undefined;
      this.#line([this.#pointOf(event)]);
    });
    on(this.#canvas, "pointermove", (event) => {
      if (!this.#canvas.hasPointerCapture(event.pointerId)) return;
      const all = event.getCoalescedEvents();
      this.#line((all.length > 0 ? all : [event]).map((one) => this.#pointOf(one)));
    });
    on(this.#canvas, "keydown", (event) => {
      if (!isShortcut(event) && this.#press(event.key)) event.preventDefault();
    });
    on(this.#canvas, "blur", () => {
      this.#down = false;
      this.#showPen();
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
    this.#demonstrates = false;
    const context = context2d(this.#canvas);
    context.fillStyle = `rgb(${this.#paper} ${this.#paper} ${this.#paper})`;
    context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.#setEmpty(true);
  }

  /** Draws a digit, as a visitor would; the visitor's first line clears it. */
  demonstrate(): void {
    this.#demonstrates = true;
    this.#last = undefined;
    const points = digit(this.#canvas.width, this.#canvas.height);
    let drawn = 0;
    const frame = (): void => {
      if (!this.#demonstrates) return;
      this.#line(points.slice(drawn, drawn + DIGIT_STEP));
      drawn += DIGIT_STEP;
      if (drawn < points.length) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  place(picture: CanvasImageSource, width: number, height: number): void {
    this.#demonstrates = false;
    cover(this.#canvas, picture, width, height);
    this.#setEmpty(false);
  }

  /** Puts a picture of the model's own size on the pad; its pixels become squares. */
  placePixels(picture: ImageData): void {
    this.#demonstrates = false;
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

  #endDemonstration(): void {
    if (this.#demonstrates) this.clear();
  }

  /** Moves, lowers or lifts the keyboard's pen. Returns whether it knows the key. */
  #press(key: string): boolean {
    const side = Math.min(this.#canvas.width, this.#canvas.height);
    const [right, down] = [(STEP * side) / this.#canvas.width, (STEP * side) / this.#canvas.height];
    const moves: Record<string, Point> = {
      ArrowLeft: [-right, 0],
      ArrowRight: [right, 0],
      ArrowUp: [0, -down],
      ArrowDown: [0, down],
    };
    const move = moves[key] as Point | undefined;
    if (move === undefined && key !== " " && key !== "Escape") return false;
    if (key === " ") this.#down = !this.#down;
    if (key === "Escape") this.#down = false;
    if (this.#down) {
      this.#endDemonstration();
      this.#last = this.#atPen();
    }
    this.#pen = [clamp(this.#pen[0] + (move?.[0] ?? 0)), clamp(this.#pen[1] + (move?.[1] ?? 0))];
    if (this.#down) this.#line([this.#atPen()]);
    this.#showPen();
    return true;
  }

  #atPen(): Point {
    return [this.#pen[0] * this.#canvas.width, this.#pen[1] * this.#canvas.height];
  }

  #showPen(): void {
    const cursor = block("pad-pen");
    cursor.hidden = document.activeElement !== this.#canvas;
    cursor.classList.toggle("down", this.#down);
    const [box, frame] = [this.#canvas, this.#canvas.parentElement ?? this.#canvas].map((one) =>
      one.getBoundingClientRect(),
    );
    cursor.style.left = `${box.left - frame.left + this.#pen[0] * box.width}px`;
    cursor.style.top = `${box.top - frame.top + this.#pen[1] * box.height}px`;
  }

  #pointOf(event: PointerEvent): Point {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.#canvas;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  #line(points: readonly Point[]): void {
    const context = context2d(this.#canvas);
    context.strokeStyle = this.ink;
    context.lineWidth = PEN * Math.min(this.#canvas.width, this.#canvas.height);
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    for (const point of points) {
      context.moveTo(...(this.#last ?? point));
      context.lineTo(...point);
      this.#last = point;
    }
    context.stroke();
    this.#setEmpty(false);
    this.#changed();
  }
}

/** The points of a 3: an arc above another one. */
function digit(width: number, height: number): Point[] {
  const arc = (y: number, across: number, down: number, from: number, to: number): Point[] =>
    Array.from({ length: 60 }, (_, i) => {
      const angle = ((from + ((to - from) * i) / 59) * Math.PI) / 180;
      return [(0.48 + across * Math.cos(angle)) * width, (y + down * Math.sin(angle)) * height];
    });
  return [...arc(0.34, 0.18, 0.14, -160, 90), ...arc(0.65, 0.21, 0.17, -90, 160)];
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
