"""Compare test ELBO, NLL and size of the packaged model, the notebook's network in float32 and int8, and presets.

No label is given to the packaged model.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

import cvae_runtime
import cvae_runtime.bundle
import cvae_train

from ._harness import entry_of
from ._notebook import BUNDLE
from ._process import Contender
from ._progress import Progress
from ._result import Comparison, Entry, Kind, Point

OPTIONS = ()

_ROOT = Path(__file__).parents[1]
# Committed histories, by preset.
HISTORIES = {
    "best": _ROOT / "assets" / "mnist-unlabelled" / "history.csv",
    "fast": _ROOT / "docs" / "histories" / "fast.csv",
    "notebook": _ROOT / "docs" / "histories" / "notebook.csv",
}
OURS = "packaged model"
Precision = cvae_runtime.bundle.Precision
MODELS: Mapping[str, tuple[Path | None, Precision]] = {
    OURS: (None, "float32"),
    "notebook's network": (BUNDLE, "float32"),
    "notebook's network, int8": (BUNDLE, "int8"),
}


def presets() -> list[Entry]:
    """The last test ELBO of each committed history; the notebook preset is the peer of the others."""
    entries = []
    for preset, path in HISTORIES.items():
        with path.open(newline="", encoding="utf-8") as file:
            last = list(csv.DictReader(file))[-1]
        kind: Kind = "peer" if preset == "notebook" else "ours"
        name = f"preset {preset}, {last['epoch']} epochs"
        entries.append(entry_of(Contender(name, "", kind=kind), [Point("test ELBO", (float(last["elbo"]),))]))
    return entries


def files_of(bundle: Path | None, precision: str) -> int:
    """Bytes of the encoder and decoder that run on a CPU in a precision; float32 for a role without it."""
    graphs, total = cvae_runtime.read_bundle(bundle).manifest.graphs, 0
    for role in ("encoder", "decoder"):
        wanted = [g for g in graphs if g.role == role and g.precision == precision]
        wanted = wanted or [g for g in graphs if g.role == role and g.precision == "float32"]
        total += next((g for g in wanted if g.target == "cpu"), wanted[0]).bytes
    return total


def run(*, quick: bool, progress: Progress) -> Iterator[Comparison]:
    """Yield comparisons of the ELBO, the likelihood and the sizes."""
    images = cvae_train.load_data().test
    seeds, few, samples = (2, 1000, 16) if quick else (5, 10_000, 64)
    elbos: dict[str, list[float]] = {}
    likelihoods: dict[str, float] = {}
    progress.stage("ELBO", seeds * len(MODELS))
    for name, (bundle, precision) in MODELS.items():
        with cvae_runtime.load(bundle, provider="cpu", precision=precision) as model:
            for seed in range(seeds):
                progress.step(f"{name}, noise {seed + 1} of {seeds}")
                elbos.setdefault(name, []).append(float(np.mean(model.score(images, seed=seed).elbo)))
    progress.stage("likelihood", len(MODELS))
    for name, (bundle, precision) in MODELS.items():
        with cvae_runtime.load(bundle, provider="cpu", precision=precision) as model:
            progress.step(name)
            scores = model.score(images[:few], samples=samples)
            likelihoods[name] = float(np.mean(scores.iw_bound))

    def entries(points: dict[str, Point]) -> tuple[Entry, ...]:
        named = {name: Contender(name, "", kind="ours", precision=MODELS[name][1]) for name in points}
        return tuple(entry_of(named[name], [point]) for name, point in points.items())

    yield Comparison(
        *("test ELBO", "quality", "nats", "higher", "measure"),
        (*entries({name: Point("test ELBO", tuple(found)) for name, found in elbos.items()}), *presets()),
        OURS,
        negligible=0.002,
    )
    yield Comparison(
        *(f"NLL by {samples} samples, {few:,} images", "quality", "nats", "lower", "measure"),
        entries({name: Point("NLL", (-found,)) for name, found in likelihoods.items()}),
        OURS,
        negligible=0.002,
    )
    yield Comparison(
        *("size of encoder and decoder", "quality", "kB", "lower", "measure"),
        entries({name: Point("on the disk", (files_of(*which) / 1e3,)) for name, which in MODELS.items()}),
        OURS,
        negligible=0.01,
    )
