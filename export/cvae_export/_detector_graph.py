"""The graph of the role ``detector``, made of the graphs of a bundle: images to scores, p-values, alarms and maps.

It needs no other file: draws, calibration scores and the expected log-likelihood of each pixel are constants. Its
formulas are those of `cvae_runtime.elbo.detector_terms` and of docs/formats.md, in float64.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
from numpy.typing import NDArray
from onnx import version_converter

from cvae_runtime import posterior_noise
from cvae_runtime.bundle import Bundle, ModelInfo
from cvae_runtime.elbo import EVALUATION_SEED, PROBABILITY_FLOOR

from ._builder import BATCH, Builder
from ._graph import opset_of

OUTPUTS = ("score", "p_value", "alarm", "map")

_FLOAT, _DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


@dataclasses.dataclass(frozen=True)
class Decision:
    """The constants of a detector.

    Attributes:
        score: the score's name.
        draws: k, draws of the posterior for each image.
        expected: mean cost of each pixel over good images, float64 (H, W): of the score "error" its error, otherwise
            its negative log-likelihood.
        scores: the calibration scores, float32 (n,), ascending.
        threshold: the calibration score that the score of an alarm exceeds.
        median: median ELBO of good images, for typicality.
    """

    score: str
    draws: int
    expected: NDArray[np.float64]
    scores: NDArray[np.float32]
    threshold: np.float32
    median: float = 0.0


@dataclasses.dataclass(frozen=True)
class Parts:
    """The graphs of a model from which a detector is made.

    Attributes:
        info: the model's entry of the manifest.
        graphs: portable float32 graphs by role, all of one opset.
    """

    info: ModelInfo
    graphs: Mapping[str, onnx.ModelProto]

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """Take the graphs of a bundle."""
        info = bundle.manifest.model
        files = {
            graph.role: graph.file
            for graph in bundle.manifest.graphs
            if graph.role in info.roles and (graph.target, graph.precision) == ("portable", "float32")
        }
        return cls(info, {role: onnx.load_from_string(bundle.files[file]) for role, file in files.items()})

    @property
    def opset(self) -> int:
        """The newest opset of the graphs."""
        return max(map(opset_of, self.graphs.values()))

    def at(self, opset: int) -> Self:
        """Convert the graphs to a newer opset, if they have an older one."""
        graphs = {
            role: proto if opset_of(proto) == opset else version_converter.convert_version(proto, opset)
            for role, proto in self.graphs.items()
        }
        return dataclasses.replace(self, graphs=graphs)


def detector_graph(model: Parts, decision: Decision, background: Parts | None = None) -> bytes:
    """Return the ONNX file of a detector.

    Args:
        model: the graphs of the model.
        decision: the constants.
        background: the graphs of the background model, for the score ``likelihood-ratio``.
    """
    opset = max(parts.opset for parts in (model, background or model))
    images = ir.Value(
        name="images", type=ir.TensorType(ir.DataType.UINT8), shape=ir.Shape([BATCH, *model.info.image_shape])
    )
    build = Builder("detector", opset)
    terms = _terms(build, images, model.at(opset), decision.draws, "model/")
    elbo = build("Sub", terms.reconstruction, terms.kl)
    costs = terms.pixel_errors if decision.score == "error" else build("Neg", terms.pixels)
    if decision.score == "elbo":
        score = build("Neg", elbo)
    elif decision.score == "reconstruction":
        score = build("Neg", terms.reconstruction)
    elif decision.score == "error":
        score = _sum(build, terms.pixel_errors, [1, 2])
    elif decision.score == "kl":
        score = terms.kl
    elif decision.score == "typicality":
        score = build("Abs", build("Sub", elbo, np.array(decision.median)))
    else:
        assert background is not None
        other = _terms(build, images, background.at(opset), decision.draws, "background/")
        score = build("Sub", build("Sub", other.reconstruction, other.kl), elbo)
    score = build("Cast", score, to=_FLOAT)
    outputs = {
        "score": score,
        "p_value": _p_value(build, score, decision.scores),
        "alarm": build("Greater", score, np.array(decision.threshold, np.float32)),
        "map": build("Cast", build("Sub", costs, decision.expected), to=_FLOAT),
    }
    image = list(model.info.image_shape[:2])
    for name, value in outputs.items():
        value.type = ir.TensorType(ir.DataType.BOOL if name == "alarm" else ir.DataType.FLOAT)
        value.shape = ir.Shape([BATCH, *(image if name == "map" else [])])
    return _file(build.model([images], outputs), model.graphs["encoder"])


def _file(model: ir.Model, encoder: onnx.ModelProto) -> bytes:
    """Check a graph and return its file, with the metadata of the encoder."""
    common_passes.RemoveUnusedNodesPass()(model)
    model.producer_name = "cvae-toolkit"
    model.metadata_props.update({entry.key: entry.value for entry in encoder.metadata_props})
    model.metadata_props["cvae.role"] = json.dumps("detector")
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString(deterministic=True)


class _Terms(NamedTuple):
    """The terms of `cvae_runtime.elbo.DetectorTerms`: float64 (B,), or (B, H, W) for pixels."""

    reconstruction: ir.Value
    kl: ir.Value
    pixels: ir.Value
    pixel_errors: ir.Value


def _terms(build: Builder, images: ir.Value, parts: Parts, draws: int, prefix: str) -> _Terms:
    """Compute the terms of images by the graphs of a model."""
    info = parts.info
    latent_dim = info.latent_dim
    encoded = build.insert(
        parts.graphs["encoder"], f"{prefix}encoder/", images=images, **_no_label(build, images, info)
    )
    noise = posterior_noise(EVALUATION_SEED, 0, draws, latent_dim).reshape(draws, 1, latent_dim)
    deviation = build("Exp", build("Mul", encoded["logvar"], np.array(0.5, np.float32)))
    z = build("Add", encoded["mean"], build("Mul", deviation, noise))  # (draws, B, L)
    flat = build("Reshape", z, np.array([-1, latent_dim]))
    label = _no_label(build, flat, info)
    decoded = build.insert(parts.graphs["decoder"], f"{prefix}decoder/", z=flat, **label)
    parameters = {
        # (draws, B, H, W, C), and (draws, B, H, W, C, components) for a mixture.
        name: build("Cast", _by_draw(build, decoded[name], draws, info, mixed=name not in _of_images(info)), to=_DOUBLE)
        for name in info.decoder_outputs
    }
    x = _targets(build, images, info)

    def mean_of(likelihood: str) -> ir.Value:
        return _sum(build, _log_likelihood(build, x, parameters, likelihood), [0, 4], factor=1.0 / draws)

    negative_errors = mean_of("bernoulli")
    if info.preprocessing.binarize_at is None:
        negative_errors = build("Sub", negative_errors, _sum(build, _negative_entropy(build, x), [3]))
    pixels = negative_errors if info.likelihood == "bernoulli" else mean_of(info.likelihood)
    errors = build("Neg", negative_errors)
    reconstruction = _sum(build, pixels, [1, 2])
    z, mean, logvar = (build("Cast", value, to=_DOUBLE) for value in (z, encoded["mean"], encoded["logvar"]))
    if info.prior is None:
        squares = build("Add", build("Exp", logvar), build("Mul", mean, mean))
        terms = build("Sub", build("Sub", squares, np.array(1.0)), logvar)
        return _Terms(reconstruction, _sum(build, terms, [1], factor=0.5), pixels, errors)
    found = build.insert(parts.graphs["prior_density"], f"{prefix}prior_density/", z=flat, **label)
    log_prior = build("Reshape", build("Cast", found["log_prob"], to=_DOUBLE), np.array([draws, -1]))
    offset = build("Sub", z, mean)
    distance = build("Mul", build("Mul", offset, offset), build("Exp", build("Neg", logvar)))
    constant = np.array(math.log(2.0 * math.pi))
    log_q = _sum(build, build("Add", build("Add", distance, logvar), constant), [2], factor=-0.5)
    kl = _sum(build, build("Sub", log_q, log_prior), [0], factor=1.0 / draws)
    return _Terms(reconstruction, kl, pixels, errors)


def _no_label(build: Builder, items: ir.Value, info: ModelInfo) -> dict[str, ir.Value]:
    """Return the input ``label`` of a graph for items (N, ...): "no label" for each. Empty without labels."""
    if info.labels is None:
        return {}
    count = build("Slice", build("Shape", items), np.array([0]), np.array([1]))
    return {"label": build("Expand", np.array([len(info.labels)]), count)}


def _of_images(info: ModelInfo) -> tuple[str, ...]:
    """Names of the decoder's outputs that have the shape of images."""
    return info.decoder_outputs if info.likelihood != "discretized-logistic-mixture" else ("probs",)


