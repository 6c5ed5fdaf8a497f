"""Proof that exported graphs compute what the trained model does: outputs compared, and the ELBO in nats.

Both sides see every test image and, since the embedded MNIST is binary and would not show a wrong threshold, pictures
that hold all 256 grey values. ONNX Runtime runs as users run it: at its default optimisation level, at several batch
sizes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from cvae_runtime import (
    EVALUATION_SEED,
    CvaeError,
    Verified,
    gaussian_kl,
    log_likelihood,
    posterior_noise,
    reparameterize,
    targets_of,
)

from ._settings import ATOL

BATCHES = (1, 7, 256)
ELBO_TOLERANCE = 1e-3  # nats per image

_GREY_PICTURES = 64

Arrays = Mapping[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]


class ParityError(CvaeError):
    """An exported graph does not compute what the trained model does."""

    exit_code = 3


@dataclasses.dataclass(frozen=True)
class TestElbo:
    """Mean ELBO over the test set and its standard error, in nats per image."""

    mean: float
    stderr: float


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One output of one graph against the trained model.

    Attributes:
        role: of the graph.
        output: its name.
        difference: the largest absolute difference, over all images and batch sizes.
        tolerance: what it may be.
        elbo_change: test ELBO with this graph in the place of the model's part, minus the model's; nats per image.
    """

    role: str
    output: str
    difference: float
    tolerance: float
    elbo_change: float

    @property
    def passes(self) -> bool:
        """Whether both figures are within their tolerances. Written so that NaN fails."""
        return self.difference <= self.tolerance and abs(self.elbo_change) <= ELBO_TOLERANCE


@dataclasses.dataclass(frozen=True)
class Verification:
    """Everything that was compared."""

    comparisons: Sequence[Comparison]
    elbo: TestElbo

    def of(self, role: str) -> Verified:
        """What a manifest says of one graph."""
        mine = [comparison for comparison in self.comparisons if comparison.role == role]
        return Verified({c.output: c.difference for c in mine}, mine[0].elbo_change, None)

    def table(self) -> str:
        """The comparisons as lines of text."""
        lines = [f"{'graph':10}{'output':10}{'largest difference':>20}{'tolerance':>12}{'ELBO change (nats)':>22}"]
        for c in self.comparisons:
            verdict = "" if c.passes else "  FAILS"
            lines.append(
                f"{c.role:10}{c.output:10}{c.difference:20.2e}{c.tolerance:12.1e}{c.elbo_change:+22.6f}{verdict}"
            )
        return "\n".join(lines)

    def check(self) -> None:
        """Raise `ParityError` with the table unless everything is within its tolerance."""
        if not all(comparison.passes for comparison in self.comparisons):
            raise ParityError(
                f"an exported graph differs from the trained model by more than its tolerance "
                f"(ELBO: {ELBO_TOLERANCE} nats); nothing was written:\n{self.table()}"
            )


def run_onnx(graph: bytes) -> Run:
    """A function that runs an ONNX file on the CPU with ONNX Runtime's defaults."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, dict(inputs)), strict=True))


def grey_pictures(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Shuffled pixels, uint8 (N, H, W, C), that hold all 256 grey values, in every picture that has room for them."""
    pixels = math.prod(shape)
    count = max(_GREY_PICTURES, math.ceil(256 / pixels))
    values = (np.arange(count * pixels) % 256).astype(np.uint8).reshape(count, pixels)
    return np.random.default_rng(seed).permuted(values, axis=1).reshape(count, *shape)


def verify(
    reference: Mapping[str, Run],
    exported: Mapping[str, Run],
    test_images: NDArray[np.uint8],
    binarize_at: int | None,
    atol: float = ATOL,
    likelihood: str = "bernoulli",
) -> Verification:
    """Compare exported graphs with the model.

    Args:
        reference, exported: the roles "encoder" and "decoder" as functions of named arrays.
        test_images: uint8 (N, H, W, C), the whole test set.
        binarize_at: see the manifest's preprocessing.
        atol: tolerance of outputs up to 1; scaled by the largest absolute value of larger ones.
        likelihood: of the model.
    """
    shape = test_images.shape[1:]
    images = np.concatenate([test_images, grey_pictures((shape[0], shape[1], shape[2]))])
    targets = targets_of(test_images, binarize_at)

    codes = _in_batches(reference["encoder"], {"images": images}, max(BATCHES))
    latent_dim = codes["mean"].shape[1]
    noise = posterior_noise(EVALUATION_SEED, 0, len(images), latent_dim)
    z = reparameterize(codes["mean"], codes["logvar"], noise)
    decoded = _in_batches(reference["decoder"], {"z": z}, max(BATCHES))
    test = slice(len(test_images))

    def elbos(codes: Arrays, decoded: Arrays) -> NDArray[np.float64]:
        log_p_x = log_likelihood(targets, {name: array[test] for name, array in decoded.items()}, likelihood)
        return log_p_x - gaussian_kl(codes["mean"][test], codes["logvar"][test])

    model_elbos = elbos(codes, decoded)
    expected: Mapping[str, tuple[Arrays, Arrays]] = {
        "encoder": ({"images": images}, codes),
        "decoder": ({"z": z}, decoded),
    }
    comparisons = []
    for role, (inputs, outputs) in expected.items():
        differences = dict.fromkeys(outputs, 0.0)
        for batch in BATCHES:
            found = _in_batches(exported[role], inputs, batch)
            for name, array in outputs.items():
                # NumPy's maximum passes NaN on, Python's may lose it.
                differences[name] = float(np.maximum(differences[name], np.abs(found[name] - array).max()))
        # `found` is now the last batch size's. An encoder is judged with the model's decoder, and the other way round.
        if role == "encoder":
            own_z = reparameterize(found["mean"], found["logvar"], noise)
            changed = elbos(found, _in_batches(reference["decoder"], {"z": own_z}, max(BATCHES)))
        else:
            changed = elbos(codes, found)
        change = float((changed - model_elbos).mean())
        comparisons += [
            Comparison(role, name, difference, atol * max(1.0, float(np.abs(outputs[name]).max())), change)
            for name, difference in differences.items()
        ]
    stderr = float(model_elbos.std(ddof=1) / math.sqrt(len(model_elbos))) if len(model_elbos) > 1 else math.nan
    return Verification(comparisons, TestElbo(float(model_elbos.mean()), stderr))


def _in_batches(run: Run, inputs: Arrays, batch: int) -> dict[str, NDArray[Any]]:
    (name, array), *_ = inputs.items()
    parts = [run({name: array[start : start + batch]}) for start in range(0, len(array), batch)]
    return {output: np.concatenate([part[output] for part in parts]) for output in parts[0]}
