/** The section Draw: a drawing or picture, its reconstruction, code and score. */

import type { Model, Scores } from "../src/browser.ts";
import { bitsPerDimension } from "../src/elbo.ts";
import type { Bench } from "./bench.ts";
import { chart } from "./chart.ts";
import type { ClassPicker } from "./classes.ts";
import { Detector } from "./detect.ts";
import { block, button, canvas, input, isCalm, number, on } from "./dom.ts";
import { asMnist, inverted, shrink } from "./fit.ts";
import { Latest } from "./latest.ts";
import { alarm, explain, press, say } from "./notice.ts";
import { Pad } from "./pad.ts";
import { erase, paint, resize, toImageData } from "./picture.ts";
import { codeSample, type Sample } from "./sample-link.ts";
import { edgeMean } from "./edge.ts";
import { WriteAs } from "./write-as.ts";

const FAILURE = "The picture could not be scored";

export class DrawSection {
  readonly #bench: Bench;
  readonly #picker: ClassPicker;
  readonly #writeAs: WriteAs;
  readonly #detector: Detector;
  readonly #pad = new Pad(() => {
    this.#look();
  });
  readonly #latest = new Latest<ImageData>(
    (picture) => this.#judge(picture),
    (error) => {
      alarm(FAILURE, explain(error));
    },
  );
  #shape: [number, number, number] = [28, 28, 1];
  #paper = 0; // grey level around the model's pictures
  #awaited = true; // no visitor has seen the pad yet
  #pictured = false; // the pad holds a picture, maybe with a drawing on it
  #centred = { drawing: true, picture: false };
  #code: Float32Array | undefined;

  /** `next` returns a sample; `explore` opens a latent in Explore. */
  constructor(
    bench: Bench,
    picker: ClassPicker,
    next: () => Promise<Sample | undefined>,
    explore: (sample: Sample) => void,
  ) {
    this.#bench = bench;
    this.#picker = picker;
    this.#writeAs = new WriteAs(bench, picker);
    this.#detector = new Detector(bench);
    press("clear", FAILURE, () => {
      this.#clear();
    });
    press("pick", FAILURE, () => {
      input("picture").click();
    });
    press("draw-sample", FAILURE, async () => {
      const sample = await next();
      if (sample !== undefined) await this.#take(sample);
    });
    press("draw-explore", FAILURE, () => {
      if (this.#code !== undefined) explore(codeSample("The code of your picture", this.#code));
      block("explore").focus();
    });
    on(input("picture"), "change", () => {
      const file = input("picture").files?.[0];
      input("picture").value = "";
      if (file !== undefined)
        this.open(file).catch((error: unknown) => {
          alarm(FAILURE, explain(error));
        });
    });
    on(input("invert"), "change", () => {
      this.#look();
    });
    on(input("centre"), "change", () => {
      this.#centred[this.#pictured ? "picture" : "drawing"] = input("centre").checked;
      this.#look();
    });
    on(input("ink"), "input", () => {
      this.#pad.ink = input("ink").value;
    });
    bench.onModel((model) => {
      this.#reset(model);
    });
  }

  /** Sets the paper's colour to the grey level, in [0, 1], of the edges of the model's pictures. */
  setEdge(edge: number): void {
    const paper = edge > 0.5 ? 255 : 0;
    if (paper !== this.#paper) {
      this.#paper = paper;
      if (this.#pad.empty) this.#suit();
    }
    if (!this.#awaited) return;
    this.#awaited = false;
    this.#demonstrateInView();
  }

  /** Lets a digit draw itself when the pad is first in view, for MNIST's model and unless motion is to be reduced. */
  #demonstrateInView(): void {
    const { model } = this.#bench;
    const watch = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        watch.disconnect();
        const isMnist = model === this.#bench.model && model.manifest.training?.data === "mnist";
        if (isMnist && this.#pad.empty && !isCalm()) this.#pad.demonstrate();
      },
      { threshold: 0.5 },
    );
    watch.observe(canvas("pad"));
  }

  /** Puts a picture file on the pad. */
  async open(file: Blob & { name?: string }): Promise<void> {
    const picture = await createImageBitmap(file).catch(() => undefined);
    if (picture === undefined) {
      const name = file.name ?? "a file without a name";
      alarm(
        "This is not a picture",
        `Expected a picture that this browser can show, such as PNG, JPEG or WebP; found ${name}.`,
      );
      return;
    }
    this.#setPictured(true);
    this.#pad.place(picture, picture.width, picture.height);
    picture.close();
    this.#guessInversion();
    this.#look();
    block("draw").scrollIntoView({ block: "nearest" });
  }

  async #take(sample: Sample): Promise<void> {
    const images = await this.#bench.use((model) => model.decode(sample.latent, { label: this.#picker.label }));
    if (images === undefined) return;
    this.#setPictured(true);
    input("invert").checked = false;
    this.#pad.placePixels(toImageData(images));
    this.#look();
  }

  #reset(model: Model): void {
    this.#shape = [...model.imageShape];
    const [height, width, channels] = this.#shape;
    block("centre-option").hidden = !(height === 28 && width === 28 && channels === 1);
    block("ink-option").hidden = channels === 1;
    const elbo = model.manifest.training?.test_elbo;
    const bits = elbo === undefined ? undefined : bitsPerDimension(elbo, model.manifest.model);
    const average = `${number(elbo ?? 0, 1)} nats${bits === undefined ? "" : `, ${number(bits, 3)} bits per dimension,`}`;
    const given = model.labels === undefined ? "" : ", given their class";
    block("elbo-note").textContent =
      `A higher ELBO is likelier. ${elbo === undefined ? "" : `Test images have ${average} on average${given}.`}`;
    block("bits").hidden = bitsPerDimension(0, model.manifest.model) === undefined;
    for (const id of ["seen", "reconstruction"]) resize(canvas(id), width, height);
    this.#suit();
  }

  #suit(): void {
    this.#pad.ink = this.#paper > 127 ? "#000000" : "#ffffff";
    input("ink").value = this.#pad.ink;
    this.#pad.suit(this.#shape, this.#paper);
    this.#clear();
  }

  #clear(): void {
    this.#latest.cancel();
    this.#pad.clear();
    this.#setPictured(false);
    input("invert").checked = false;
    this.#code = undefined;
    button("draw-explore").disabled = true;
    for (const id of ["elbo", "elbo-bits", "elbo-reconstruction", "elbo-kl"]) block(id).textContent = "–";
    for (const id of ["seen", "reconstruction"]) erase(canvas(id));
    chart(undefined, this.#bench.model);
    this.#writeAs.clear();
    this.#detector.clear();
  }

  #setPictured(pictured: boolean): void {
    this.#pictured = pictured;
    input("centre").checked = this.#centred[pictured ? "picture" : "drawing"];
  }

  /** Inverts a picture if its edges are bright and those of the model's pictures are dark, or the reverse. */
  #guessInversion(): void {
    const pixels = this.#pad.pixels;
    const edge = edgeMean(
      pixels.data.filter((_, index) => index % 4 === 0),
      [pixels.height, pixels.width, 1],
    );
    input("invert").checked = this.#shape[2] === 1 && Math.abs(edge - this.#paper) > 127;
  }

  #look(): void {
    if (this.#pad.empty) return;
    const [height, width] = this.#shape;
    const pixels = input("invert").checked ? inverted(this.#pad.pixels) : this.#pad.pixels;
    const centred = !block("centre-option").hidden && input("centre").checked;
    this.#latest.ask((centred ? asMnist(pixels, this.#paper) : undefined) ?? shrink(pixels, width, height));
  }

  async #judge(picture: ImageData): Promise<void> {
    const verdict = await this.#bench.use(async (model) => {
      const scores = await model.score(picture);
      return { scores, images: await model.decode(scores.posterior.mean) };
    });
    if (verdict === undefined || this.#pad.empty) return;
    paint(canvas("seen"), picture);
    paint(canvas("reconstruction"), toImageData(verdict.images));
    this.#show(verdict.scores);
    this.#detector.show(picture);
    this.#writeAs.show(picture);
  }

  #show({ elbo, reconstruction, kl, posterior }: Scores): void {
    block("elbo").textContent = number(elbo[0], 1);
    const bits = bitsPerDimension(elbo[0], this.#bench.model.manifest.model);
    if (bits !== undefined) block("elbo-bits").textContent = number(bits, 3);
    block("elbo-reconstruction").textContent = number(reconstruction[0], 1);
    block("elbo-kl").textContent = number(kl[0], 1);
    chart(posterior, this.#bench.model);
    this.#code = posterior.mean.data.slice();
    button("draw-explore").disabled = false;
    const inBits = bits === undefined ? "" : `, ${number(bits, 3)} bits per dimension`;
    say(
      `ELBO ${number(elbo[0], 1)} nats${inBits}: reconstruction ${number(reconstruction[0], 1)}, KL ${number(kl[0], 1)}`,
    );
  }
}
