"""Calibrate a detector on held-back images, and score good and bad images that it has not seen."""

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cvae_runtime
from cvae_export import Auroc, CalibrationResult, calibrate
from cvae_export._conformal import split_images
from cvae_export._detector import strangeness
from cvae_export._detector_reference import TermsOf
from cvae_runtime.bundle import ModelInfo
from cvae_runtime.elbo import DetectorTerms, target_entropy, targets_of
from cvae_runtime.files import write_file
from cvae_runtime.images import Box, npz_bytes

from ._images import Images, Parts
from ._statistics import alarm_interval
from ._tasks import ALPHAS, RAW, SCORES, SEEDS
from ._train import MODELS, Settings

_FALSE_ALARMS = ALPHAS[0]
_FRESH = 3  # a third of the held-back images is fresh; the others calibrate
_BATCH = 64  # images

Floats = NDArray[np.float64]


def score_parts(folder: Path, parts: Parts, settings: Settings) -> dict[str, Any]:
    """Calibrate the model in a folder, and return its figures on the test images and the outliers.

    The folder receives the calibrated bundle, and every score of every image as ``scores.npz``.

    Returns:
        "chosen", the score that the rule chooses. "auroc" of each score, and "detector_auroc" of the calibrated bundle,
        with 95% intervals. Under the Bernoulli likelihood, "error" is "reconstruction" and is left out. "alarms", the
        shares of good images and of outliers that raise one. "iou", where boxes are known, is the median intersection
        over union of the detector's boxes with them; an outlier without a box counts as 0. The other keys describe the
        calibration.
    """
    result = _calibrated(folder, "detector", parts.held_back, settings.seed, settings.draws)
    model, *background = (
        TermsOf.bundle(cvae_runtime.read_bundle(folder / name), settings.draws)
        for name in MODELS
        if (folder / name).is_dir()
    )
    grey_as_bernoulli = model.parts.info.likelihood == "bernoulli"
    left_out = {"error"} if grey_as_bernoulli else set()
    if not background:
        left_out.add("likelihood-ratio")
    split = split_images(len(parts.held_back), _FALSE_ALARMS, settings.seed, "held-back images")
    median = float(np.median(_terms(model, parts.held_back[split.fit]).elbo))

    def scores(images: Images) -> dict[str, Floats]:
        terms, other = _terms(model, images), _terms(background[0], images) if background else None
        found = {name: strangeness(name, terms, median, other) for name in SCORES if name not in left_out}
        return {RAW: found["elbo"] + (_entropy(images, model.parts.info) if grey_as_bernoulli else 0.0), **found}

    good, bad = scores(parts.test), scores(parts.outliers)
    with cvae_runtime.load(result.path, provider="cpu") as detector:
        of_good, of_bad = (detector.detect(images) for images in (parts.test, parts.outliers))
    arrays = {f"{kind}/{name}": array for kind, of in (("good", good), ("bad", bad)) for name, array in of.items()}
    write_file(folder / "scores.npz", npz_bytes(arrays))
    one = result.detector
    boxes = {} if parts.boxes is None else {"iou": float(np.median(box_iou(of_bad.boxes(), parts.boxes)))}
    return {
        "chosen": one.score,
        "instabilities": dict(result.instabilities),
        "auroc": {name: dataclasses.asdict(Auroc.of(good[name], bad[name])) for name in good},
        "detector_auroc": dataclasses.asdict(Auroc.of(of_good.score, of_bad.score)),
        "alarms": {"good": float(of_good.alarm.mean()), "bad": float(of_bad.alarm.mean())},
        **boxes,
        "false_alarms": one.false_alarms,
        "draws": one.draws,
        "split_seed": one.seed,
        "calibration": one.count,
    }


def count_false_alarms(folder: Path, parts: Parts, settings: Settings) -> dict[str, Any]:
    """Calibrate the model in a folder with many seeds, and count the alarms of fresh good images.

    Each seed draws anew which of the held-back images calibrate and which are fresh. Both come from the same pool, so
    that they are exchangeable.

    Returns:
        "rates" has for each rate the alarms of each seed, the interval that holds them with a probability of 99%, and
        how many seeds lie in it. "calibration" and "fresh" are numbers of images.
    """
    alarms: dict[float, list[int]] = {alpha: [] for alpha in ALPHAS}
    detectors, fresh_count = [], len(parts.held_back) // _FRESH
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(parts.held_back))
        fresh, good = np.split(parts.held_back[order], [fresh_count])
        result = _calibrated(folder, "resampled", good, seed, settings.draws)
        detectors.append(result.detector)
        with cvae_runtime.load(result.path, provider="cpu") as model:
            found = model.detect(fresh).p_value
        for alpha, counts in alarms.items():
            counts.append(int((found <= np.float32(alpha)).sum()))
    calibrated = detectors[0].count
    rates = {}
    for alpha, counts in alarms.items():
        low, high = alarm_interval(alpha, calibrated, fresh_count)
        within = sum(low <= count <= high for count in counts)
        rates[str(alpha)] = {"alarms": counts, "interval": [low, high], "within": within}
    return {
        "seeds": list(range(SEEDS)),
        "chosen": [one.score for one in detectors],
        "draws": detectors[0].draws,
        "calibration": calibrated,
        "fresh": fresh_count,
        "rates": rates,
    }


def box_iou(found: Sequence[Box | None], expected: NDArray[np.int64]) -> Floats:
    """Return the intersection over union of each box with the expected one, float64 (N,); 0 without a box.

    Args:
        found: boxes (top, left, bottom, right), or None.
        expected: boxes, (N, 4).
    """
    overlaps = np.zeros(len(expected))
    for index, (one, other) in enumerate(zip(found, expected.tolist(), strict=True)):
        if one is not None:
            shared = _area(*map(max, one[:2], other[:2]), *map(min, one[2:], other[2:]))
            overlaps[index] = shared / (_area(*one) + _area(*other) - shared)
    return overlaps


def _area(top: int, left: int, bottom: int, right: int) -> int:
    return max(0, bottom - top) * max(0, right - left)


def _entropy(images: Images, info: ModelInfo) -> Floats:
    """Entropy of the grey levels of images, which the terms of a detector include."""
    targets = targets_of(images, info.preprocessing.binarize_at, info.preprocessing.scale)
    sums: Floats = target_entropy(targets).sum(axis=(1, 2, 3))
    return sums


def _calibrated(folder: Path, name: str, good: Images, seed: int, draws: int) -> CalibrationResult:
    """Calibrate the model in a folder on good images; the calibrated bundle gets a name in the folder."""
    images, buffer = folder / f"{name}-good.npy", io.BytesIO()
    np.save(buffer, good)
    write_file(images, buffer.getvalue())
    return calibrate(
        folder / "model",
        images,
        folder / name,
        false_alarms=_FALSE_ALARMS,
        draws=draws,
        seed=seed,
        overwrite=True,
        quiet=True,
    )


def _terms(terms: TermsOf, images: Images) -> DetectorTerms:
    """Compute the terms of images, without those of their pixels."""
    found = [terms(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    sums = ("reconstruction", "kl", "error")
    return dataclasses.replace(
        found[0], **{name: np.concatenate([getattr(one, name) for one in found]) for name in sums}
    )
