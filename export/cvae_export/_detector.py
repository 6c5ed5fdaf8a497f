"""Calibrate a bundle on images of good parts: choose a score, and write a copy of the bundle with a detector."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import BundleError, InputError, ParityError, read_bundle
from cvae_runtime.bundle import (
    BUNDLE_LAYOUT,
    Background,
    Bundle,
    Detector,
    FileInfo,
    Golden,
    GoldenCase,
    GraphInfo,
    ImageSet,
    Manifest,
    Verified,
    parse_golden,
)
from cvae_runtime.elbo import DetectorTerms
from cvae_runtime.files import refuse_existing_folder
from cvae_runtime.images import ImageSource, evenly_spaced, open_images, smooth_maps
from cvae_runtime.random import RNG_NAME, check_seed
from cvae_runtime.sessions import open_session
from cvae_runtime.system import progress

from ._config import ATOL, DRAWS, FALSE_ALARMS, GOLDEN_ATOL, MOST_DRAWS, MOST_SEED, SCORES, Score
from ._conformal import Split, choose_score, instability, p_values, split_images, threshold_of
from ._detector_graph import OUTPUTS, Decision, detector_graph
from ._detector_reference import TermsOf, batches, on_all_cores
from ._graph import Graph
from ._write import write_bundle

_CHOSEN_AMONG = ("elbo", "reconstruction", "typicality")  # under the Bernoulli likelihood
_OF_LEVELS = ("error",)  # under likelihoods of 256 levels, which prefer simple images
_MAP_QUANTILE = 0.95
_CHECKED = 24  # images
_SIZES = (1, 7)  # of batches
_LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
_GOLDEN_IMAGES = 2  # with an alarm, and without

Images = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, repr=False)
class CalibrationResult:
    """A calibrated bundle.

    Attributes:
        path: the bundle's folder.
        manifest: the bundle's manifest.
        detector: the calibration, as in the manifest.
        instabilities: the instability of each score on the images in ``fit``, by name; the chosen one may be among
            them. See docs/detecting.md.
        differences: largest absolute difference of each output of the graph from the formulas in float64.

    Examples:
        >>> np.save("good.npy", cvae.load("my-model").generate(40, dtype="uint8"))
        >>> result = cvae_export.calibrate("my-model", "good.npy", "detector", false_alarms=0.1, quiet=True)
        >>> result.detector.count, result.detector.score in result.instabilities
        (19, True)
    """

    path: Path
    manifest: Manifest
    detector: Detector
    instabilities: Mapping[str, float]
    differences: Mapping[str, float]

    def __repr__(self) -> str:
        one = self.detector
        return (
            f"<CalibrationResult {self.path}: {one.score} by {one.draws} draws, alarm above {one.threshold:.2f}; "
            f"false alarms at most {one.false_alarms:g}, by {one.count:,} images>"
        )


def calibrate(
    bundle: str | Path,
    good: str | Path,
    target: str | Path,
    *,
    false_alarms: float = 0.01,
    background: str | Path | None = None,
    score: Score | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    resize: bool = False,
    grey: bool = False,
    invert: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> CalibrationResult:
    """Write a copy of a bundle that decides which images are strange, at a known rate of false alarms.

    Args:
        bundle: the bundle's folder; not changed.
        good: images of good parts that the model was not trained on: a folder, an ``.npy`` or an IDX file.
        target: the folder of the copy; on an error nothing is written.
        false_alarms: highest rate of false alarms, 0.0001 to 0.5.
        background: bundle of the background model of a likelihood ratio, from ``cvae-train --background``.
        score: the score's name. Default: "likelihood-ratio" with a background, "error" under likelihoods of 256 levels,
            otherwise chosen on the good images.
        draws: k, draws of the posterior for each image.
        seed: determines the split of the good images; 0 to 2^53 - 1.
        resize, grey, invert: as for `cvae_runtime.images.open_images`.
        overwrite: replace an existing bundle.
        quiet: show no progress.

    Raises:
        BundleError: a bundle is damaged, or lacks its encoder.
        InputError: there are too few good images, or they cannot be read or do not fit; the bundles do not fit each
            other; or an argument is out of range.
        TargetExistsError: the target exists, and ``overwrite`` is false or it holds anything but a bundle.
        ParityError: the detector's graph differs from the formulas by more than its tolerance.

    Examples:
        >>> np.save("good.npy", cvae.load("my-model").generate(40, dtype="uint8"))
        >>> result = cvae_export.calibrate("my-model", "good.npy", "detector", false_alarms=0.1, quiet=True)
        >>> detection = cvae.load("detector").detect("good.npy")
        >>> detection.p_value.shape, detection.map.shape
        ((40,), (40, 8, 8))
    """
    _check_arguments(false_alarms, score, background, draws, seed)
    target = Path(target)
    if target.resolve() == Path(bundle).resolve():
        raise InputError(f"{target}: expected another folder than the bundle's, which is not changed; name a new one")
    refuse_existing_folder(target, BUNDLE_LAYOUT, overwrite)
    contents = _read(bundle)
    other = None if background is None else _read(background)
    if other is not None:
        _check_background(contents, other)
    name: Score | None = score or (None if other is None else "likelihood-ratio")
    if name != "likelihood-ratio":
        other = None
    source = open_images(Path(good), contents.manifest.model.image_shape, resize=resize, grey=grey, invert=invert)
    split = split_images(source.count, false_alarms, seed, str(good))
    terms = TermsOf.bundle(contents, draws)
    of_background = None if other is None else TermsOf.bundle(other, draws)
    with progress(2 * len(split.fit) + len(split.calibration), "images", quiet=quiet) as advance:
        fit, fit_set = _fit(terms, source, split, advance)
        median = float(np.median(fit.elbo))
        among = _CHOSEN_AMONG if terms.parts.info.likelihood == "bernoulli" else _OF_LEVELS
        instabilities = {key: instability(strangeness(key, fit, median), false_alarms) for key in among}
        chosen: str = name or choose_score(instabilities)
        expected_costs = pixel_costs(chosen, fit)[0]
        unset = np.zeros(1, np.float32)
        decision = Decision(chosen, draws, expected_costs, unset, unset[0], median)
        background_parts = None if of_background is None else of_background.parts
        run = _runner(detector_graph(terms.parts, decision, background_parts))
        maxima, scores, calibration_set = _measure(run, source, split, advance)
    threshold = threshold_of(scores, false_alarms)
    decision = dataclasses.replace(decision, scores=scores, threshold=threshold)
    graph = Graph("detector", "portable", "float32", detector_graph(terms.parts, decision, background_parts), ())
    checked = source_images(source, split.calibration[evenly_spaced(len(split.calibration), _CHECKED)])
    expected = _Expected(terms, of_background, decision)
    differences = _check_graph(graph.data, expected, checked, str(target))
    detector = Detector(
        score=chosen,
        draws=draws,
        false_alarms=float(false_alarms),
        threshold=_shortest(threshold),
        count=len(scores),
        scores=tuple(map(_shortest, scores)),
        map_threshold=float(np.quantile(maxima, _MAP_QUANTILE)),
        seed=seed,
        fit=fit_set,
        calibration=calibration_set,
        median=median if chosen == "typicality" else None,
        background=None if other is None else Background(other.sha256),
    )
    golden = _golden(contents, graph, expected, source_images(source, split.fit[evenly_spaced(len(split.fit), 16)]))
    description = graph.describe(Verified(differences, None, None))
    manifest = _write(contents, target, graph, description, detector, golden, overwrite=overwrite)
    return CalibrationResult(target, manifest, detector, instabilities, differences)


def strangeness(
    score: str, terms: DetectorTerms, median: float = 0.0, background: DetectorTerms | None = None
) -> Floats:
    """Compute a score from the terms of images: float64 (N,), larger for stranger images.

    Args:
        score: the score's name.
        terms: the terms of the images.
        median: median ELBO of good images, for "typicality".
        background: the terms under the background model, for "likelihood-ratio".
    """
    if score == "likelihood-ratio":
        assert background is not None
        ratio: Floats = background.elbo - terms.elbo
        return ratio
    scores: dict[str, Floats] = {
        "elbo": -terms.elbo,
        "reconstruction": -terms.reconstruction,
        "error": terms.error,
        "kl": terms.kl,
        "typicality": abs(terms.elbo - median),
    }
    return scores[score]


def pixel_costs(score: str, terms: DetectorTerms) -> Floats:
    """Return the cost of each pixel, float64 (N, H, W); see `Decision`."""
    return terms.pixel_errors if score == "error" else -terms.pixels


def source_images(source: ImageSource, indices: NDArray[np.int64]) -> Images:
    """Read the images of a source with the given indices."""
    return np.concatenate(list(batches(source, indices)))


def _shortest(value: np.float32) -> float:
    """Return the shortest decimal number that is this float32."""
    return float(str(value))


def _check_arguments(
    false_alarms: float, score: str | None, background: str | Path | None, draws: int, seed: int
) -> None:
    low, high = FALSE_ALARMS
    if not low <= false_alarms <= high:
        raise InputError(f"false_alarms must be a number from {low:g} to {high:g}; found {false_alarms!r}")
    if score not in (None, *SCORES):
        raise InputError(f"score must be one of {', '.join(SCORES)}; found {score!r}")
    if score == "likelihood-ratio" and background is None:
        raise InputError(
            "score likelihood-ratio: expected the bundle of a background model, found none; "
            "train one with cvae-train --background, and pass it with --background"
        )
    if score not in (None, "likelihood-ratio") and background is not None:
        raise InputError(f"score {score}: uses no background model; leave --background or --score out")
    if not 1 <= draws <= MOST_DRAWS:
        raise InputError(f"draws must be a whole number from 1 to {MOST_DRAWS:,}; found {draws!r}")
    check_seed(seed)
    if seed > MOST_SEED:
        raise InputError(f"seed must be at most {MOST_SEED}, 2^53 - 1; found {seed}")


def _read(path: str | Path) -> Bundle:
    """Read a bundle, and check that its images can be scored."""
    contents = read_bundle(path)
    info = contents.manifest.model
    if not any(graph.role == "encoder" for graph in contents.manifest.graphs):
        raise BundleError(f"{contents.path}: expected encoder.onnx, to score images, found none; get the whole bundle")
    if info.rng != RNG_NAME:
        raise InputError(
            f"{contents.path}: expected the random numbers {RNG_NAME!r}, found {info.rng!r}; update cvae-toolkit"
        )
    return contents


def _check_background(bundle: Bundle, background: Bundle) -> None:
    """Raise `InputError` unless the likelihoods of two models are of the same data."""
    mine, other = (
        {"images": info.image_shape, "likelihood": info.likelihood, "binarize_at": info.preprocessing.binarize_at}
        for info in (bundle.manifest.model, background.manifest.model)
    )
    if different := [name for name in mine if mine[name] != other[name]]:
        expected, found = (", ".join(f"{name} {fields[name]}" for name in different) for fields in (mine, other))
        raise InputError(
            f"{background.path}: expected a background model of the same data as {bundle.path}, with {expected}; found "
            f"{found}; train it with cvae-train --background on the images of the model"
        )


def _fit(terms: TermsOf, source: ImageSource, split: Split, advance: Any) -> tuple[DetectorTerms, ImageSet]:
    """Return the terms of the images in ``fit``; those of pixels are means over the images, (1, H, W)."""
    digest = hashlib.sha256()
    sums: dict[str, list[Floats]] = {"reconstruction": [], "kl": [], "error": []}
    pixels, errors = np.zeros((2, 1, *terms.parts.info.image_shape[:2]))
    for images, found in on_all_cores(terms, batches(source, split.fit)):
        digest.update(images.tobytes())
        pixels += found.pixels.sum(axis=0) / len(split.fit)
        errors += found.pixel_errors.sum(axis=0) / len(split.fit)
        for name, values in sums.items():
            values.append(getattr(found, name))
        advance(len(images))
    fit = DetectorTerms(
        **{name: np.concatenate(values) for name, values in sums.items()}, pixels=pixels, pixel_errors=errors
    )
    return fit, ImageSet(len(split.fit), digest.hexdigest())


def _runner(graph: bytes, level: str | None = None) -> Any:
    """Return a function from images to a graph's outputs by name, by default one image a call, as in `Model.detect`."""
    session = open_session(graph, level=level)

    def run(images: Images, size: int = 1) -> dict[str, NDArray[Any]]:
        parts = [
            session.run(list(OUTPUTS), {"images": images[start : start + size]})
            for start in range(0, len(images), size)
        ]
        return {name: np.concatenate(values) for name, values in zip(OUTPUTS, zip(*parts, strict=True), strict=True)}

    return run


