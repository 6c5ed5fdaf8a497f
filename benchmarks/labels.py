"""How often a model's samples, restyled images and classify have the right class; whether styles survive."""

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cvae_runtime
import cvae_train
from cvae_runtime import InputError, to_uint8
from cvae_runtime.images import evenly_spaced
from cvae_runtime.sessions import open_session

from ._harness import entry_of
from ._intervals import correlation_interval, mean_correlation, wilson
from ._moments import slant, stroke_width
from ._options import count_of
from ._process import Contender
from ._progress import Progress
from ._result import Comparison, Kind, Point
from ._table import markdown_table

OPTIONS = ()
IN_ALL = False  # it needs a model with labels and a judge
OWN_TABLE = True

OURS = "the model"
SAMPLES, QUICK_SAMPLES = 10_000, 1_000
QUICK_CLASSIFIED = 100
DRAWS = 10  # per image and class
SEED = 0
TARGETS = {"samples": 98.0, "restyled": 95.0, "classify": 97.0, "slant": 0.5, "stroke width": 0.5}
_TIMED = 20  # images, for the estimate of the time
_BLOCK = 500  # images between two steps of the progress

Images = NDArray[np.uint8]
Classes = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure with its 95% interval, in percent or as a correlation.

    Attributes:
        name: a key of `TARGETS`, or another name for a figure without a target.
        what: what was counted.
        found, low, high: the figure and its interval.
    """

    name: str
    what: str
    found: float
    low: float
    high: float

    @classmethod
    def of_share(cls, name: str, what: str, right: NDArray[np.bool_]) -> "Figure":
        """Count right answers."""
        low, high = wilson(int(right.sum()), len(right))
        return cls(name, f"{what}, {len(right):,}", 100.0 * float(right.mean()), 100.0 * low, 100.0 * high)

    @property
    def target(self) -> float | None:
        """The target, if there is one."""
        return TARGETS.get(self.name)

    def cells(self) -> list[str]:
        """The row of the table."""
        spec, unit = ("+.2f", "") if self.name in ("slant", "stroke width") else (".2f", "%")
        target = ("-", "-") if self.target is None else (f"{self.target:g}{unit}", self._verdict(self.target))
        return [self.what, f"{self.found:{spec}}{unit}", f"{self.low:{spec}} to {self.high:{spec}}", *target]

    def _verdict(self, target: float) -> str:
        return "met" if self.found >= target else "missed"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the question's own options."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle of a model with labels")
    parser.add_argument(
        "--judge",
        type=Path,
        required=True,
        metavar="FILE.onnx",
        help="a classifier with the input images, uint8, and the output logits, in the order of the model's labels",
    )
    parser.add_argument(
        "--images", default="mnist", metavar="DATA", help="labelled images, as for cvae-train; default: MNIST"
    )
    parser.add_argument("--samples", type=count_of, metavar="N", help=f"how many are drawn; default: {SAMPLES:,}")
    parser.add_argument(
        "--classified", type=count_of, metavar="N", help="how many test images classify gets; default: all"
    )
    parser.add_argument(
        "--draws", type=count_of, default=DRAWS, metavar="K", help=f"draws of classify; default: {DRAWS}"
    )


def run(
    *,
    quick: bool,
    progress: Progress,
    bundle: Path,
    judge: Path,
    images: str = "mnist",
    samples: int | None = None,
    classified: int | None = None,
    draws: int = DRAWS,
) -> Iterator[Comparison | str]:
    """Yield the table and the comparisons with the targets.

    Raises:
        InputError: the model has no labels, the images have other classes, or the judge has other inputs or outputs.
    """
    samples = samples or (QUICK_SAMPLES if quick else SAMPLES)
    data = cvae_train.load_data(images)
    with cvae_runtime.load(bundle, provider="cpu") as model:
        truth = _labels_of(model, data, bundle).test
        rows = evenly_spaced(len(data.test), samples if quick else len(data.test))
        test, truth = data.test[rows], truth[rows]
        classes = len(model.labels or ())
        named = _Judge(judge, model)
        wanted = np.arange(samples) % classes
        drawn = _in_blocks(
            progress, "samples", samples, lambda part: model.generate(**_of(part), labels=wanted[part].tolist())
        )
        others = (truth + np.random.default_rng(SEED).integers(1, classes, len(truth))) % classes
        restyled = _in_blocks(
            progress, "restyled", len(test), lambda part: model.restyle(test[part], others[part].tolist())
        )
        few = evenly_spaced(len(test), classified or (QUICK_CLASSIFIED if quick else len(test)))
        probabilities, seconds = _classify(model, test[few], draws, progress)
        styles = max(3, samples // classes)
        style = [
            _in_blocks(
                progress, f"styles of {name}", styles, lambda part, name=name: model.generate(**_of(part), label=name)
            )
            for name in model.labels or ()
        ]
    figures = [
        Figure.of_share("samples", "samples that the judge names rightly", named(to_uint8(drawn)) == wanted),
        Figure.of_share("restyled", "restyled test images that it names rightly", named(to_uint8(restyled)) == others),
        Figure.of_share("classify", "test images that classify names rightly", probabilities.argmax(1) == truth[few]),
        Figure.of_share("test images", "test images that the judge names rightly", named(test) == truth),
        _correlation("slant", np.stack([slant(each) for each in style]), bundle),
        _correlation("stroke width", np.stack([stroke_width(each) for each in style]), bundle),
    ]
    head = ["", "found", "95% interval", "target", ""]
    notes = [
        f"- Samples: seed {SEED}, temperature 1, the classes in turn. Restyled: another class for each image, at random.",
        f"- classify: {draws} draws, {len(few):,} images x {classes} classes, {seconds:.0f} seconds.",
        f"- Correlations: over {styles:,} samples of each class with the same noise, mean over the pairs of classes.",
        "- Slant: mu11 / mu02. Stroke width: 2 area / perimeter, with the total variation as the perimeter.",
        "- Intervals: Wilson's of shares, the bootstrap's of correlations.",
    ]
    yield "\n".join([markdown_table([head, *(each.cells() for each in figures)]), "", *notes])
    yield from _comparisons(figures)


def _labels_of(model: cvae_runtime.Model, data: cvae_train.Dataset, bundle: Path) -> cvae_train.Labels:
    if model.labels is None:
        raise InputError(
            f"{bundle}: expected a model with labels, found one without; train it with cvae-train --labels"
        )
    if data.labels is None or data.labels.names != model.labels:
        found = "none" if data.labels is None else ", ".join(data.labels.names[:10])
        raise InputError(
            f"{data.source}: expected the classes of the model, {', '.join(model.labels[:10])}, found {found}; pass "
            f"images with these classes with --images"
        )
    return data.labels


class _Judge:
    """A classifier of images, which gets them as the model sees them: thresholded, if the model thresholds them."""

    def __init__(self, path: Path, model: cvae_runtime.Model) -> None:
        self._session = open_session(path.read_bytes())
        self._threshold = model.manifest.model.preprocessing.binarize_at
        inputs = {tensor.name: (tensor.type, tuple(tensor.shape[1:])) for tensor in self._session.get_inputs()}
        outputs = {tensor.name: tensor.shape[-1] for tensor in self._session.get_outputs()}
        expected = {"images": ("tensor(uint8)", model.image_shape)}
        if inputs != expected or outputs.get("logits") != len(model.labels or ()):
            raise InputError(
                f"{path}: expected the input images, uint8 (batch, {', '.join(map(str, model.image_shape))}), and the "
                f"output logits of {len(model.labels or ())} classes, found {inputs} and {outputs}; name a classifier "
                f"of the model's classes"
            )

    def __call__(self, images: Images) -> Classes:
        """Most probable class of each image, (N,)."""
        if self._threshold is not None:
            images = (images >= self._threshold) * np.uint8(255)
        parts = [images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK)]
        found = [self._session.run(["logits"], {"images": part})[0].argmax(axis=1) for part in parts]
        return np.concatenate(found)


def _of(part: slice) -> dict[str, int]:
    """Arguments of `Model.generate` for the samples of a part."""
    return {"count": part.stop - part.start, "first": part.start, "seed": SEED}


def _in_blocks(progress: Progress, name: str, count: int, make: Callable[[slice], NDArray[Any]]) -> NDArray[Any]:
    starts = range(0, count, _BLOCK)
    progress.stage(name, len(starts))
    parts = []
    for start in starts:
        parts.append(make(slice(start, min(start + _BLOCK, count))))
        progress.step(f"{min(start + _BLOCK, count):,} of {count:,}")
    return np.concatenate(parts)


def _classify(
    model: cvae_runtime.Model, images: Images, draws: int, progress: Progress
) -> tuple[NDArray[np.float64], float]:
    """Return the probabilities of the classes of each image, and the seconds that they took; print them beforehand."""
    began = time.perf_counter()
    model.classify(images[:_TIMED], samples=draws)
    expected = (time.perf_counter() - began) * len(images) / len(images[:_TIMED])
    progress.note(f"classify: {len(images):,} images, {draws} draws for each class: about {expected:.0f} seconds")
    began = time.perf_counter()
    found = _in_blocks(
        progress,
        "classify",
        len(images),
        lambda part: model.classify(images[part], samples=draws, first=part.start),
    )
    return found, time.perf_counter() - began


def _correlation(name: str, values: NDArray[np.float64], bundle: Path) -> Figure:
    """Correlate a moment of samples, (classes, styles), between the classes; styles with empty samples are left out."""
    values = values[:, np.isfinite(values).all(axis=0)]
    if values.shape[1] < 3 or not values.std(axis=1).all():
        raise InputError(f"{bundle}: expected samples that differ, found empty or equal ones; train the model longer")
    return Figure(name, f"correlation of the {name}", mean_correlation(values), *correlation_interval(values))


def _comparisons(figures: list[Figure]) -> Iterator[Comparison]:
    shares = [each for each in figures if each.name in ("samples", "restyled", "classify")]
    correlations = [each for each in figures if each.name in ("slant", "stroke width")]
    for title, unit, chosen in (("right classes", "%", shares), ("styles", "correlation", correlations)):
        columns: list[tuple[str, Kind, list[float]]] = [
            (OURS, "ours", [each.found for each in chosen]),
            ("low end of the 95% interval", "ours", [each.low for each in chosen]),
            ("high end of the 95% interval", "ours", [each.high for each in chosen]),
            ("target", "peer", [TARGETS[each.name] for each in chosen]),
        ]
        entries = tuple(
            entry_of(Contender(name, "", kind=kind), [Point(f.name, (v,)) for f, v in zip(chosen, found, strict=True)])
            for name, kind, found in columns
        )
        yield Comparison(title, "quality", unit, "higher", "figure", entries, OURS, negligible=0.005)
