/** Shared by the JavaScript programs, in Node.js and in a page; __init__.py has the protocol. */

export class Runtime {
  /**
   * @param cvae the library cvae-runtime.
   * @param locate maps a bundle's name to the source for `load`.
   * @param options options of `load`.
   */
  static async open(cvae, locate, options) {
    return new Runtime(cvae, locate, options, await cvae.load(locate("packaged"), options));
  }

  constructor(cvae, locate, options, model) {
    Object.assign(this, { cvae, locate, options, model });
  }

  /** The image of seed 0. */
  async first() {
    return await this.model.generate(1, { seed: 0 });
  }

  async answer({ do: what, ...asked }) {
    if (what === "run") return await this.run(asked);
    if (what === "latents") {
      const { seed, first, count, latent_dim: length } = asked;
      return { z: textOf(this.cvae.priorLatents(BigInt(seed), BigInt(first), count, length)) };
    }
    const z = this.cvae.priorLatents(1, 0, asked.batch, this.model.latentDim);
    if (what === "decode") return { images: textOf((await this.model.decode(z)).data) };
    return { times: await measure(() => this.model.decode(z), asked.seconds) };
  }

  /** The outputs of a graph, which must be the one that `load` chooses from the bundle. */
  async run({ bundle, file, input }) {
    const model = await this.cvae.load(this.locate(bundle), this.options);
    const bytes = Uint8Array.from(atob(input), (character) => character.charCodeAt(0));
    try {
      if (model.graphs.encoder.file === file) {
        const { mean, logvar } = await model.encode(bytes);
        return { outputs: { mean: textOf(mean.data), logvar: textOf(logvar.data) } };
      }
      if (model.graphs.decoder.file === file) {
        return { outputs: { probs: textOf((await model.decode(new Float32Array(bytes.buffer))).data) } };
      }
      const taken = Object.values(model.graphs).map((graph) => graph.file);
      return { reason: `it takes ${taken.join(", ")} of that bundle` };
    } finally {
      await model.close();
    }
  }
}

/** Encodes the bytes of an array in base64. */
export function textOf(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
}

/** Times calls back to back: the clock of a page that is not isolated has a resolution of 0.1 ms. */
async function measure(work, seconds) {
  await work(); // fills the caches, which another contender used before
  const times = [];
  const start = performance.now();
  let before = start;
  while (times.length === 0 || before - start < 1e3 * seconds) {
    await work();
    const now = performance.now();
    times.push((now - before) / 1e3);
    before = now;
  }
  return times;
}