def _measure(run: Any, source: ImageSource, split: Split, advance: Any) -> tuple[Floats, NDArray[np.float32], ImageSet]:
    """Return the largest smoothed map values of the images in ``fit``, and the ascending scores of the others."""
    maxima, scores = [], []
    for images, found in on_all_cores(run, batches(source, split.fit)):
        maxima.append(smooth_maps(found["map"]).max(axis=(1, 2)))
        advance(len(images))
    digest = hashlib.sha256()
    for images, found in on_all_cores(run, batches(source, split.calibration)):
        digest.update(images.tobytes())
        scores.append(found["score"])
        advance(len(images))
    joined = np.sort(np.concatenate(scores))
    if not np.isfinite(joined).all():
        raise BundleError("the scores of some good images are not finite: the graphs' outputs are too extreme")
    return np.concatenate(maxima), joined, ImageSet(len(split.calibration), digest.hexdigest())


@dataclasses.dataclass(frozen=True)
class _Expected:
    """The formulas in float64, for a decision."""

    terms: TermsOf
    background: TermsOf | None
    decision: Decision

    def outputs(self, images: Images) -> dict[str, Floats]:
        """Return ``score`` and ``map`` by the formulas."""
        terms = self.terms(images)
        score = strangeness(self.decision.score, terms, self.decision.median, self._of_background(images))
        return {"score": score, "map": pixel_costs(self.decision.score, terms) - self.decision.expected}

    def rounding(self, images: Images) -> dict[str, Floats]:
        """Return the rounding error of each output."""
        terms, score = self.terms.rounding(images), self.decision.score
        error = terms.error if score == "error" else terms.reconstruction
        if self.background is not None:
            error = error + self.background.rounding(images).reconstruction
        return {"score": error, "map": abs(pixel_costs(score, terms))}

    def scales(self, images: Images) -> dict[str, float]:
        """Return the largest value that each output is computed from, at least 1; tolerances grow with it."""
        terms, other = self.terms(images), self._of_background(images)
        sums = [terms.reconstruction, terms.kl, *([] if other is None else [other.reconstruction, other.kl])]
        if self.decision.score == "error":
            sums = [terms.error]
        return {
            "score": max(1.0, *(float(abs(values).max()) for values in sums)),
            "map": max(1.0, float(abs(pixel_costs(self.decision.score, terms)).max())),
        }

    def _of_background(self, images: Images) -> DetectorTerms | None:
        return None if self.background is None else self.background(images)