def _by_draw(build: Builder, output: ir.Value, draws: int, info: ModelInfo, *, mixed: bool) -> ir.Value:
    """Split the first axis, draws times images, into two."""
    if not mixed:
        return build("Reshape", output, np.array([draws, -1, *info.image_shape]))
    components = build("Slice", build("Shape", output), np.array([4]), np.array([5]))
    shape = build("Concat", np.array([draws, -1, *info.image_shape]), components, axis=0)
    return build("Reshape", output, shape)


def _targets(build: Builder, images: ir.Value, info: ModelInfo) -> ir.Value:
    """Return the targets of the likelihood, float64 (B, H, W, C)."""
    levels = build("Cast", images, to=_FLOAT)
    cut = info.preprocessing.binarize_at
    if cut is not None:
        return build("Cast", build("GreaterOrEqual", levels, np.array(cut, np.float32)), to=_DOUBLE)
    return build("Cast", build("Div", levels, np.array(info.preprocessing.scale, np.float32)), to=_DOUBLE)


def _log_likelihood(build: Builder, x: ir.Value, parameters: Mapping[str, ir.Value], likelihood: str) -> ir.Value:
    """Return log p of each value, float64 (draws, B, H, W, C); see `cvae_runtime.elbo.value_log_likelihood`."""
    one = np.array(1.0)
    if likelihood == "bernoulli":
        p = build("Min", build("Max", parameters["probs"], np.array(PROBABILITY_FLOOR)), one - PROBABILITY_FLOOR)
        white = build("Mul", x, build("Log", p))
        return build("Add", white, build("Mul", build("Sub", one, x), build("Log", build("Sub", one, p))))
    x = build("Div", build("Round", build("Mul", x, np.array(255.0))), np.array(255.0))
    if likelihood == "discretized-logistic":
        return _log_levels(build, x, parameters["probs"], parameters["log_scale"])
    logits = parameters["mixture_logits"]
    log_p = _log_levels(build, build("Unsqueeze", x, np.array([4])), parameters["location"], parameters["log_scale"])
    return build("Sub", _log_sum_exp(build, build("Add", logits, log_p)), _log_sum_exp(build, logits))


