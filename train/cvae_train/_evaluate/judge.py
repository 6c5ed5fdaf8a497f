"""The quality of samples, judged by the features of a classifier in an ONNX file."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import InputError, prior_latents, to_uint8
from cvae_runtime.sessions import open_session

from .._config import BINARIZE_AT
from .._model import CVAE
from .distances import frechet_distance, kernel_distance, precision_and_recall

SURE = 0.9  # the least probability of a class for the classifier to be sure
_MOST = 10_000  # images of a set
_BATCH = 500

Images = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class SampleQuality:
    """The quality of samples, beside a floor: the same distance between training and test images.

    Attributes:
        images: number of samples, of test images and of training images.
        frechet, frechet_floor: `frechet_distance` from the test images, of samples and of training images.
        kernel, kernel_floor: `kernel_distance`, likewise.
        precision, recall, density, coverage: see `precision_and_recall`.
        class_entropy: entropy of the histogram of the samples' most probable classes, in nats; at most log(classes).
            None without logits.
        sure: share of the samples whose most probable class has a probability of at least `SURE`. None without logits.

    Examples:
        >>> fields = cvae_train.SampleQuality(5, 2.0, 0.5, 0.1, 0.0, 1.0, 0.8, 1.1, 0.9).to_json()
        >>> fields["frechet"], fields["sure"]
        (2.0, None)
    """

    images: int
    frechet: float
    frechet_floor: float
    kernel: float
    kernel_floor: float
    precision: float
    recall: float
    density: float
    coverage: float
    class_entropy: float | None = None
    sure: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON values."""
        return dataclasses.asdict(self)

    def lines(self) -> list[str]:
        """Format the figures as lines of text."""
        rows = {
            f"samples, {self.images:,} against test images": "",
            "  Fréchet distance": f"{self.frechet:12.3f}    training images: {self.frechet_floor:.3f}",
            "  kernel distance": f"{self.kernel:12.5f}    training images: {self.kernel_floor:.5f}",
            "  precision, recall": f"{self.precision:12.3f} {self.recall:.3f}",
            "  density, coverage": f"{self.density:12.3f} {self.coverage:.3f}",
        }
        if self.class_entropy is not None and self.sure is not None:
            rows["  entropy of classes, in nats"] = f"{self.class_entropy:12.3f}"
            rows["  classified surely"] = f"{self.sure:12.1%}"
        return [f"{name:36}{figures}".rstrip() for name, figures in rows.items()]


def judge(model: CVAE, features: Path, test: Images, train: Images, *, binary: bool, seed: int = 0) -> SampleQuality:
    """Judge samples of a model.

    Args:
        model: the trained network.
        features: an ONNX file with the input ``images``, uint8 (B, H, W, C), and the outputs ``features``, float32
            (B, D), and optionally ``logits``, float32 (B, classes).
        test, train: images of the data set with their grey levels, uint8 (N, H, W, C).
        binary: threshold all images at half, as for models of binarized pixels, whose samples have no grey levels.
        seed: of the samples, as in `cvae_runtime.Model.generate`.

    Raises:
        InputError: the file has other inputs or outputs, or there are fewer than two images.

    Examples:
        >>> result, data = cvae_train.load_run("runs/0001"), cvae_train.load_data("images.npz")
        >>> quality = cvae_train.judge(result.model, Path("judge.onnx"), data.test, data.train, binary=True)
        >>> quality.images, quality.frechet > quality.frechet_floor
        (13, True)
    """
    network = _Network(features, model.config.image_shape)
    count = min(len(test), len(train), _MOST)
    if count < 2:
        raise InputError(f"expected at least 2 test and training images to compare samples with, found {count}")
    drawn, logits = network.run(_cut(_samples(model, count, seed), binary))
    real, _ = network.run(_cut(_chosen(test, count), binary))
    known, _ = network.run(_cut(_chosen(train, count), binary))
    classes = {}
    if logits is not None:
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True).astype(np.float64))
        shares = np.bincount(logits.argmax(axis=1)) / count
        classes = {
            "class_entropy": float(np.sum(shares * -np.log(np.where(shares > 0, shares, 1.0)))),
            "sure": float((1.0 / shifted.sum(axis=1) >= SURE).mean()),
        }
    return SampleQuality(
        images=count,
        frechet=frechet_distance(real, drawn),
        frechet_floor=frechet_distance(real, known),
        kernel=kernel_distance(real, drawn),
        kernel_floor=kernel_distance(real, known),
        **precision_and_recall(real, drawn),
        **classes,
    )


class _Network:
    """The judge's session."""

    def __init__(self, path: Path, image_shape: tuple[int, int, int]) -> None:
        try:
            self._session = open_session(path.read_bytes())
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; name an ONNX file") from error
        inputs = {tensor.name: (tensor.type, tuple(tensor.shape[1:])) for tensor in self._session.get_inputs()}
        self._outputs = [tensor.name for tensor in self._session.get_outputs() if tensor.name in ("features", "logits")]
        if inputs != {"images": ("tensor(uint8)", image_shape)} or "features" not in self._outputs:
            found = f"{inputs} and {[tensor.name for tensor in self._session.get_outputs()]}"
            raise InputError(
                f"{path}: expected the input images, uint8 (batch, {', '.join(map(str, image_shape))}), and the output "
                f"features, found {found}; name a classifier of images of this shape"
            )

    def run(self, batches: Iterator[Images]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Features of all images, and their logits if the file has them."""
        parts = [
            dict(zip(self._outputs, self._session.run(self._outputs, {"images": b}), strict=True)) for b in batches
        ]
        features = np.concatenate([part["features"] for part in parts])
        return features, np.concatenate([part["logits"] for part in parts]) if "logits" in self._outputs else None


def _samples(model: CVAE, count: int, seed: int) -> Iterator[Images]:
    sample = tf.function(model.sample, autograph=False)
    for start in range(0, count, _BATCH):
        noise = prior_latents(seed, start, min(_BATCH, count - start), model.config.latent_dim)
        yield to_uint8(sample(tf.constant(noise)).numpy())


def _chosen(images: Images, count: int) -> Iterator[Images]:
    """The first ``count`` images."""
    return (np.asarray(images[start : min(start + _BATCH, count)]) for start in range(0, count, _BATCH))


def _cut(batches: Iterator[Images], binary: bool) -> Iterator[Images]:
    return ((batch >= BINARIZE_AT) * np.uint8(255) if binary else batch for batch in batches)
