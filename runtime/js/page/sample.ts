/** The section Sample: a grid of samples, determined by seed, count and temperature. */

import { imageGrid } from "../src/browser.ts";
import type { Images } from "../src/browser.ts";
import type { Bench } from "./bench.ts";
import type { ClassPicker } from "./classes.ts";
import { block, canvas, element, input, number, on, select } from "./dom.ts";
import { savePicture } from "./download.ts";
import { GridKeys } from "./grid-keys.ts";
import { Latest } from "./latest.ts";
import { alarm, attempt, explain, press, say } from "./notice.ts";
import { note } from "./link.ts";
import { paced } from "./pace.ts";
import { Tiles, toImageData } from "./picture.ts";
import { drawSample, type Sample } from "./sample-link.ts";

const SEEDS = 1n << 64n;
const SCALE_UP_TO = 64; // pixels; smaller pictures are saved at twice their size, as by cvae-generate

/** A grid of samples. */
export interface Request {
  seed: bigint;
  count: number;
  temperature: number;
}

export class SampleSection {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #chosen: (sample: Sample) => void;
  readonly #painted: (request: Request) => void;
  readonly #keys = new GridKeys(block("grid"), (index) => {
    attempt("No sample could be taken", this.#choose(index));
  });
  readonly #latest = new Latest<Request>(
    (request, overtaken) => this.#draw(request, overtaken),
    (error) => {
      alarm("No samples could be drawn", explain(error));
    },
  );
  #request: Request = { seed: 0n, count: 64, temperature: 1 };
  #drawn: { request: Request; images: Images; label: string | undefined } | undefined;
  #fresh = true; // this model has no grid yet
  #measured = false;
  #taken = 0; // samples returned by next(), which come after those of the grid

  /** Calls `chosen` with the sample that was pressed, and `painted` when a grid is complete. */
  constructor(
    bench: Bench,
    picker: ClassPicker,
    chosen: (sample: Sample) => void,
    painted: (request: Request) => void,
  ) {
    this.#bench = bench;
    this.#picker = picker;
    this.#chosen = chosen;
    this.#painted = painted;
    on(input("seed"), "change", () => {
      this.#readSeed();
    });
    on(element("sample-form", HTMLFormElement), "submit", (event) => {
      event.preventDefault();
      this.#readSeed();
    });
    on(select("count"), "change", () => {
      this.#ask({ count: Number(select("count").value) });
    });
    on(input("temperature"), "input", () => {
      this.#readTemperature();
    });
    const step = (by: bigint) => () => {
      this.#setSeed((this.#request.seed + by + SEEDS) % SEEDS);
    };
    press("seed-up", "No samples could be drawn", step(1n));
    press("seed-down", "No samples could be drawn", step(-1n));
    press("resample", "No samples could be drawn", step(1n));
    press("download", "The picture could not be saved", () => this.#download());
    picker.onPick(() => {
      this.#ask({});
    });
    bench.onModel(() => {
      this.#fresh = true;
      this.#ask({});
    });
  }

  /** Takes over the values of a link, before a model is open. Values that the controls do not have are ignored. */
  restore({ seed = "", count = "", temperature = "" }: { seed?: string; count?: string; temperature?: string }): void {
    if (isSeed(seed)) this.#setSeed(BigInt(seed));
    const numbers = [...select("count").options].map(({ text }) => text);
    if (numbers.includes(count)) {
      select("count").value = count;
      this.#ask({ count: Number(count) });
    }
    if (/^\d+(\.\d+)?$/.test(temperature)) {
      input("temperature").value = temperature; // the slider limits it
      this.#readTemperature();
    }
  }

  /** Returns a sample that is not in the grid, a new one each time; undefined if another model was opened meanwhile. */
  next(): Promise<Sample | undefined> {
    return this.sample(this.#request.count + this.#taken++);
  }

  /** Returns the sample with this index; its latent includes the grid's temperature. */
  async sample(index: number): Promise<Sample | undefined> {
    const { seed, temperature } = this.#request;
    return await drawSample(this.#bench, this.#picker, seed, index, temperature);
  }

  async #choose(index: number): Promise<void> {
    if (this.#drawn === undefined) return;
    const sample = await this.sample(index);
    if (sample !== undefined) this.#chosen(sample);
  }

  #readTemperature(): void {
    const temperature = input("temperature").valueAsNumber;
    element("temperature-value", HTMLOutputElement).value = number(temperature, 2);
    this.#ask({ temperature });
  }

  #readSeed(): void {
    const text = input("seed").value.trim();
    const good = isSeed(text);
    if (good) this.#setSeed(BigInt(text));
    input("seed").setAttribute("aria-invalid", String(!good));
    block("seed-problem").hidden = good;
  }

  #setSeed(seed: bigint): void {
    const field = input("seed");
    field.value = seed.toString();
    field.setAttribute("aria-invalid", "false");
    block("seed-problem").hidden = true;
    this.#taken = 0;
    if (seed !== this.#request.seed) this.#ask({ seed });
  }

  #ask(change: Partial<Request>): void {
    this.#request = { ...this.#request, ...change };
    const { seed, count, temperature } = this.#request;
    note({ seed: seed.toString(), count: String(count), temperature: String(temperature) });
    if (this.#bench.ready) this.#latest.ask(this.#request);
  }

  async #draw(request: Request, overtaken: () => boolean): Promise<void> {
    const target = canvas("grid-canvas");
    const shape = this.#bench.model.imageShape;
    const columns = Math.ceil(Math.sqrt(request.count));
    const rows = Math.ceil(request.count / columns);
    const tiles = new Tiles(shape, columns, rows);
    const size = shape[0] * shape[1] * shape[2];
    const images: Images = { data: new Float32Array(request.count * size), shape: [request.count, ...shape] };
    const { seed, temperature } = request;
    for await (const [first, count] of paced(request.count)) {
      const part = await this.#bench.use((model) =>
        model.generate(count, { seed, first, temperature, label: this.#picker.label }),
      );
      if (part === undefined || overtaken()) return;
      if (first === 0) this.#layOut(request.count, columns, tiles);
      for (let index = 0; index < count; index++) tiles.paint(target, first + index, toImageData(part, index));
      images.data.set(part.data, first * size);
      this.#measureFirst();
    }
    if (overtaken()) return;
    const { label } = this.#picker;
    this.#drawn = { request, images, label: label === null ? undefined : this.#bench.model.labels?.[label] };
    target.dataset.seed = request.seed.toString();
    say(`${request.count} samples of seed ${request.seed.toString()}`);
    this.#painted(request);
  }

  #layOut(count: number, columns: number, tiles: Tiles): void {
    block("grid-frame").style.setProperty("--ratio", String(tiles.width / tiles.height));
    tiles.prepare(canvas("grid-canvas"));
    this.#keys.layOut(count, columns, tiles);
    if (this.#fresh) this.#keys.mark(0); // Explore starts with it
    this.#fresh = false;
  }

  #measureFirst(): void {
    if (this.#measured) return;
    this.#measured = true;
    performance.measure("first-picture", { start: 0, end: performance.now() });
  }

  async #download(): Promise<void> {
    if (this.#drawn === undefined) return;
    const { request, images, label } = this.#drawn;
    const scale = Math.max(images.shape[1], images.shape[2]) <= SCALE_UP_TO ? 2 : 1;
    const ofClass = label === undefined ? "" : `-label-${label.replace(/[^\p{L}\p{N}-]+/gu, "_")}`;
    await savePicture(imageGrid(images, { scale }), `samples-seed-${request.seed.toString()}${ofClass}.png`);
  }
}

function isSeed(text: string): boolean {
  return /^\d{1,20}$/.test(text) && BigInt(text) < SEEDS;
}
