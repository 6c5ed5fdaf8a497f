"""Share one model between requests: the results of `cvae_runtime.Model` for each, in fewer calls."""

import asyncio
import threading
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cvae_runtime as cvae
import cvae_runtime.elbo
import cvae_runtime.random

from .batching import Batcher
from .settings import Settings

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
Labels = NDArray[np.object_]  # name of the class of each item, or None


class Engine:
    """A bundle's model with one `Batcher` each for its encoder, its decoder and its detector.

    Random numbers are drawn for each request separately, so they depend only on its seed. The outputs of the encoder
    and decoder for an image or latent do not depend on the others in a batch.
    """

    def __init__(self, settings: Settings) -> None:
        asked: dict[str, Any] = {"provider": settings.provider, "precision": settings.precision}  # checked by `load`
        self.model = cvae.load(settings.bundle or None, threads=settings.threads or None, **asked)
        if (rng := self.model.manifest.model.rng) != cvae.random.RNG_NAME:
            self.model.close()
            raise cvae.BundleError(
                f"the bundle specifies the random numbers {rng!r}, this service draws {cvae.random.RNG_NAME!r}; "
                f"serve another bundle"
            )
        self._prior_is_learned = self.model.manifest.model.prior is not None
        self.encoder = Batcher(self._run_encoder, settings.max_waiting)
        self.decoder = Batcher(self._run_decoder, settings.max_waiting)
        self.detector = Batcher(self._run_detector, settings.max_waiting)

    def _run_encoder(self, images: Images, labels: Labels | None = None) -> list[Floats]:
        posterior = self.model.encode(images, labels=None if labels is None else labels.tolist())
        return [posterior.mean, posterior.logvar]

    def _run_decoder(self, z: Floats, labels: Labels | None = None) -> list[Floats]:
        return [self.model.decode(z, labels=None if labels is None else labels.tolist())]

    def _run_detector(self, images: Images) -> list[NDArray[Any]]:
        found = self.model.detect(images)
        return [found.score, found.p_value, found.alarm, found.map]

    def _with_labels(self, items: NDArray[Any], label: str | None) -> list[NDArray[Any]]:
        return [items] if self.model.labels is None else [items, np.full(len(items), label, object)]

    def check_label(self, label: str | None) -> None:
        """Check the class of a request. Inside a batch, the error would reach other requests.

        Raises:
            InputError: the model has no labels, or another class.
        """
        if label is not None and self.model.labels is None:
            raise cvae.InputError(f"label must be absent, because the model has no labels; found {label!r}")
        if label is not None and label not in self.model.labels:
            raise cvae.InputError(f"label must be one of the labels that GET /healthz lists; found {label!r}")

    async def close(self) -> None:
        """Answer the waiting requests, then close the model."""
        await self.encoder.close()
        await self.decoder.close()
        await self.detector.close()
        self.model.close()

    async def sample(self, count: int, seed: int, first: int, temperature: float, label: str | None) -> Floats:
        """Like `Model.generate`: float32 (N, H, W, C)."""
        draw = partial(self.model.latents, count, seed=seed, first=first, temperature=temperature, label=label)
        z = await asyncio.to_thread(draw) if self._prior_is_learned else draw()  # a learned prior runs a graph
        return await self._decode(z, label)

    async def reconstruct(self, images: Images, *, sample: bool, seed: int, first: int, label: str | None) -> Floats:
        """Like `Model.reconstruct`: float32 (N, H, W, C)."""
        if not sample:
            return await self._decode((await self.encoder(*self._with_labels(images, label)))[0], label)
        noise = cvae.posterior_noise(seed, first, len(images), self.model.latent_dim)
        mean, logvar = await self.encoder(*self._with_labels(images, label))
        with np.errstate(over="ignore", invalid="ignore"):  # `_decode` rejects the results
            z = cvae.elbo.reparameterize(mean, logvar, noise)
        return await self._decode(z, label)

    async def score(self, images: Images, samples: int, seed: int, first: int, label: str | None) -> cvae.Scores:
        """Like `Model.score`."""
        info, loop = self.model.manifest.model, asyncio.get_running_loop()
        # Other likelihoods need outputs that `decode` does not return, and a learned prior needs its density.
        if info.likelihood != "bernoulli" or self._prior_is_learned:
            score = partial(self.model.score, samples=samples, seed=seed, first=first, label=label)
            return await asyncio.to_thread(score, images)
        posterior = cvae.Posterior(*await self.encoder(*self._with_labels(images, label)))
        given_up = threading.Event()
        decoding: list[Future[Floats]] = []

        def decode(z: Floats) -> dict[str, Any]:
            if given_up.is_set():
                raise CancelledError
            decoding[:] = [asyncio.run_coroutine_threadsafe(self._decode(z, label), loop)]
            return {"probs": decoding[0].result()}

        try:
            return await asyncio.to_thread(
                cvae.elbo.score_images,
                images,
                posterior,
                decode,
                likelihood=info.likelihood,
                preprocessing=info.preprocessing,
                samples=samples,
                seed=seed,
                first=first,
            )
        finally:
            given_up.set()  # threads cannot be cancelled
            for call in decoding:
                call.cancel()

    async def detect(self, images: Images) -> cvae.Detection:
        """Like `Model.detect`."""
        detector = self.model.manifest.detector
        if detector is None:
            raise cvae.InputError("the bundle has no detector; serve one that cvae-calibrate wrote")
        return cvae.Detection(*await self.detector(images), map_threshold=detector.map_threshold)

    async def _decode(self, z: Floats, label: str | None) -> Floats:
        if not np.isfinite(z).all():  # checked here, because inside a batch the error would reach other requests
            raise cvae.BundleError("the encoder's logvar is too large for a draw of float32; export the bundle again")
        probs: Floats = (await self.decoder(*self._with_labels(z, label)))[0]
        return probs
