/** The section Walk: the path between two latents, frame by frame. */

import type { Images } from "../src/browser.ts";
import { interpolateLatents } from "../src/interpolate.ts";
import type { Bench } from "./bench.ts";
import type { ClassPicker } from "./classes.ts";
import { button, canvas, input, isCalm, on, select } from "./dom.ts";
import { saveFile } from "./download.ts";
import { encodeGif } from "./gif.ts";
import { Latest } from "./latest.ts";
import { alarm, explain, press } from "./notice.ts";
import { paced } from "./pace.ts";
import { paint, Tiles, toImageData } from "./picture.ts";
import { note } from "./link.ts";
import type { Sample } from "./sample-link.ts";

const FAILURE = "The walk could not be made";
const FRAMES = 49;
const SHOWN = 9; // frames in the strip: every sixth
const EVERY = (FRAMES - 1) / (SHOWN - 1);
const MILLISECONDS = 50; // per frame
const CALM_MILLISECONDS = 900; // per picture of the strip, for visitors who prefer reduced motion

interface Request {
  start: Sample;
  end: Sample;
  method: "linear" | "spherical";
}

export class WalkSection {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #latest = new Latest<Request>(
    (request, overtaken) => this.#draw(request, overtaken),
    (error) => {
      alarm(FAILURE, explain(error));
    },
  );
  #start: Sample = { name: "", latent: new Float32Array(0), link: "" };
  #end = this.#start;
  #frames: Images | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #forwards = true;
  #awaited = true; // no visitor has seen the walk yet

  /** `next` returns a sample; `explored` returns what Explore shows. */
  constructor(bench: Bench, picker: ClassPicker, next: () => Promise<Sample | undefined>, explored: () => Sample) {
    this.#bench = bench;
    this.#picker = picker;
    press("start-new", FAILURE, async () => {
      const sample = await next();
      if (sample !== undefined) this.set(sample, this.#end);
    });
    press("end-new", FAILURE, async () => {
      const sample = await next();
      if (sample !== undefined) this.set(this.#start, sample);
    });
    press("start-explore", FAILURE, () => {
      this.set(explored(), this.#end);
    });
    press("end-explore", FAILURE, () => {
      this.set(this.#start, explored());
    });
    press("play", FAILURE, () => {
      this.#play(this.#timer === undefined);
    });
    press("download-walk", "The walk could not be saved", () => this.#download());
    on(select("method"), "change", () => {
      this.set(this.#start, this.#end);
    });
    on(input("place"), "input", () => {
      this.#play(false);
      this.#show();
    });
    on(canvas("strip"), "click", (event) => {
      const box = canvas("strip").getBoundingClientRect();
      this.#play(false);
      input("place").valueAsNumber = Math.round(((event.clientX - box.left) / box.width) * (FRAMES - 1));
      this.#show();
    });
    picker.onPick(() => {
      this.set(this.#start, this.#end);
    });
    bench.onModel(({ latentDim }) => {
      this.#latest.cancel();
      this.#frames = undefined;
      this.#start = { name: "", latent: new Float32Array(latentDim), link: "" };
      this.#end = this.#start;
    });
  }

  set(start: Sample, end: Sample): void {
    this.#start = start;
    this.#end = end;
    const method = select("method").value === "linear" ? "linear" : "spherical";
    note({ from: start.link, to: end.link, path: method });
    this.#latest.ask({ start, end, method });
  }

  async #draw({ start, end, method }: Request, overtaken: () => boolean): Promise<void> {
    const shape = this.#bench.model.imageShape;
    const size = shape[0] * shape[1] * shape[2];
    const [a, b] = await Promise.all([start, end].map((sample) => this.#latentOf(sample)));
    const latents = interpolateLatents(a, b, FRAMES, method);
    const frames: Images = { data: new Float32Array(FRAMES * size), shape: [FRAMES, ...shape] };
    for await (const [first, count] of paced(FRAMES)) {
      if (overtaken()) return;
      const some = latents.subarray(first * a.length, (first + count) * a.length);
      const part = await this.#bench.use((model) => model.decode(some, { label: this.#picker.label }));
      if (part === undefined) return;
      frames.data.set(part.data, first * size);
    }
    if (overtaken()) return;
    this.#frames = frames;
    const strip = canvas("strip");
    const tiles = new Tiles(shape, SHOWN, 1);
    strip.style.setProperty("--ratio", String(tiles.width / tiles.height));
    tiles.prepare(strip);
    for (let place = 0; place < SHOWN; place++) tiles.paint(strip, place, toImageData(frames, place * EVERY));
    this.#show();
    if (this.#awaited) this.#playInView();
    this.#awaited = false;
  }

  /** Starts to play when the walk is first in view, unless the visitor prefers reduced motion. */
  #playInView(): void {
    const watch = new IntersectionObserver((entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      watch.disconnect();
      if (!isCalm()) this.#play(true);
    });
    watch.observe(canvas("walk-canvas"));
  }

  /** A sample's latent for the picked class; models without labels have one latent. */
  async #latentOf({ latent, again }: Sample): Promise<Float32Array> {
    return (this.#bench.model.labels && (await again?.())) ?? latent;
  }

  #show(): void {
    const place = input("place");
    place.setAttribute("aria-valuetext", `${Math.round((100 * place.valueAsNumber) / (FRAMES - 1))} percent`);
    if (this.#frames !== undefined) paint(canvas("walk-canvas"), toImageData(this.#frames, place.valueAsNumber));
  }

  async #download(): Promise<void> {
    if (this.#frames === undefined) return;
    saveFile(new Blob([await encodeGif(this.#frames, MILLISECONDS)], { type: "image/gif" }), "walk.gif");
  }

  #play(on: boolean): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (on) {
      const calm = isCalm();
      const step = calm ? EVERY : 1;
      this.#timer = setInterval(
        () => {
          this.#advance(step);
        },
        calm ? CALM_MILLISECONDS : MILLISECONDS,
      );
    }
    button("play").setAttribute("aria-pressed", String(on));
    button("play").textContent = on ? "Pause" : "Play";
  }

  #advance(step: number): void {
    const place = input("place");
    const at = place.valueAsNumber;
    if (at <= 0) this.#forwards = true;
    if (at >= FRAMES - 1) this.#forwards = false;
    place.valueAsNumber = at + (this.#forwards ? step : -step);
    this.#show();
  }
}
