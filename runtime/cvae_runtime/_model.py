"""`load` and `Model`: encode, decode, reconstruct and score arrays of images with a loaded bundle."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ._bundle import Bundle, Precision, packaged_bundle, read_bundle
from ._check import check_images, check_int, check_latents, check_memory
from ._engine import Provider, Scheduler, check_provider, make_receipt, open_engines
from ._errors import BundleError, InputError
from ._explore import Explorer
from ._math import check_range, posterior_noise, reparameterize
from ._sampling import Dtype, Latents, Sampler
from ._score import Posterior, Scores, check_likelihood, score_images

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

_TUNED_ON = 512  # items per call of the measurement


def load(
    path: str | Path | None = None,
    *,
    provider: Provider = "auto",
    precision: Precision = "float32",
    threads: int | None = None,
    provider_options: Mapping[str, Any] | None = None,
) -> "Model":
    """Load a bundle and open its graphs.

    Args:
        path: the bundle's folder. Default: the packaged MNIST bundle.
        provider: the execution provider. "auto" uses CUDA if it works, and otherwise the CPU; a warning in the log
            states why CUDA failed. A named provider never falls back.
        precision: "float32", "float16" or "int8". A role that has no graph at this precision uses float32.
        threads: threads on the CPU. Default: the number of cores that the process may use.
        provider_options: options of a named provider other than "cpu", by ONNX Runtime's names: ``{"device_id": 1}``.

    Returns:
        The `Model`. Close it, or use it as a context manager, to end its threads.

    Raises:
        BundleError: the bundle is unusable.
        IntegrityError: a file of the bundle differs from the manifest.
        ProviderError: the provider is not installed or does not work.
        InputError: an unknown provider, a precision of which the bundle has no graph, options for "auto" or "cpu", or
            a number of threads out of range.
        MissingExtraError: ONNX Runtime is not installed.

    Examples:
        >>> model = cvae.load(provider="cpu", threads=2)
        >>> model.provider, model.threads
        ('cpu', 2)
        >>> model.close()
    """
    check_provider(provider, provider_options)
    if precision not in get_args(Precision):
        raise InputError(f"precision must be one of {', '.join(get_args(Precision))}; found {precision!r}")
    return Model(read_bundle(path), provider, precision, threads, provider_options)


def _unpickle(path: str | None, sha256: str, *arguments: Any) -> "Model":
    """Load the bundle of a pickled model again, with the pickled arguments of `Model`."""
    return Model(read_bundle(path, sha256), *arguments)


class Model(Explorer, Sampler):
    """A loaded bundle, made by `load`. A context manager: leaving it calls `close`.

    Any number of threads may call one model at the same time. Unpickling a model loads its bundle again.

    Attributes:
        manifest: the bundle's manifest.
        provider: name of the execution provider in use, such as "cpu".
        image_shape: (H, W, C), the shape of an image.
        latent_dim: L, the number of latent dimensions.
        threads: number of micro-batches that run at the same time on the CPU.
        sha256: SHA-256 of ``manifest.json``, in hex. The manifest holds the hash of every other file.
        graphs: the graph in use for each role, "encoder" and "decoder".

    Examples:
        >>> with cvae.load() as model:
        ...     images = model.generate(2, seed=0)
        ...     codes = model.encode(cvae.to_uint8(images))
        >>> images.shape, codes.mean.shape
        ((2, 28, 28, 1), (2, 50))
    """

    def __init__(
        self,
        bundle: Bundle,
        provider: Provider,
        precision: Precision,
        threads: int | None,
        provider_options: Mapping[str, Any] | None = None,
        micro_batches: Mapping[str, int] | None = None,
    ) -> None:
        self._scheduler = Scheduler(threads)
        self.threads = self._scheduler.threads
        # None: the package has another path on other machines.
        path = None if bundle.path == packaged_bundle() else str(bundle.path.absolute())
        self._loaded_as = (path, bundle.sha256, provider, precision, threads, provider_options)
        self._engines = open_engines(bundle, self._scheduler, provider, precision, provider_options, micro_batches)
        self._encoder, self._decoder = self._engines.encoder, self._engines.decoder
        self.provider = self._engines.opened.provider
        self.graphs = self._engines.graphs
        self._receipt = partial(
            make_receipt, bundle.path, bundle.sha256, self._engines, requested=provider, precision=precision
        )
        self.manifest = bundle.manifest
        self.sha256 = bundle.sha256
        self.image_shape: tuple[int, int, int] = bundle.manifest.model.image_shape
        self.latent_dim = bundle.manifest.model.latent_dim

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path, the hash and the arguments of `load`; unpickling loads the bundle again."""
        self._scheduler.check_open()
        return _unpickle, (*self._loaded_as, self._engines.micro_batches)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads. Later calls raise `InputError`."""
        self._scheduler.close()

    def receipt(self) -> dict[str, Any]:
        """Return a provenance record: bundle, provider, precision, threads, graphs and versions.

        Returns:
            A dict of JSON values; ``docs/providers.md`` lists its keys.
        """
        return self._receipt(threads=self.threads)

    @property
    def micro_batch(self) -> int:
        """Largest number of samples in one call of the decoder."""
        return self._decoder.micro_batch

    def tune(self, seconds: float = 2.0) -> dict[str, int]:
        """Measure the fastest micro-batches on this machine, and use them from now on.

        Samples may change in their last bits. A pickled model keeps its micro-batches.

        Args:
            seconds: approximate duration of the measurement.

        Returns:
            The micro-batch of the encoder and of the decoder, in items, by role.
        """
        self._encoder.tune(np.zeros((_TUNED_ON, *self.image_shape), np.uint8), seconds / 2)
        self._decoder.tune(np.zeros((_TUNED_ON, self.latent_dim), np.float32), seconds / 2)
        return self._engines.micro_batches

    def encode(self, images: Images) -> Posterior:
        """Encode raw pixels to posteriors q(z|x). The graph scales or binarizes the pixels itself.

        Args:
            images: uint8 (N, H, W, C), or (N, H, W) for one channel.

        Returns:
            `Posterior`: mean and logvar, float32 (N, L).

        Raises:
            InputError: wrong dtype or shape, or no images.
        """
        images = check_images(images, self.image_shape)
        mean = np.empty((len(images), self.latent_dim), np.float32)
        logvar = np.empty_like(mean)

        self._encoder.run(len(images), lambda start, stop: images[start:stop], {"mean": mean, "logvar": logvar})
        return Posterior(mean, logvar)

    def decode(self, z: Floats) -> Floats:
        """Decode latents to images.

        Args:
            z: latents, float32 (N, L).

        Returns:
            float32 (N, H, W, C), the expected images, in [0, 1].

        Raises:
            InputError: wrong dtype or shape, no latents, values that are not finite or too large for the decoder, or
                more images than memory holds.
        """
        return self._decode_array(check_latents(z, self.latent_dim))["probs"]

    def reconstruct(self, images: Images, *, sample: bool = False, seed: int = 0, first: int = 0) -> Floats:
        """Encode images and decode their latents.

        Args:
            images: uint8 (N, H, W, C), or (N, H, W) for one channel.
            sample: decode a draw from q(z|x) instead of its mean.
            seed: unsigned 64-bit seed of the draws.
            first: index of the first image in the stream of draws.

        Returns:
            float32 (N, H, W, C), in [0, 1].

        Raises:
            InputError: wrong dtype or shape, no images, or a number out of range.
            BundleError: the encoder's outputs are so extreme that a draw is not finite.
        """
        images = check_images(images, self.image_shape)
        if sample:
            self.check_rng()
            check_range(seed, first, len(images), self.latent_dim)
        posterior = self.encode(images)
        if not sample:
            return self.decode(posterior.mean)
        noise = posterior_noise(seed, first, len(posterior.mean), self.latent_dim)
        return self._decode_draws(reparameterize(posterior.mean, posterior.logvar, noise))["probs"]

    def score(self, images: Images, *, samples: int = 1, seed: int = 0, first: int = 0) -> Scores:
        """Compute each image's ELBO and its importance-weighted bound on log p(x), in nats.

        Args:
            images: uint8 (N, H, W, C), or (N, H, W) for one channel.
            samples: k, the number of draws from q(z|x) per image.
            seed: unsigned 64-bit seed of the draws.
            first: index of the first image in the stream of draws.

        Returns:
            `Scores`, float64 (N,) each. ``elbo`` is averaged over the draws.

        Raises:
            InputError: wrong dtype or shape, no images, a number out of range, an unknown likelihood, or draws that
                exceed memory.
            BundleError: the graphs' outputs are so extreme that a score is not finite.
        """
        samples, first = check_int("samples", samples, 1), check_int("first", first, 0)
        images = check_images(images, self.image_shape)
        self.check_rng()
        check_range(seed, first * samples, len(images) * samples, self.latent_dim)
        model = self.manifest.model
        check_likelihood(model.likelihood)
        self._check_memory(samples, model.decoder_outputs)  # one call decodes all draws of an image
        decode = partial(self._decode_draws, outputs=model.decoder_outputs)
        posterior = self.encode(images)
        with np.errstate(all="ignore"):  # the check below raises for extreme outputs
            scores = score_images(
                images, posterior, decode, model.likelihood, model.preprocessing, samples, seed, first
            )
        self._check_finite("scores", scores.elbo, scores.log_likelihood)
        return scores

    def _decode_array(self, z: Floats, outputs: Sequence[str] = ("probs",)) -> dict[str, Floats]:
        return self._decode(lambda start, stop: z[start:stop], len(z), outputs)

    def _decode_draws(self, z: Floats, outputs: Sequence[str] = ("probs",)) -> dict[str, Floats]:
        self._check_finite("draws of q(z|x)", z)
        return self._decode_array(z, outputs)

    def _check_finite(self, what: str, *numbers: NDArray[Any]) -> None:
        if not all(np.isfinite(array).all() for array in numbers):
            raise BundleError(
                f"{self._loaded_as[0] or packaged_bundle()}: expected finite {what}, found NaN or infinity; "
                f"the outputs of its graphs are too extreme; export the bundle again"
            )

    def _decode(
        self,
        latents: Latents,
        count: int,
        outputs: Sequence[str] = ("probs",),
        *,
        dtype: Dtype = "float32",
        aligned: bool = False,
    ) -> dict[str, NDArray[Any]]:
        self._check_memory(count, outputs)
        decoded = {name: np.empty((count, *self._decoder.shapes[name]), dtype) for name in outputs}
        self._decoder.run(count, latents, decoded, aligned=aligned)
        return decoded

    def _check_memory(self, count: int, outputs: Sequence[str]) -> None:
        """Raise `InputError` if the decoder's outputs for ``count`` images exceed the machine's physical memory."""
        check_memory(count, (sum(math.prod(self._decoder.shapes[name]) for name in outputs),))
