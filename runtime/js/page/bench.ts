/**
 * The open model. Runs its work one piece at a time, and notifies listeners when the model or its provider changes.
 *
 * WebAssembly opens first because it is the fastest to start. If there is a graphics card that passes the library's
 * self-check, it takes over later. The pictures stay, because the model is the same.
 */

import { load } from "../src/browser.ts";
import type { BundleFiles, LoadOptions, Model } from "../src/browser.ts";
import { middleOf } from "./prior.ts";
import { pictureTime } from "./speed.ts";

export type Source = URL | BundleFiles;
export type Choice = "auto" | "wasm" | "webgpu";

const FRAME = 16; // milliseconds

export const SINGLE = import.meta.env.MODE === "single";

type Listener = (model: Model) => void;
type Wasm = NonNullable<LoadOptions["wasm"]>;

export class Bench {
  /** Why this provider runs. */
  note = "";
  choice: Choice = "auto";
  readonly #wasm: Wasm | undefined;
  readonly #opened: Listener[] = [];
  readonly #engine: Listener[] = [];
  #model: Model | undefined;
  #source: Source | undefined;
  #opening = 0;
  #generation = 0; // counts models, but not changes of provider
  #queue: Promise<unknown> = Promise.resolve();

  constructor(wasm?: Wasm) {
    this.#wasm = wasm;
  }

  get model(): Model {
    if (this.#model === undefined) throw new Error("no model is open yet");
    return this.#model;
  }

  get source(): Source | undefined {
    return this.#source;
  }

  get ready(): boolean {
    return this.#model !== undefined;
  }

  /** Calls `listener` whenever another model opens. */
  onModel(listener: Listener): void {
    this.#opened.push(listener);
  }

  /** Calls `listener` whenever the provider changes, and when a new model first runs. */
  onEngine(listener: Listener): void {
    this.#engine.push(listener);
  }

  /** Opens a model; if that fails, the current one stays open. */
  async open(source: Source): Promise<void> {
    const turn = ++this.#opening;
    const model = await this.#load(source, this.choice === "webgpu" ? "webgpu" : "wasm");
    await attempted(model);
    if (turn !== this.#opening) return model.close(); // another model was opened meanwhile
    this.#source = source;
    this.#generation++;
    this.note = this.choice === "auto" ? "WebAssembly, which every browser has." : "As you chose.";
    this.#replace(model);
    for (const listener of this.#opened) listener(model);
  }

  /** Runs the open model on another provider. */
  async run(choice: Choice): Promise<void> {
    if (this.#source === undefined) return;
    const turn = ++this.#opening;
    const model = await this.#load(this.#source, choice === "webgpu" ? "webgpu" : "wasm");
    if (turn !== this.#opening) return model.close();
    this.choice = choice;
    this.note = choice === "auto" ? "WebAssembly, which every browser has." : "As you chose.";
    this.#replace(model);
    if (choice === "auto") await this.upgrade();
  }

  /** Moves the open model to a graphics card if the choice is "auto" and the card computes correctly. */
  async upgrade(): Promise<void> {
    if (this.choice !== "auto" || this.#source === undefined || this.#model?.provider !== "wasm") return;
    const turn = this.#opening;
    const obstacle = await webgpuObstacle();
    const notices: string[] = [];
    let model: Model | undefined;
    if (obstacle === undefined) model = await this.#load(this.#source, "auto", (text) => notices.push(text));
    const slow = model?.provider === "webgpu" ? await tooSlow(model, this.model) : undefined;
    if (turn !== this.#opening) return model?.close();
    if (model?.provider === "webgpu" && slow === undefined) {
      this.note = "This browser has WebGPU, and it reproduces the bundle’s golden vectors.";
      this.#replace(model);
      return;
    }
    await model?.close();
    this.note = `WebAssembly: ${obstacle ?? slow ?? notices.join(" ")}`;
    for (const listener of this.#engine) listener(this.model);
  }

  /**
   * Runs work with the model after all earlier work.
   *
   * Resolves to undefined if another model was opened meanwhile, because the page would show the result as the new model's.
   */
  use<T>(work: (model: Model) => Promise<T>): Promise<T | undefined> {
    const asked = this.#generation;
    const result = this.#queue.then(async () => {
      if (this.#model === undefined || this.#generation !== asked) return undefined;
      const answer = await work(this.#model);
      return this.#generation === asked ? answer : undefined;
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #load(source: Source, provider: Choice, onNotice: (text: string) => void = () => undefined): Promise<Model> {
    const options: LoadOptions = { provider, onNotice };
    if (this.#wasm !== undefined) options.wasm = this.#wasm;
    if (SINGLE) options.threads = 1;
    return load(source, options);
  }

  #replace(model: Model): void {
    const before = this.#model;
    this.#model = model;
    if (before !== undefined) this.#queue = this.#queue.then(() => before.close()).catch(() => undefined);
    for (const listener of this.#engine) listener(model);
  }
}

/** Runs encoder, decoder and learned prior once: an intact bundle can still fail. */
async function attempted(model: Model): Promise<void> {
  const [height, width, channels] = model.imageShape;
  try {
    await model.decode(await middleOf(model));
    await model.encode(new Uint8Array(height * width * channels));
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** The reason if a card computes correctly but slowly: a software one, for example, makes the sliders lag. */
async function tooSlow(card: Model, processor: Model): Promise<string | undefined> {
  const [slow, fast] = [await time(card), await time(processor)];
  if (slow <= FRAME || slow <= fast) return undefined;
  return `a picture takes WebGPU ${slow.toFixed(0)} ms here, and WebAssembly ${fast.toFixed(1)} ms.`;
}

async function time(model: Model): Promise<number> {
  return (await pictureTime((work) => work(model), 5)) ?? Infinity;
}

/** The reason why WebGPU cannot run here, found without loading the WebGPU build. */
async function webgpuObstacle(): Promise<string | undefined> {
  if (SINGLE) return "a single-file page contains only WebAssembly.";
  const gpu = (navigator as { gpu?: GPU }).gpu;
  if (gpu === undefined) return "this browser has no WebGPU.";
  const adapter = await gpu.requestAdapter().catch(() => null);
  return adapter === null ? "WebGPU finds no graphics card here." : undefined;
}
