/**
 * The section Map: samples, arranged so that those with similar codes are neighbours, and the pictures between them.
 *
 * If no class is picked, the samples of a model with labels have the classes in turn. As in Explore, the picked class
 * decodes all latents.
 */

import type { Model } from "../src/browser.ts";
import { arrange, blend } from "./arrange.ts";
import type { Bench } from "./bench.ts";
import type { ClassPicker } from "./classes.ts";
import { block, button, canvas, element, isShortcut, on } from "./dom.ts";
import { Latest } from "./latest.ts";
import { alarm, explain, press, say } from "./notice.ts";
import { paced } from "./pace.ts";
import { erase, paint, Tiles, toImageData } from "./picture.ts";
import { codeSample, type Sample } from "./sample-link.ts";
import type { Request } from "./sample.ts";

const FINE = 2; // pictures from one sample to the next
const FAILURE = "The map could not be drawn";
const SVG = "http://www.w3.org/2000/svg";

interface Atlas {
  readonly seed: bigint;
  readonly latents: Float32Array;
  /** The picked class, with which all pictures are decoded; null if none is picked. */
  readonly label: number | null;
  /** Index of the sample at each place, row by row. */
  readonly order: readonly number[];
  /** Class of each sample; undefined if none or one is picked for all. */
  readonly classes: readonly number[] | undefined;
  /** Samples per row. */
  readonly side: number;
  readonly tiles: Tiles;
}

const failed = (error: unknown) => {
  alarm(FAILURE, explain(error));
};

export class MapSection {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #explore: (sample: Sample) => void;
  readonly #atlases = new Latest<Request>((request, overtaken) => this.#draw(request, overtaken), failed);
  readonly #pictures = new Latest<Float32Array>((latent) => this.#decode(latent), failed);
  #wanted: Request | undefined; // waits until the map is in view
  #visible = false;
  #atlas: Atlas | undefined;
  #place: readonly [x: number, y: number] = [0, 0]; // column and row, in samples

  /** `explore` opens a sample in Explore. */
  constructor(bench: Bench, picker: ClassPicker, explore: (sample: Sample) => void) {
    this.#bench = bench;
    this.#picker = picker;
    this.#explore = explore;
    const map = canvas("map-canvas");
    let touched = false;
    on(map, "pointerdown", (event) => {
      touched = event.pointerType === "touch";
      this.#point(event);
    });
    on(map, "pointermove", (event) => {
      this.#point(event);
    });
    on(map, "click", () => {
      if (!touched) this.#open(); // a finger cannot hover, so a tap only shows the picture
    });
    on(map, "keydown", (event) => {
      if (!isShortcut(event) && this.#press(event.key)) event.preventDefault();
    });
    press("map-explore", FAILURE, () => {
      this.#open();
    });
    bench.onModel((model) => {
      this.#reset(model);
    });
    new IntersectionObserver((entries) => {
      this.#visible = entries.at(-1)?.isIntersecting === true;
      this.#ask();
    }).observe(map);
  }

  /** Maps the samples of a grid, once the map is in view. */
  show(request: Request): void {
    this.#wanted = request;
    this.#ask();
  }

  #ask(): void {
    if (!this.#visible || this.#wanted === undefined) return;
    this.#atlases.ask(this.#wanted);
    this.#wanted = undefined;
  }

  #reset({ imageShape }: Model): void {
    this.#atlases.cancel();
    this.#pictures.cancel();
    this.#wanted = undefined;
    this.#atlas = undefined;
    this.#layOut(new Tiles(imageShape, 1, 1));
    erase(canvas("map-picture"));
    block("map-name").textContent = "";
    button("map-explore").disabled = true;
  }

