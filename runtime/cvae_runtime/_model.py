"""A loaded bundle: encode, decode, reconstruct and score, arrays in and arrays out; sampling and exploring beside it."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ._bundle import Bundle, Precision, packaged_bundle, read_bundle
from ._check import check_images, check_latents, check_memory, whole
from ._engine import Provider, Scheduler, check_provider, make_receipt, open_engines
from ._errors import BundleError, InputError
from ._explore import Explorer
from ._math import check_range, posterior_noise, reparameterize
from ._sampling import Dtype, Latents, Sampler
from ._score import Posterior, Scores, check_likelihood, score_images

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

_TUNED_ON = 512  # items a call


def load(
    path: str | Path | None = None,
    *,
    provider: Provider = "auto",
    precision: Precision = "float32",
    threads: int | None = None,
    provider_options: Mapping[str, Any] | None = None,
) -> "Model":
    """Load a bundle.

    Args:
        path: its folder; the MNIST bundle of the package if not given.
        provider: what to run on. "auto" may fall back to the CPU and says so in the log; a name never does.
        precision: of the graphs; a role without a graph at it uses float32.
        threads: how many run on the CPU at a time; as many as the process may use cores if not given.
        provider_options: of a provider asked for by name, in ONNX Runtime's own names: ``{"device_id": 1}``.

    Raises:
        BundleError, IntegrityError: the bundle cannot be used.
        ProviderError: the provider is not there or does not work.
        InputError: an unknown provider or precision, or one that the bundle has no graph for.
    """
    check_provider(provider, provider_options)
    if precision not in get_args(Precision):
        raise InputError(f"precision must be one of {', '.join(get_args(Precision))}; found {precision!r}")
    return Model(read_bundle(path), provider, precision, threads, provider_options)


def _load_again(path: str | None, sha256: str, *asked: Any) -> "Model":
    """What a pickled model becomes: the same bundle, loaded here as `Model` was asked to."""
    return Model(read_bundle(path, sha256), *asked)


class Model(Explorer, Sampler):
    """A bundle that is ready to run; `load` makes one. A context manager: `close` ends its threads.

    Attributes:
        manifest: what the bundle says of itself.
        provider: the execution provider that it runs on.
        image_shape: (H, W, C).
        latent_dim: L.
        threads: how many micro-batches run at a time on the CPU.
        sha256: of the bundle's manifest, which holds that of every file.
        graphs: the graph that runs, by its role.
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
        # The package lies elsewhere on other machines.
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
        """Pickle as where the bundle lies and how it was loaded; whoever unpickles it loads it again."""
        self._scheduler.check_open()
        return _load_again, (*self._loaded_as, self._engines.micro_batches)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; the model cannot be used afterwards."""
        self._scheduler.close()

    def receipt(self) -> dict[str, Any]:
        """Say, in values of JSON, what the model runs on and why; ``docs/providers.md`` tells its form."""
        return self._receipt(threads=self.threads)

    @property
    def micro_batch(self) -> int:
        """How many samples a call of the decoder takes at most."""
        return self._decoder.micro_batch

    def tune(self, seconds: float = 2.0) -> dict[str, int]:
        """Measure which micro-batches are the fastest on this machine, and use them from now on.

        Samples may change in the last bits; a pickled model takes its micro-batches along.

        Args:
            seconds: how long about.

        Returns:
            The micro-batch of the encoder and of the decoder, by role.
        """
        self._encoder.tune(np.zeros((_TUNED_ON, *self.image_shape), np.uint8), seconds / 2)
        self._decoder.tune(np.zeros((_TUNED_ON, self.latent_dim), np.float32), seconds / 2)
        return self._engines.micro_batches

    def encode(self, images: Images) -> Posterior:
        """Encode raw pixels; scaling and binarization are inside the model.

        Args:
            images: uint8 (N, H, W, C), or (N, H, W) for one channel.

        Returns:
            `Posterior`: mean and logvar, float32 (N, L).

        Raises:
            InputError: another dtype or shape, or no images.
        """
        images = check_images(images, self.image_shape)
        mean = np.empty((len(images), self.latent_dim), np.float32)
        logvar = np.empty_like(mean)

        self._encoder.run(len(images), lambda start, stop: images[start:stop], {"mean": mean, "logvar": logvar})
        return Posterior(mean, logvar)

    def decode(self, z: Floats) -> Floats:
        """Decode latents.

        Args:
            z: float32 (N, L).

        Returns:
            float32 (N, H, W, C), the expected images, in [0, 1].

        Raises:
            InputError: another dtype or shape, no latents, or values that are not finite.
        """
        return self._decode_array(check_latents(z, self.latent_dim))["probs"]

    def reconstruct(self, images: Images, *, sample: bool = False, seed: int = 0, first: int = 0) -> Floats:
        """Encode and decode again.

        Args:
            images: uint8 (N, H, W, C), or (N, H, W) for one channel.
            sample: through a draw of q(z|x) instead of its mean.
            seed: of the draws.
            first: index of the first image in the stream of draws.

        Returns:
            float32 (N, H, W, C), in [0, 1].

        Raises:
            InputError: see `encode`; a number out of range.
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
        """Compute each image's ELBO and importance-weighted bound of log p(x), in nats.

        Args:
            images: uint8 (N, H, W, C), or (N, H, W) for one channel.
            samples: k, draws of q(z|x) an image.
            seed: of the draws.
            first: index of the first image in the stream of draws.

        Returns:
            `Scores`, float64 (N,) each; ``elbo`` is averaged over the draws.

        Raises:
            InputError: see `encode`; a number out of range.
            BundleError: the graphs give numbers of which no scores can be made.
        """
        samples, first = whole("samples", samples, 1), whole("first", first, 0)
        images = check_images(images, self.image_shape)
        self.check_rng()
        check_range(seed, first * samples, len(images) * samples, self.latent_dim)
        model = self.manifest.model
        check_likelihood(model.likelihood)
        self._check_memory(samples, model.decoder_outputs)  # an image's draws are decoded together
        decode = partial(self._decode_draws, outputs=model.decoder_outputs)
        posterior = self.encode(images)
        with np.errstate(all="ignore"):  # of extreme numbers, which the check refuses
            scores = score_images(
                images, posterior, decode, model.likelihood, model.preprocessing, samples, seed, first
            )
        self._refuse_unless_finite("scores", scores.elbo, scores.log_likelihood)
        return scores

    def _decode_array(self, z: Floats, outputs: Sequence[str] = ("probs",)) -> dict[str, Floats]:
        return self._decode(lambda start, stop: z[start:stop], len(z), outputs)

    def _decode_draws(self, z: Floats, outputs: Sequence[str] = ("probs",)) -> dict[str, Floats]:
        self._refuse_unless_finite("draws of q(z|x)", z)
        return self._decode_array(z, outputs)

    def _refuse_unless_finite(self, what: str, *numbers: NDArray[Any]) -> None:
        if not all(np.isfinite(array).all() for array in numbers):
            raise BundleError(
                f"{self._loaded_as[0] or packaged_bundle()}: expected finite {what}, found NaN or infinity; "
                f"its graphs give numbers that are too extreme; export the bundle again"
            )

    def _decode(
        self,
        latents: Latents,
        count: int,
        outputs: Sequence[str] = ("probs",),
        *,
        dtype: Dtype = "float32",
        whole: bool = False,
    ) -> dict[str, NDArray[Any]]:
        self._check_memory(count, outputs)
        decoded = {name: np.empty((count, *self._decoder.shapes[name]), dtype) for name in outputs}
        self._decoder.run(count, latents, decoded, whole=whole)
        return decoded

    def _check_memory(self, count: int, outputs: Sequence[str]) -> None:
        """Raise `InputError` if the decoder's outputs of so many images are more than the machine's memory holds."""
        check_memory(count, (sum(math.prod(self._decoder.shapes[name]) for name in outputs),))
