/** Entry point: opens the model and connects the page's sections. */

import { Bench, SINGLE } from "./bench.ts";
import type { Source } from "./bench.ts";
import { ClassPicker } from "./classes.ts";
import { block, select } from "./dom.ts";
import { DrawSection } from "./draw.ts";
import { asBundle, asImage, watchChooser, watchDrops } from "./drop.ts";
import type { Found } from "./drop.ts";
import { edgeMean } from "./edge.ts";
import { embeddedFiles } from "./embedded.ts";
import { ExploreSection } from "./explore.ts";
import { MapSection } from "./map.ts";
import { ModelSection } from "./model.ts";
import { alarm, attempt, calm, explain, say } from "./notice.ts";
import { keepOffline } from "./offline.ts";
import { endLinks, readLink, watchLinks } from "./link.ts";
import { middleOf, reachOf } from "./prior.ts";
import { linkedSample, type Sample } from "./sample-link.ts";
import { SampleSection } from "./sample.ts";
import { WalkSection } from "./walk.ts";

const PACKAGED = new URL("./bundle/", document.baseURI);

const embedded = SINGLE ? await embeddedFiles() : undefined;
const OWN = embedded?.bundle ?? PACKAGED; // the page's model
const bench = new Bench(embedded?.wasm === undefined ? undefined : { wasmBinary: embedded.wasm });
let fresh = false; // a model was opened and its first grid is not drawn yet

let link = readLink();
const picker = new ClassPicker(bench, link.label);
const samples = new SampleSection(
  bench,
  picker,
  (sample) => {
    explore.show(sample);
  },
  (request) => {
    if (fresh) attempt("The model could not be analysed", settle());
    fresh = false;
    map.show(request);
  },
);
const next = () => samples.next();
const explore = new ExploreSection(bench, picker, next);
const map = new MapSection(bench, picker, (sample) => {
  explore.show(sample);
});
const walk = new WalkSection(bench, picker, next, () => explore.sample);
const draw = new DrawSection(bench, picker, next, (sample) => {
  explore.show(sample);
});
new ModelSection(bench);

bench.onModel(() => {
  fresh = true;
  if (bench.source !== OWN) {
    link = {};
    endLinks();
  }
  attempt("No sample could be taken", showFirst());
});

/** The sample that the link names, or that of the grid. */
async function linkedOr(name: string | undefined, index: number): Promise<Sample | undefined> {
  return (name === undefined ? undefined : await linkedSample(bench, picker, name)) ?? (await samples.sample(index));
}

async function showFirst(): Promise<void> {
  const first = await linkedOr(link.explore, 0);
  if (first !== undefined) explore.show(first);
}

/** Work that waits until a model's first grid is drawn. */
async function settle(): Promise<void> {
  const [start, end] = await Promise.all([linkedOr(link.from, 0), linkedOr(link.to, 1)]);
  if (link.path === "linear") select("method").value = link.path;
  if (start !== undefined && end !== undefined) walk.set(start, end);
  const order = await bench.use((model) => model.rankDimensions());
  const reach = await bench.use(reachOf);
  if (order !== undefined && reach !== undefined) explore.rank(order, reach);
  const middle = await bench.use(async (model) => model.decode(await middleOf(model)));
  if (middle !== undefined) draw.setEdge(edgeMean(middle.data, bench.model.imageShape));
  await bench.upgrade();
  if (bench.source === PACKAGED) await keepOffline(bench.model, PACKAGED);
}

async function open(source: Source): Promise<void> {
  const before = block("engine").dataset.state;
  block("engine").dataset.state = "busy";
  try {
    await bench.open(source);
    calm();
    say("The model is open");
  } catch (error) {
    const stays = bench.ready ? "The model before it stays open." : "You can open another one.";
    alarm("This model cannot be opened", `${explain(error).replace(/[^.]$/, "$&.")} ${stays}`);
    block("engine").dataset.state = bench.ready ? (before ?? "ready") : "none";
    if (!bench.ready) block("engine-name").textContent = "No model is open";
  }
}

async function take(found: Found): Promise<void> {
  const bundle = asBundle(found);
  const picture = asImage(found);
  if (bundle !== undefined) await open(bundle);
  else if (picture !== undefined) await draw.open(picture);
  else {
    alarm(
      "This is neither a model nor a picture",
      `Expected a folder with a manifest.json, its files, or one picture; found ${describe(found)}. cvae-export writes such folders.`,
    );
  }
}

function describe(found: Found): string {
  const names = [...found.keys()];
  if (names.length === 0) return "nothing";
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
}

const received = (found: Found): void => {
  attempt("These files could not be read", take(found));
};
watchDrops(received);
watchChooser(received);
watchLinks();
samples.restore(link);
await open(OWN);