  #layOut(tiles: Tiles): void {
    block("map-frame").style.setProperty("--ratio", String(tiles.width / tiles.height));
    tiles.prepare(canvas("map-canvas"));
    element("map-marks", SVGSVGElement).setAttribute("viewBox", `0 0 ${tiles.width} ${tiles.height}`);
    element("map-rings", SVGGElement).replaceChildren();
    element("map-place", SVGRectElement).setAttribute("width", "0");
  }

  async #draw(request: Request, overtaken: () => boolean): Promise<void> {
    const { seed, count, temperature } = request;
    const { label } = this.#picker;
    const { labels: names, imageShape, latentDim } = this.#bench.model;
    const use = async <T>(work: (model: Model) => Promise<T>) =>
      overtaken() ? undefined : await this.#bench.use(work);

    const classes = label === null && names ? Array.from({ length: count }, (_, n) => n % names.length) : undefined;
    const given = classes === undefined ? { label } : { labels: classes };
    const latents = (await use((model) => model.latents(count, { seed, temperature, ...given })))?.data;
    if (latents === undefined) return;
    const codes = new Float32Array(latents.length);
    for await (const [first, some] of paced(count)) {
      const part = latents.subarray(first * latentDim, (first + some) * latentDim);
      const posterior = await use(async (model) => model.encode(await model.decode(part, { label }), { label }));
      if (posterior === undefined) return;
      codes.set(posterior.mean.data, first * latentDim);
    }

    const side = Math.sqrt(count);
    const across = FINE * (side - 1) + 1;
    const atlas = {
      seed,
      latents,
      label,
      order: arrange(codes, count),
      classes,
      side,
      tiles: new Tiles(imageShape, across, across),
    };
    for await (const [first, some] of paced(across * across)) {
      const part = new Float32Array(some * latentDim);
      for (let n = 0; n < some; n++) {
        const [x, y] = [(first + n) % across, Math.floor((first + n) / across)];
        part.set(blend(latents, atlas.order, x / FINE, y / FINE), n * latentDim);
      }
      const images = await use((model) => model.decode(part, { label }));
      if (images === undefined || overtaken()) return;
      if (first === 0) this.#begin(atlas, names?.length ?? 0);
      for (let n = 0; n < some; n++) atlas.tiles.paint(canvas("map-canvas"), first + n, toImageData(images, n));
    }
    canvas("map-canvas").dataset.seed = seed.toString();
  }

  /** Replaces the map by one whose pictures follow, of a model with `names` classes. */
  #begin(atlas: Atlas, names: number): void {
    this.#layOut(atlas.tiles);
    this.#atlas = atlas;
    this.#ring(atlas, names);
    button("map-explore").disabled = false;
    const middle = Math.floor(atlas.side / 2);
    this.#move(middle, middle);
  }

  /** Draws a ring around each sample in the colour of its class. */
  #ring({ classes, order, side, tiles }: Atlas, names: number): void {
    if (classes === undefined) return;
    const rings = order.map((sample, place) => {
      const ring = document.createElementNS(SVG, "rect");
      surround(ring, tiles, place % side, Math.floor(place / side));
      ring.setAttribute("stroke", `oklch(0.7 0.17 ${(360 * classes[sample]) / names})`);
      return ring;
    });
    element("map-rings", SVGGElement).replaceChildren(...rings);
  }

  #point({ clientX, clientY }: PointerEvent): void {
    if (this.#atlas === undefined) return;
    const { width, height, step, gap } = this.#atlas.tiles;
    const box = canvas("map-canvas").getBoundingClientRect();
    const [left, top] = [((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height];
    const [x, y] = [left, top].map((at, axis) => (at - (step[axis] - gap) / 2) / (FINE * step[axis]));
    this.#move(x, y);
  }

  /** Moves to the next picture. Returns whether it knows the key. */
  #press(key: string): boolean {
    if (this.#atlas === undefined) return false;
    if (key === "Enter" || key === " ") {
      this.#open();
      return true;
    }
    const [x, y] = this.#place.map((at) => Math.round(at * FINE) / FINE);
    const last = this.#atlas.side - 1;
    const places: Record<string, readonly [number, number]> = {
      ArrowLeft: [x - 1 / FINE, y],
      ArrowRight: [x + 1 / FINE, y],
      ArrowUp: [x, y - 1 / FINE],
      ArrowDown: [x, y + 1 / FINE],
      Home: [0, 0],
      End: [last, last],
    };
    const place = places[key] as readonly [number, number] | undefined;
    if (place === undefined) return false;
    this.#move(...place);
    say(this.#name);
    return true;
  }

  #move(x: number, y: number): void {
    if (this.#atlas === undefined) return;
    const { latents, order, side, tiles } = this.#atlas;
    const [column, row] = [x, y].map((at) => Math.max(0, Math.min(side - 1, at)));
    this.#place = [column, row];
    surround(element("map-place", SVGRectElement), tiles, column, row);
    block("map-name").textContent = this.#name;
    this.#pictures.ask(blend(latents, order, column, row));
  }

  /** The sample at the place, or the nearest one. */
  get #name(): string {
    if (this.#atlas === undefined) return "";
    const { seed, order, classes, side } = this.#atlas;
    const [x, y] = this.#place;
    const sample = order[Math.round(y) * side + Math.round(x)];
    const near = Number.isInteger(x) && Number.isInteger(y) ? "Sample" : "Near sample";
    const ofClass = classes === undefined ? "" : `, class ${this.#bench.model.labels?.[classes[sample]] ?? ""}`;
    return `${near} ${sample} of seed ${seed.toString()}${ofClass}`;
  }

  async #decode(latent: Float32Array): Promise<void> {
    if (this.#atlas === undefined) return;
    const { label } = this.#atlas;
    const images = await this.#bench.use((model) => model.decode(latent, { label }));
    if (images !== undefined) paint(canvas("map-picture"), toImageData(images));
  }

  #open(): void {
    if (this.#atlas === undefined) return;
    const { latents, order } = this.#atlas;
    this.#explore(codeSample(this.#name, blend(latents, order, ...this.#place)));
    block("explore").focus();
  }
}

/** Puts a rectangle around the picture at a place. */
function surround(mark: SVGElement, { step, gap }: Tiles, x: number, y: number): void {
  const [left, top, width, height] = [FINE * x * step[0], FINE * y * step[1], step[0] - gap, step[1] - gap];
  for (const [name, value] of Object.entries({ x: left, y: top, width, height }))
    mark.setAttribute(name, String(value));
}
