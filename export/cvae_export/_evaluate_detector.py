"""Test a calibrated bundle on good and bad images: AUROC, F1 and the confusion at its threshold."""

import dataclasses
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import Model, load
from cvae_runtime.images import ImageSource, open_images
from cvae_runtime.system import progress

_BATCH = 64  # images
_NORMAL_QUANTILE = NormalDist().inv_cdf(0.975)  # for intervals of 95%
_SCORES = ("detector", "elbo", "reconstruction", "kl", "complexity")

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve: the probability that a bad image has a higher score than a good one.

    Attributes:
        value: the area; ties count half.
        low, high: interval of 95% (DeLong, DeLong and Clarke-Pearson, 1988), within 0 and 1. None with fewer than two
            images on a side.

    Examples:
        >>> area = cvae_export.Auroc.of(good=np.array([0.0, 1.0, 2.0]), bad=np.array([1.5, 3.0]))
        >>> round(area.value, 3)
        0.833
    """

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, good: NDArray[Any], bad: NDArray[Any]) -> "Auroc":
        """Compare the scores of good and bad images, (N,) and (M,)."""
        ordered_good, ordered_bad = np.sort(good), np.sort(bad)
        # For each image: the share of the other side that it is ordered correctly with.
        of_bad = _share_below(ordered_good, bad)
        of_good = 1.0 - _share_below(ordered_bad, good)
        value = float(of_bad.mean())
        if min(len(good), len(bad)) < 2:
            return cls(value, None, None)
        error = math.sqrt(of_bad.var(ddof=1) / len(bad) + of_good.var(ddof=1) / len(good))
        return cls(value, max(0.0, value - _NORMAL_QUANTILE * error), min(1.0, value + _NORMAL_QUANTILE * error))

    def __str__(self) -> str:
        return f"{self.value:.3f}" + ("" if self.low is None else f" ({self.low:.3f} to {self.high:.3f})")


def _share_below(ordered: NDArray[Any], values: NDArray[Any]) -> Floats:
    """Return the share of ascending values below each value; equal ones count half."""
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    shares: Floats = below / (2.0 * len(ordered))
    return shares


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Alarms of good and bad images.

    Attributes:
        false_alarms, good: good images that raise an alarm, and all good images.
        found, bad: bad images that raise an alarm, and all bad images.

    Examples:
        >>> counts = cvae_export.Confusion(false_alarms=1, good=100, found=8, bad=10)
        >>> round(counts.f1, 3)
        0.842
    """

    false_alarms: int
    good: int
    found: int
    bad: int

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        return 2 * self.found / (self.found + self.false_alarms + self.bad)


