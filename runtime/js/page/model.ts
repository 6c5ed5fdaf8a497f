/** The section Model: facts about the open model, its provider, speed and self-check. */

import type { Model } from "../src/browser.ts";
import { bitsPerDimension } from "../src/elbo.ts";
import { SINGLE } from "./bench.ts";
import type { Bench, Choice } from "./bench.ts";
import { block, number, on, select } from "./dom.ts";
import { alarm, explain, press, say } from "./notice.ts";
import { pictureRate, pictureTime } from "./speed.ts";
import type { Use } from "./speed.ts";

const BATCH = 64;
const SECOND = 1000;
const TIMED = 31;
const NAMED = 10; // classes
const NAMES: Record<string, string> = { wasm: "WebAssembly", webgpu: "WebGPU" };

export class ModelSection {
  readonly #bench: Bench;

  constructor(bench: Bench) {
    this.#bench = bench;
    select("provider").disabled = SINGLE;
    on(select("provider"), "change", () => {
      void this.#choose(select("provider").value as Choice);
    });
    press("measure", "The speed could not be measured", () => this.#measure());
    press("check", "The numbers could not be checked", () => this.#check());
    bench.onEngine((model) => {
      this.#showEngine(model);
    });
    bench.onModel((model) => {
      this.#showFacts(model);
      block("speed").textContent = "Nothing measured yet.";
      block("checked").textContent = "Not checked yet.";
    });
  }

  async #choose(choice: Choice): Promise<void> {
    block("engine").dataset.state = "busy";
    try {
      await this.#bench.run(choice);
    } catch (error) {
      alarm(`${NAMES[choice] ?? "That"} cannot run this model`, explain(error));
      select("provider").value = this.#bench.choice;
    }
    this.#showEngine(this.#bench.model);
  }

  #showEngine(model: Model): void {
    const name = NAMES[model.provider] ?? model.provider;
    const threads = model.provider === "wasm" && model.threads > 1 ? `, ${model.threads} threads` : "";
    const changed = block("engine-name").textContent !== name + threads;
    block("engine").dataset.state = "ready";
    block("engine-name").textContent = name + threads;
    block("engine-note").textContent = this.#bench.note;
    if (changed) say(`The model runs on ${name}${threads}`);
  }

  #showFacts(model: Model): void {
    const { training } = model.manifest;
    const [height, width, channels] = model.imageShape;
    const { encoder, decoder, prior, prior_density: density, detector } = model.graphs;
    const bytes = [encoder.bytes, decoder.bytes];
    if (prior !== undefined) bytes.push(prior.bytes + (density?.bytes ?? 0));
    const facts: [string, string][] = [
      ["Trained on", training === null ? "unknown" : training.data.replace(/^mnist$/, "MNIST")],
      ["Pictures", `${width} × ${height}, ${channels === 1 ? "grey" : "colour"}`],
      ...(model.labels === undefined ? [] : [["Classes", classes(model.labels)] as [string, string]]),
      ["Latent dimensions", String(model.latentDim)],
      [prior === undefined ? "Encoder, decoder" : "Encoder, decoder, learned prior", bytes.map(inBytes).join(", ")],
      ["SHA-256", model.sha256.slice(0, 16)],
    ];
    if (training !== null) {
      const bits = bitsPerDimension(training.test_elbo, model.manifest.model);
      const inBits = bits === undefined ? "" : `, ${number(bits, 3)} bits per dimension`;
      const given = model.labels === undefined ? "" : ", given their class";
      facts.splice(facts.length - 2, 0, [
        `ELBO of test images${given}`,
        `${number(training.test_elbo, 2)} nats${inBits}`,
      ]);
      const { epoch, checkpoint } = training;
      if (epoch !== undefined && checkpoint !== undefined)
        facts.splice(1, 0, ["Weights", `epoch ${epoch}, checkpoint ${checkpoint}`]);
    }
    if (detector !== undefined) facts.splice(facts.length - 1, 0, ["Detector", inBytes(detector.bytes)]);
    block("facts").replaceChildren(
      ...facts.map(([term, value]) => {
        const pair = document.createElement("div");
        const [name, text] = [document.createElement("dt"), document.createElement("dd")];
        name.textContent = term;
        text.textContent = value;
        pair.append(name, text);
        return pair;
      }),
    );
  }

  async #measure(): Promise<void> {
    block("speed").textContent = "Measuring, for about a second.";
    const use: Use = (work) => this.#bench.use(work);
    const rate = await pictureRate(use, BATCH, SECOND);
    const time = await pictureTime(use, TIMED);
    if (rate === undefined || time === undefined) return;
    const many = rate.toLocaleString("en", { maximumSignificantDigits: 3 });
    block("speed").textContent =
      `${many} images/s in batches of ${BATCH}; one picture in ${time.toFixed(1)} ms (median).`;
  }

  async #check(): Promise<void> {
    block("checked").textContent = "Checking against the bundle’s golden vectors.";
    const result = await this.#bench.use((model) => model.selfCheck());
    if (result === undefined) return;
    const worst = Math.max(...result.results.map(({ difference }) => difference));
    const verdict = result.agrees
      ? "These are the numbers the model should give"
      : "These are not the numbers the model should give";
    block("checked").textContent = `${verdict}: the largest difference is ${worst.toExponential(1)}.`;
  }
}

/** The number of the classes, and the first names. */
function classes(names: readonly string[]): string {
  return `${names.length}: ${names.slice(0, NAMED).join(", ")}${names.length > NAMED ? ", …" : ""}`;
}

function inBytes(size: number): string {
  return size < 1e6 ? `${(size / 1e3).toFixed(0)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
