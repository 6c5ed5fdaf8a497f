"""The model as several requests at a time use it: what `cvae_runtime.Model` gives for each alone, in fewer calls."""

import asyncio
import threading
from concurrent.futures import CancelledError, Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cvae_runtime as cvae
import cvae_runtime.elbo

from .batching import Batcher
from .settings import Settings

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]


class Engine:
    """A bundle's model with a `Batcher` before its encoder and one before its decoder.

    A request's random numbers are drawn for that request alone, so that they depend on its seed and not on its
    neighbours; what the encoder and the decoder do with an image or a latent depends on that image or latent alone.
    """

    def __init__(self, settings: Settings) -> None:
        asked: dict[str, Any] = {"provider": settings.provider, "precision": settings.precision}  # which `load` checks
        self.model = cvae.load(settings.bundle or None, threads=settings.threads or None, **asked)
        self.encoder = Batcher(self._run_encoder, settings.max_waiting)
        self.decoder = Batcher(lambda z: [self.model.decode(z)], settings.max_waiting)

    def _run_encoder(self, images: Images) -> list[Floats]:
        posterior = self.model.encode(images)
        return [posterior.mean, posterior.logvar]

    async def close(self) -> None:
        """Answer what waits, then end the model's threads."""
        await self.encoder.close()
        await self.decoder.close()
        self.model.close()

    async def sample(self, count: int, seed: int, first: int, temperature: float) -> Floats:
        """Do what `Model.generate` does: float32 (N, H, W, C)."""
        self.model.check_generate(count, seed=seed, first=first, temperature=temperature)
        z = cvae.prior_latents(seed, first, count, self.model.latent_dim) * np.float32(temperature)
        return await self._decode(z)

    async def reconstruct(self, images: Images, *, sample: bool, seed: int, first: int) -> Floats:
        """Do what `Model.reconstruct` does: float32 (N, H, W, C)."""
        if not sample:
            return await self._decode((await self.encoder(images))[0])
        self.model.check_rng()
        noise = cvae.posterior_noise(seed, first, len(images), self.model.latent_dim)
        mean, logvar = await self.encoder(images)
        with np.errstate(over="ignore", invalid="ignore"):  # `_decode` refuses what comes of it
            z = cvae.elbo.reparameterize(mean, logvar, noise)
        return await self._decode(z)

    async def score(self, images: Images, samples: int, seed: int, first: int) -> cvae.Scores:
        """Do what `Model.score` does."""
        info, loop = self.model.manifest.model, asyncio.get_running_loop()
        self.model.check_rng()
        if info.likelihood != "bernoulli":  # the decoder's second output, which others need, is not `decode`'s to give
            return await asyncio.to_thread(self.model.score, images, samples=samples, seed=seed, first=first)
        posterior = cvae.Posterior(*await self.encoder(images))
        given_up = threading.Event()
        decoding: list[Future[Floats]] = []

        def decode(z: Floats) -> dict[str, Any]:
            if given_up.is_set():
                raise CancelledError
            decoding[:] = [asyncio.run_coroutine_threadsafe(self._decode(z), loop)]
            return {"probs": decoding[0].result()}

        try:
            return await asyncio.to_thread(
                cvae.elbo.score_images,
                images,
                posterior,
                decode,
                info.likelihood,
                info.preprocessing,
                samples,
                seed,
                first,
            )
        finally:
            given_up.set()  # a thread hears of no cancellation
            for call in decoding:
                call.cancel()

    async def _decode(self, z: Floats) -> Floats:
        if not np.isfinite(z).all():  # checked here, since an error would be that of the neighbours too
            raise cvae.BundleError("the encoder's logvar is too large for a draw of float32; export the bundle again")
        probs: Floats = (await self.decoder(z))[0]
        return probs
