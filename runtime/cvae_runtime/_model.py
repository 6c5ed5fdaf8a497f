"""A loaded bundle: sample, encode, decode, reconstruct, score and interpolate, arrays in and arrays out."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from ._bundle import Bundle, read_bundle
from ._check import check_images, check_latents, check_memory, check_session, check_temperature
from ._elbo import reparameterize
from ._errors import InputError
from ._interpolate import Method, interpolate_latents
from ._manifest import GraphInfo, Manifest, Precision
from ._providers import Provider, check_provider, open_sessions
from ._random import RNG_NAME, check_range, posterior_noise, prior_latents, stream_end
from ._scheduler import Scheduler
from ._score import Posterior, Scores, check_likelihood, score_images
from ._whole import whole

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Images a call of a session takes. On a CPU small ones keep a layer's activations in the core's cache; a GPU wants
# work for all its cores at once. The CPU's were measured with `python -m benchmarks inference`.
_MICRO_BATCH = {("decoder", "cpu"): 8, ("encoder", "cpu"): 32, ("decoder", "cuda"): 256, ("encoder", "cuda"): 256}

_STREAM_BYTES = 4 << 20  # of a batch: enough that its end, where threads wait for each other, is a small part of it


def load(
    path: str | Path | None = None,
    *,
    provider: Provider = "auto",
    precision: Precision = "float32",
    threads: int | None = None,
) -> "Model":
    """Load a bundle.

    Args:
        path: its folder; the MNIST bundle of the package if not given.
        provider: what to run on. "auto" may fall back to the CPU and says so in the log; a name never does.
        precision: of the graphs; a role without a graph at it uses float32.
        threads: how many run on the CPU at a time; as many as the process may use cores if not given.

    Raises:
        BundleError, IntegrityError: the bundle cannot be used.
        ProviderError: the provider is not there or does not work.
        InputError: an unknown provider or precision, or one that the bundle has no graph for.
    """
    check_provider(provider)
    if precision not in get_args(Precision):
        raise InputError(f"precision must be one of {', '.join(get_args(Precision))}; found {precision!r}")
    return Model(read_bundle(path), provider, precision, threads)


class Model:
    """A bundle that is ready to run; `load` makes one. A context manager: `close` ends its threads.

    Attributes:
        manifest: what the bundle says of itself.
        provider: the execution provider that it runs on.
        image_shape: (H, W, C).
        latent_dim: L.
        graphs: the graph that runs, by its role.
    """

    def __init__(self, bundle: Bundle, provider: Provider, precision: Precision, threads: int | None) -> None:

        def graphs_for(name: str) -> list[GraphInfo]:
            return [_choose(bundle.manifest, role, precision, name) for role in ("encoder", "decoder")]

        self._scheduler = Scheduler(threads)
        sessions, self.provider = open_sessions(
            lambda name: [bundle.files[graph.file] for graph in graphs_for(name)], provider
        )
        self.graphs = {graph.role: graph for graph in graphs_for(self.provider)}
        for session, graph in zip(sessions, self.graphs.values(), strict=True):
            check_session(session, graph, bundle.manifest.model, str(bundle.path / graph.file))
        self._encoder, self._decoder = sessions
        self.manifest = bundle.manifest
        self.image_shape: tuple[int, int, int] = bundle.manifest.model.image_shape
        self.latent_dim = bundle.manifest.model.latent_dim

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; the model cannot be used afterwards."""
        self._scheduler.close()

    def generate(self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0) -> Floats:
        """Draw samples ``first .. first + count - 1`` of the stream that ``seed`` names.

        Args:
            count: how many, at least 1.
            seed: unsigned 64-bit number. A sample is a function of seed and index alone.
            first: index of the first sample.
            temperature: factor on the latents; below 1 samples are more typical, above 1 more varied.

        Returns:
            float32 (count, H, W, C), the expected image of each sample, in [0, 1].

        Raises:
            InputError: a number out of range, or more than memory holds.
        """
        self.check_generate(count, seed=seed, first=first, temperature=temperature)
        count, first = int(count), int(first)
        scale = np.float32(temperature)

        def latents(start: int, stop: int) -> Floats:
            return prior_latents(seed, first + start, stop - start, self.latent_dim) * scale

        return self._decode(latents, count)["probs"]

    def check_generate(self, count: int, *, seed: int = 0, first: int = 0, temperature: float = 1.0) -> None:
        """Raise the `InputError` that `generate` would raise for these arguments."""
        self._check_samples(count, seed, first, temperature)
        check_memory(int(count), self.image_shape)

    def stream(
        self, count: int, *, seed: int = 0, first: int = 0, batch: int | None = None, temperature: float = 1.0
    ) -> Iterator[Floats]:
        """Draw samples ``first .. first + count - 1`` of the stream that ``seed`` names, a batch at a time.

        Micro-batches are cut at multiples of `micro_batch` in the sample's index, and decoded whole. So a sample has the
        same bits wherever a stream begins, ends or is cut into batches; those of `generate` where ``first`` is such a
        multiple, and ``count`` too or the sample not in the last micro-batch, and within 1e-6 of them elsewhere.

        Args:
            count: how many, at least 1; memory limits only a batch.
            seed, first, temperature: as for `generate`.
            batch: samples at a time; some MiB of them if not given.

        Returns:
            Yields float32 (batch, H, W, C), in [0, 1], the last one maybe shorter; each is the caller's own.

        Raises:
            InputError: a number out of range, or a batch that memory does not hold; before the first batch.
        """
        self._check_samples(count, seed, first, temperature)
        if batch is None:
            batch = max(self.micro_batch * self._scheduler.threads, _STREAM_BYTES // (4 * math.prod(self.image_shape)))
        batch, first, end = whole("batch", batch, 1), int(first), int(first) + int(count)
        check_memory(min(batch, int(count)), self.image_shape)
        spans = ((start, min(start + batch, end)) for start in range(first, end, batch))
        return (self._samples(start, stop, int(seed), np.float32(temperature)) for start, stop in spans)

    def _check_samples(self, count: int, seed: int, first: int, temperature: float) -> None:
        whole("count", count, 1)
        check_temperature(temperature)
        self.check_rng()
        check_range(seed, first, count, self.latent_dim)

    def _samples(self, first: int, end: int, seed: int, scale: np.float32) -> Floats:
        """Samples ``first .. end - 1`` of whole micro-batches; the stream's very last one may be shorter."""
        images = np.empty((end - first, *self.image_shape), np.float32)
        size = self.micro_batch
        origin = first - first % size

        def work(start: int, _stop: int) -> None:
            start += origin
            stop = min(start + size, stream_end(self.latent_dim))
            z = prior_latents(seed, start, stop - start, self.latent_dim) * scale
            (probs,) = self._decoder.run(["probs"], {"z": z})
            low, high = max(start, first), min(stop, end)
            images[low - first : high - first] = probs[low - start : high - start]

        self._scheduler.run(end - origin, size, work)
        return images

    @property
    def micro_batch(self) -> int:
        """How many samples a call of the decoder takes."""
        return self._micro_batch("decoder")

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

        def work(start: int, stop: int) -> None:
            mean[start:stop], logvar[start:stop] = self._encoder.run(["mean", "logvar"], {"images": images[start:stop]})

        self._scheduler.run(len(images), self._micro_batch("encoder"), work)
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
        return self._decode_latents(z)["probs"]

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
        return self.decode(reparameterize(posterior.mean, posterior.logvar, noise))

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
        """
        samples, first = whole("samples", samples, 1), whole("first", first, 0)
        images = check_images(images, self.image_shape)
        self.check_rng()
        check_memory(samples, self.image_shape)  # an image's draws are decoded together
        check_range(seed, first * samples, len(images) * samples, self.latent_dim)
        model = self.manifest.model
        check_likelihood(model.likelihood)
        decode = partial(self._decode_latents, outputs=model.decoder_outputs)
        posterior = self.encode(images)
        return score_images(images, posterior, decode, model.likelihood, model.preprocessing, samples, seed, first)

    def interpolate(self, a: NDArray[Any], b: NDArray[Any], *, steps: int = 8, method: Method = "linear") -> Floats:
        """Decode the way from one latent to another.

        Args:
            a, b: latents, float32 (L,), or images, uint8 (H, W, C) or (H, W), which are encoded to their means.
            steps: pictures, both ends included; at least 2.
            method: "linear", or "spherical" (Shoemake, "Animating rotation with quaternion curves", 1985), which
                keeps the length that latents of the prior have.

        Returns:
            float32 (steps, H, W, C), in [0, 1].

        Raises:
            InputError: arrays of another dtype or shape, fewer than 2 steps, an unknown method.
        """
        steps = whole("steps", steps, 2)
        check_memory(steps, self.image_shape)
        return self.decode(interpolate_latents(self._as_latent(a), self._as_latent(b), steps, method))

    def _as_latent(self, end: Any) -> Floats:
        shapes = {(self.latent_dim,), self.image_shape} | (
            {self.image_shape[:2]} if self.image_shape[2] == 1 else set()
        )
        if not isinstance(end, np.ndarray) or end.shape not in shapes:
            found = f"shape {end.shape}" if isinstance(end, np.ndarray) else type(end).__name__
            raise InputError(
                f"an end must be a latent, float32 ({self.latent_dim},), or an image, uint8 {self.image_shape}; found {found}"
            )
        one = end[np.newaxis]
        vectors = self.encode(one).mean if end.dtype == np.uint8 else check_latents(one, self.latent_dim)
        vector: Floats = vectors[0]
        return vector

    def _decode_latents(self, z: Floats, outputs: Sequence[str] = ("probs",)) -> dict[str, Floats]:
        z = check_latents(z, self.latent_dim)
        return self._decode(lambda start, stop: z[start:stop], len(z), outputs)

    def _decode(self, latents: Any, count: int, outputs: Sequence[str] = ("probs",)) -> dict[str, Floats]:
        check_memory(count, self.image_shape)
        decoded = {name: np.empty((count, *self.image_shape), np.float32) for name in outputs}

        def work(start: int, stop: int) -> None:
            parts = self._decoder.run(outputs, {"z": latents(start, stop)})
            for name, part in zip(outputs, parts, strict=True):
                decoded[name][start:stop] = part

        self._scheduler.run(count, self._micro_batch("decoder"), work)
        return decoded

    def _micro_batch(self, role: str) -> int:
        return _MICRO_BATCH[role, self.provider]

    def check_rng(self) -> None:
        """Raise `InputError` if the bundle specifies random numbers that this version does not know."""
        if (rng := self.manifest.model.rng) != RNG_NAME:
            raise InputError(
                f"the bundle specifies the random numbers {rng!r}, this version knows {RNG_NAME!r}; "
                f"draw latents yourself and decode them"
            )


def _choose(manifest: Manifest, role: str, precision: Precision, provider: str) -> GraphInfo:
    """The graph for a role: at the precision if there is one, shaped for the provider if there is one."""
    there = sorted({graph.precision for graph in manifest.graphs})
    if precision not in there:
        raise InputError(f"precision {precision}: the bundle has graphs in {', '.join(there)}; choose one of these")
    for wanted in (precision, "float32"):
        graphs: Sequence[GraphInfo] = [g for g in manifest.graphs if (g.role, g.precision) == (role, wanted)]
        fitting = [graph for graph in graphs if graph.target in ("portable", provider)]
        if fitting:
            return min(fitting, key=lambda graph: graph.target == "portable")
    raise AssertionError(f"a manifest without a float32 {role} is refused when it is read")