def _check_graph(graph: bytes, expected: _Expected, images: Images, name: str) -> dict[str, float]:
    """Compare a detector's graph with the formulas, at every optimization level and several batch sizes.

    Returns:
        The largest absolute difference of each output, beyond the rounding error.

    Raises:
        ParityError: a difference exceeds its tolerance.
    """
    right, rounding, scales = expected.outputs(images), expected.rounding(images), expected.scales(images)
    decision = expected.decision
    differences = dict.fromkeys(OUTPUTS, 0.0)
    for level in _LEVELS:
        run = _runner(graph, level)
        for size in _SIZES:
            found = run(images, size)
            off = {key: np.maximum(abs(found[key] - right[key]) - rounding[key], 0.0).max() for key in right}
            # The decisions follow from the graph's own score.
            off["p_value"] = abs(found["p_value"] - p_values(decision.scores, found["score"])).max()
            off["alarm"] = (found["alarm"] != (found["score"] > decision.threshold)).max()
            differences = {key: max(differences[key], float(off[key])) for key in OUTPUTS}
    tolerances = {"score": ATOL * scales["score"], "map": ATOL * scales["map"], "p_value": 1e-6, "alarm": 0.0}
    for key, difference in differences.items():
        if not difference <= tolerances[key]:
            raise ParityError(
                f"{name}: expected {key} of the detector within {tolerances[key]:.2g} of its formula, found a "
                f"difference of {difference:.2g}; nothing was written: use another version of ONNX Runtime"
            )
    return differences


