"""The terms of a detector's scores and maps in NumPy, from a bundle's encoder and decoder run one by one."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cvae_runtime import Posterior
from cvae_runtime.bundle import Bundle
from cvae_runtime.elbo import DetectorTerms, detector_terms
from cvae_runtime.images import ImageSource
from cvae_runtime.sessions import open_session
from cvae_runtime.system import allowed_cores

from ._detector_graph import Parts
from ._rounding import LAST_PLACES, move_inwards

_BATCH = 16  # images

Images = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class TermsOf:
    """A function from images to `DetectorTerms`, by the portable graphs of a bundle.

    Attributes:
        parts: the graphs.
        draws: k, draws of the posterior for each image.
        sessions: sessions by role.
    """

    parts: Parts
    draws: int
    sessions: dict[str, Any]

    @classmethod
    def bundle(cls, bundle: Bundle, draws: int) -> Self:
        """Open the graphs of a bundle."""
        parts = Parts.of(bundle)
        sessions = {role: open_session(graph.SerializeToString()) for role, graph in parts.graphs.items()}
        return cls(parts, draws, sessions)

    def __call__(self, images: Images, inwards: float = 0.0) -> DetectorTerms:
        """Compute the terms of images, as if all probs were moved towards 0.5 by this share of the distance."""
        info = self.parts.info
        label = {} if info.labels is None else {"label": np.full(len(images), len(info.labels), np.int64)}
        posterior = Posterior(*self.sessions["encoder"].run(["mean", "logvar"], {"images": images, **label}))

        def decode(z: NDArray[np.float32], *label: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
            names = list(info.decoder_outputs)
            found = self.sessions["decoder"].run(names, self._feed(z, label))
            outputs = dict(zip(names, found, strict=True))
            return move_inwards({**outputs, "probs": outputs["probs"].clip(0.0, 1.0)}, inwards)

        def log_prior(z: NDArray[np.float32], *label: NDArray[np.int64]) -> NDArray[np.float32]:
            density: NDArray[np.float32] = self.sessions["prior_density"].run(["log_prob"], self._feed(z, label))[0]
            return density

        return detector_terms(
            images,
            posterior,
            decode,
            likelihood=info.likelihood,
            preprocessing=info.preprocessing,
            draws=self.draws,
            log_prior=None if info.prior is None else log_prior,
            labels=label.get("label"),
        )

    def rounding(self, images: Images) -> DetectorTerms:
        """Return the rounding errors of the terms, see `_rounding`.

        They are those of four places instead of two, because errors do not average out in a map's single pixels.
        """
        right, moved = self(images), self(images, 2 * LAST_PLACES)
        return DetectorTerms(*(abs(getattr(moved, name) - getattr(right, name)) for name in _NAMES))

    @staticmethod
    def _feed(z: NDArray[np.float32], label: tuple[NDArray[np.int64], ...]) -> dict[str, NDArray[Any]]:
        return {"z": z, **({"label": label[0]} if label else {})}


_NAMES = [field.name for field in dataclasses.fields(DetectorTerms)]


def batches(source: ImageSource, indices: NDArray[np.int64]) -> Iterator[Images]:
    """Read the images of a source with ascending indices, a batch at a time."""
    for start in range(0, len(indices), _BATCH):
        yield np.concatenate([source.read(index, index + 1) for index in indices[start : start + _BATCH].tolist()])


def on_all_cores(function: Any, parts: Iterator[Images]) -> Iterator[tuple[Images, Any]]:
    """Call a function of a batch on all cores; yield each batch and its result in order.

    Only a few batches are in memory at a time.
    """
    workers = allowed_cores()
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[tuple[Images, Any]] = []
        for part in parts:
            waiting.append((part, pool.submit(function, part)))
            if len(waiting) > 2 * workers:
                images, result = waiting.pop(0)
                yield images, result.result()
        for images, result in waiting:
            yield images, result.result()
