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
import { paced } from "./pace.ts";
import { Tiles, toImageData } from "./picture.ts";

const SEEDS = 1n << 64n;
const SCALE_UP_TO = 64; // pixels; smaller pictures are saved at twice their size, as by cvae-generate

interface Request {
  seed: bigint;
  count: number;
  temperature: number;
}

export interface Sample {
  name: string;
  latent: Float32Array;
  /** The latent of the same noise for the class that is picked now; undefined if the latent comes from no noise. */
  again?: (() => Promise<Float32Array | undefined>) | undefined;
}

export class SampleSection {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #chosen: (sample: Sample) => void;
  readonly #painted: (images: Images) => void;
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
  constructor(bench: Bench, picker: ClassPicker, chosen: (sample: Sample) => void, painted: (images: Images) => void) {
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
      const temperature = input("temperature").valueAsNumber;
      element("temperature-value", HTMLOutputElement).value = number(temperature, 2);
      this.#ask({ temperature });
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

  /** Returns a sample that is not in the grid, a new one each time; undefined if another model was opened meanwhile. */
  next(): Promise<Sample | undefined> {
    return this.sample(this.#request.count + this.#taken++);
  }

  /** Returns the sample with this index; its latent includes the grid's temperature. */
  async sample(index: number): Promise<Sample | undefined> {
    const { seed, temperature } = this.#request;
    const again = () =>
      this.#bench.use(
        async (model) => (await model.latents(1, { seed, first: index, temperature, label: this.#picker.label })).data,
      );
    const latent = await again();
    return latent && { name: `Sample ${index} of seed ${seed.toString()}`, latent, again };
  }

  async #choose(index: number): Promise<void> {
    if (this.#drawn === undefined) return;
    const sample = await this.sample(index);
    if (sample !== undefined) this.#chosen(sample);
  }

  #readSeed(): void {
    const field = input("seed");
    const text = field.value.trim();
    const good = /^\d{1,20}$/.test(text) && BigInt(text) < SEEDS;
    field.setCustomValidity(good ? "" : "A seed is a whole number from 0 to 18446744073709551615.");
    field.setAttribute("aria-invalid", String(!good));
    if (good) this.#setSeed(BigInt(text));
    else field.reportValidity();
  }

  #setSeed(seed: bigint): void {
    const field = input("seed");
    field.value = seed.toString();
    field.setCustomValidity("");
    field.setAttribute("aria-invalid", "false");
    this.#taken = 0;
    if (seed !== this.#request.seed) this.#ask({ seed });
  }

  #ask(change: Partial<Request>): void {
    this.#request = { ...this.#request, ...change };
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
    const { label } = this.#picker;
    this.#drawn = { request, images, label: label === null ? undefined : this.#bench.model.labels?.[label] };
    target.dataset.seed = request.seed.toString();
    say(`${request.count} samples of seed ${request.seed.toString()}`);
    this.#painted(images);
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