def _golden(contents: Bundle, graph: Graph, expected: _Expected, images: Images) -> Golden:
    """Return the golden vectors of a bundle with those of its detector.

    The images are good ones, and changed ones that may raise an alarm. Those whose outputs amplify rounding errors, and
    those whose scores lie near the threshold, are left out.
    """
    file = contents.manifest.golden.file
    detectors = {graph.file} | {info.file for info in contents.manifest.graphs if info.role == "detector"}
    old = parse_golden(contents.files[file], str(contents.path / file)) if file in contents.files else Golden((), ())
    kept = tuple(case for case in old.cases if case.file not in detectors)
    candidates = np.concatenate([images, *_changed(images)])
    found = _runner(graph.data)(candidates)
    atol = {key: GOLDEN_ATOL * scale for key, scale in expected.scales(images).items()}
    rounding = expected.rounding(candidates)
    stable = (rounding["score"] <= atol["score"]) & (rounding["map"].max(axis=(1, 2)) <= atol["map"])
    distance = abs(found["score"] - expected.decision.threshold)
    usable = np.flatnonzero(stable & (distance > atol["score"]))
    if not len(usable):
        usable = np.arange(1)
    chosen = np.sort(
        np.concatenate([usable[found["alarm"][usable] == alarm][:_GOLDEN_IMAGES] for alarm in (False, True)])
    )
    inputs = {"images": candidates[chosen]}
    outputs = {key: values[chosen] for key, values in found.items()}
    atol = {key: max(atol[key], GOLDEN_ATOL * float(abs(outputs[key]).max())) for key in atol}
    near = abs(expected.decision.scores[:, np.newaxis] - outputs["score"]) <= atol["score"]
    share = float(near.sum(axis=0).max()) / (len(near) + 1) + 1e-6
    decisions = {key: outputs[key] for key in ("p_value", "alarm")}
    cases = [GoldenCase(graph.file, inputs, {key: outputs[key]}, atol[key]) for key in ("score", "map")]
    return Golden((*kept, *cases, GoldenCase(graph.file, inputs, decisions, share)), old.rng)