def _negative_entropy(build: Builder, x: ir.Value) -> ir.Value:
    """Return the negative entropy of grey levels, float64 (B, H, W, C); see `cvae_runtime.elbo.target_entropy`."""
    tiny = np.array(np.finfo(np.float64).tiny)
    parts = [build("Mul", part, build("Log", build("Max", part, tiny))) for part in (x, build("Sub", np.array(1.0), x))]
    return build("Add", *parts)


def _log_levels(build: Builder, x: ir.Value, m: ir.Value, log_scale: ir.Value) -> ir.Value:
    """Return the log-probability of level x under a discretized logistic distribution with location m."""
    zero, one, half = np.array(0.0), np.array(1.0), np.array(1 / 510)
    s = build("Exp", log_scale)
    a = build("Div", build("Sub", build("Sub", x, half), m), s)
    b = build("Div", build("Sub", build("Add", x, half), m), s)
    black, white = build("Equal", x, zero), build("Equal", x, one)
    above_a = build("Where", black, zero, build("Neg", _softplus(build, a)))
    below_b = build("Where", white, zero, build("Neg", _softplus(build, build("Neg", b))))
    width = build("Exp", build("Div", np.array(-1 / 255), s))
    between = build("Where", build("Or", black, white), zero, build("Log", build("Sub", one, width)))
    return build("Add", build("Add", above_a, below_b), between)


def _softplus(build: Builder, x: ir.Value) -> ir.Value:
    """Return log(1 + exp(x)), also for large x."""
    tail = build("Log", build("Add", np.array(1.0), build("Exp", build("Neg", build("Abs", x)))))
    return build("Add", build("Max", x, np.array(0.0)), tail)


def _log_sum_exp(build: Builder, values: ir.Value) -> ir.Value:
    """Reduce the last of six axes."""
    by_attribute = build.opset < 18  # from then on, the axes are an input
    largest = build("ReduceMax", values, axes=[5]) if by_attribute else build("ReduceMax", values, np.array([5]))
    sums = _sum(build, build("Exp", build("Sub", values, largest)), [5])
    return build("Add", build("Squeeze", largest, np.array([5])), build("Log", sums))


def _sum(build: Builder, values: ir.Value, axes: list[int], factor: float = 1.0) -> ir.Value:
    """Sum over axes, and multiply by a factor."""
    total = build("ReduceSum", values, np.array(axes), keepdims=0)
    return total if factor == 1.0 else build("Mul", total, np.array(factor))


def _p_value(build: Builder, score: ir.Value, scores: NDArray[np.float32]) -> ir.Value:
    """Return (1 + number of calibration scores that are at least the score) / (n + 1)."""
    at_least = build("LessOrEqual", build("Unsqueeze", score, np.array([1])), scores)
    count = _sum(build, build("Cast", at_least, to=_DOUBLE), [1])
    share = build("Div", build("Add", count, np.array(1.0)), np.array(len(scores) + 1.0))
    return build("Cast", share, to=_FLOAT)