@dataclasses.dataclass(frozen=True)
class DetectorEvaluation:
    """The test of a calibrated bundle.

    Attributes:
        score: name of the detector's score.
        auroc: `Auroc` of the detector's score, the terms of the ELBO with one draw, and the images' complexity, by
            name. Only "detector" decides; the others are for comparison.
        confusion: `Confusion` at the detector's threshold.
        classes: `Auroc` and `Confusion` of the bad images of each folder; empty without folders.
        skipped: the reason why each file was skipped, by its path.

    Examples:
        >>> np.save("good.npy", cvae.load("my-model").generate(40, dtype="uint8"))
        >>> _ = cvae_export.calibrate("my-model", "good.npy", "detector", false_alarms=0.1, overwrite=True, quiet=True)
        >>> result = cvae_export.evaluate_detector("detector", "good.npy", "good.npy", quiet=True)
        >>> result.auroc["detector"].value
        0.5
    """

    score: str
    auroc: Mapping[str, Auroc]
    confusion: Confusion
    classes: Mapping[str, tuple[Auroc, Confusion]]
    skipped: Mapping[str, str]

    def table(self) -> str:
        """Return the test as lines of text."""
        rows = {f"detector, {self.score}" if name == "detector" else name: a for name, a in self.auroc.items()}
        width = max(map(len, rows)) + 2
        lines = [f"{'':<{width}}AUROC (95% interval)", *(f"{label:<{width}}{area}" for label, area in rows.items())]
        counts = self.confusion
        lines.append(
            f"alarms: {counts.found:,} of {counts.bad:,} bad images, {counts.false_alarms:,} of {counts.good:,} good "
            f"images; F1 {counts.f1:.3f}"
        )
        lines += [
            f"  {name}: {confusion.found:,} of {confusion.bad:,}, AUROC {area}"
            for name, (area, confusion) in self.classes.items()
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the test as JSON values."""
        return {
            **dataclasses.asdict(self),
            "confusion": _as_json(self.confusion),
            "classes": {
                name: {"auroc": dataclasses.asdict(area), "confusion": _as_json(confusion)}
                for name, (area, confusion) in self.classes.items()
            },
        }


def _as_json(confusion: Confusion) -> dict[str, Any]:
    return {**dataclasses.asdict(confusion), "f1": confusion.f1}


def evaluate_detector(
    bundle: str | Path,
    good: str | Path,
    bad: str | Path,
    *,
    resize: bool = False,
    grey: bool = False,
    invert: bool = False,
    quiet: bool = False,
) -> DetectorEvaluation:
    """Test a calibrated bundle on images that took part in neither training nor calibration.

    Args:
        bundle: a bundle that `calibrate` wrote.
        good, bad: images as for `calibrate`. The folders in ``bad`` are the classes of its images.
        resize, grey, invert: as for `calibrate`.
        quiet: show no progress.

    Raises:
        BundleError: the bundle is damaged.
        InputError: the bundle has no detector, or images cannot be read or do not fit.

    Examples:
        >>> np.save("good.npy", cvae.load("my-model").generate(40, dtype="uint8"))
        >>> _ = cvae_export.calibrate("my-model", "good.npy", "detector", false_alarms=0.1, overwrite=True, quiet=True)
        >>> cvae_export.evaluate_detector("detector", "good.npy", "good.npy", quiet=True).confusion.good
        40
    """
    with load(bundle, provider="cpu") as model:
        shape = model.image_shape
        sources = [open_images(Path(path), shape, resize=resize, grey=grey, invert=invert) for path in (good, bad)]
        with progress(sum(source.count for source in sources), "images", quiet=quiet) as advance:
            of_good, of_bad = (_scores(model, source, advance) for source in sources)
        detector = model.manifest.detector
        assert detector is not None  # otherwise, `Model.detect` has raised
    folders = np.array([path.rpartition("/")[0] for path in sources[1].names or ()])
    classes = {}
    for folder in np.unique(folders).tolist() if sources[1].has_subfolders else ():
        part = folders == folder
        area = Auroc.of(of_good["detector"], of_bad["detector"][part])
        classes[folder or "."] = area, _confusion(of_good["alarm"], of_bad["alarm"][part])
    return DetectorEvaluation(
        detector.score,
        {key: Auroc.of(of_good[key], of_bad[key]) for key in _SCORES},
        _confusion(of_good["alarm"], of_bad["alarm"]),
        classes,
        {**sources[0].skipped, **sources[1].skipped},
    )


def _confusion(good: NDArray[Any], bad: NDArray[Any]) -> Confusion:
    return Confusion(int(good.sum()), len(good), int(bad.sum()), len(bad))


def _scores(model: Model, source: ImageSource, advance: Any) -> dict[str, NDArray[Any]]:
    """Return ``alarm`` and the scores of all images, larger for stranger images."""
    parts = []
    for start in range(0, source.count, _BATCH):
        images = source.read(start, min(start + _BATCH, source.count))
        detection, scores = model.detect(images), model.score(images, first=start)
        parts.append(
            {
                "alarm": detection.alarm,
                "detector": detection.score,
                "elbo": -scores.elbo,
                "reconstruction": -scores.reconstruction,
                "kl": scores.kl,
                "complexity": complexity(images),
            }
        )
        advance(len(images))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def complexity(images: NDArray[np.uint8]) -> Floats:
    """Return the length of each image, (N, H, W, C), in bytes, after compression of its pixels by zlib.

    Likelihoods are higher for images of low complexity (Serrà et al., "Input complexity and out-of-distribution
    detection with likelihood-based generative models", 2020).
    """
    return np.array([len(zlib.compress(image.tobytes(), 9)) for image in images], np.float64)