def _changed(images: Images) -> list[Images]:
    """Return images that are unlike the given ones: shifted, with a stripe, and of other contrast."""
    height = images.shape[1]
    striped = images.copy()
    striped[:, height // 3 : height // 2] = 255 - striped[:, height // 3 : height // 2]
    halves = [np.roll(images, shift, axis=axis) for axis, shift in ((1, height // 2), (2, images.shape[2] // 2))]
    return [*halves, striped, images // 2, 255 - images]


def _write(
    contents: Bundle,
    target: Path,
    graph: Graph,
    description: GraphInfo,
    detector: Detector,
    golden: Golden,
    *,
    overwrite: bool,
) -> Manifest:
    """Write the copy of a bundle with its detector."""
    text, tensors = golden.to_json().encode(), golden.to_safetensors()
    old = contents.manifest.golden
    gone = {info.file for info in contents.manifest.graphs if info.role == "detector"}
    files = {name: data for name, data in contents.files.items() if name not in gone}
    files |= {graph.file: graph.data, old.file: text}
    derived = []
    for info in contents.manifest.files or ():
        if info.from_ == old.file and info.kind == "safetensors":
            files[info.file] = tensors
            derived.append(dataclasses.replace(info, bytes=len(tensors), sha256=hashlib.sha256(tensors).hexdigest()))
        elif info.from_ in gone | {old.file}:  # made from a file that changes
            files.pop(info.file, None)
        else:
            derived.append(info)
    manifest = dataclasses.replace(
        contents.manifest,
        graphs=(*(info for info in contents.manifest.graphs if info.role != "detector"), description),
        golden=FileInfo(old.file, len(text), hashlib.sha256(text).hexdigest()),
        files=tuple(derived) if derived else None,
        detector=detector,
    )
    write_bundle(target, manifest, files, overwrite=overwrite)
    return manifest
