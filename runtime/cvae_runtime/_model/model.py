"""`load` and `Model`: draw, encode, decode, reconstruct, score and explore images with a loaded bundle."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from .._bundle import PACKAGED, Bundle, Detector, Packaged, Precision, packaged_bundle, read_bundle
from .._check import check_int, check_latents, check_memory
from .._engine import Engine, Provider, Scheduler, check_provider, make_receipt, open_engines
from .._errors import BundleError, InputError
from .._images import ImageFile, ImageInput, encode_png, grid_scale, image_batch, image_grid, is_image_file, to_uint8
from .._math import (
    Method,
    check_dimensions,
    check_range,
    check_span,
    interpolate_latents,
    manifold_latents,
    posterior_noise,
    prior_latents,
    reparameterize,
    stream_end,
    traversal_latents,
)
from .._score import Posterior, Scores, check_likelihood, score_images
from .card import Card
from .detection import Detection
from .labels import Label, class_names, is_list, label_array
from .samples import Dtype, check_rng, check_samples

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

TRAVERSED = 10  # dimensions of a traversal by default

_TUNED_ON = 512  # items per call of the measurement
_ON_THE_CARD = 16  # samples
_BATCH_BYTES = 4 << 20  # of a batch: large, since threads wait for each other at its end


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
        >>> with cvae.load(provider="cpu", threads=1) as model:
        ...     print(model)
        <Model mnist: images (28, 28, 1), 40 latent dimensions, bernoulli, learned prior, 10 classes; cpu, 1 thread>
    """
    check_provider(provider, provider_options)
    if precision not in get_args(Precision):
        raise InputError(f"precision must be one of {', '.join(get_args(Precision))}; found {precision!r}")
    return Model(
        read_bundle(path), provider=provider, precision=precision, threads=threads, provider_options=provider_options
    )


def _run_on(engine: Engine, output: str, items: Floats, labels: Indices | None = None) -> Floats:
    """Compute one output of an engine for all items."""
    found: Floats = engine.run(len(items), lambda start, stop: items[start:stop], (output,), labels=labels)[output]
    return found


def _unpickle(path: str, packaged: Packaged | None, sha256: str, arguments: dict[str, Any]) -> "Model":
    """Load the bundle of a pickled model again, with the pickled arguments of `Model`."""
    return Model(read_bundle(path if packaged is None else packaged_bundle(packaged), sha256), **arguments)


def check_detector(model: "Model") -> Detector:
    """Return the calibration of a model's detector.

    Raises:
        InputError: the bundle has no detector.
    """
    detector = model.manifest.detector
    if detector is None or "detector" not in model.graphs:
        raise InputError(
            "the model has no detector: expected a bundle that cvae-calibrate wrote; "
            "make one from images of good parts: cvae-calibrate BUNDLE GOOD -o NEW"
        )
    return detector


class Model:
    """A loaded bundle, made by `load`. A context manager: leaving it calls `close`.

    Any number of threads may call one model at the same time. Unpickling a model loads its bundle again.

    Args:
        bundle: the bundle.
        provider, precision, threads, provider_options: as for `load`.
        micro_batches: sizes of micro-batches by role, as `tune` returns them. Default: a rule for each graph.

    Attributes:
        manifest: the bundle's manifest.
        provider: name of the execution provider in use, such as "cpu".
        image_shape: (H, W, C), the shape of an image.
        latent_dim: L, the number of latent dimensions.
        labels: names of the classes; None for a model without labels.
        threads: number of micro-batches that run at the same time on the CPU.
        sha256: SHA-256 of ``manifest.json``, in hex. The manifest holds the hash of every other file.
        graphs: the graph in use for each role, "encoder" and "decoder", and "prior" and "prior_density" if the prior is
            learned, and "detector" if the bundle is calibrated. A bundle may lack the file of its encoder; then only
            functions that encode no images work.

    Examples:
        >>> model = cvae.load()
        >>> images = model.generate(4, seed=0, dtype="uint8")
        >>> mean, logvar = model.encode(images)
        >>> mean.shape, model.decode(mean).shape, model.score(images).elbo.shape
        ((4, 40), (4, 28, 28, 1), (4,))
        >>> model.traverse(images[0], [29, 7], steps=5).shape, model.manifold([29, 7], steps=6).shape
        ((2, 5, 28, 28, 1), (6, 6, 28, 28, 1))
        >>> model.close()
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        provider: Provider = "auto",
        precision: Precision = "float32",
        threads: int | None = None,
        provider_options: Mapping[str, Any] | None = None,
        micro_batches: Mapping[str, int] | None = None,
    ) -> None:
        self._scheduler = Scheduler(threads)
        self.threads = self._scheduler.threads
        self._path = bundle.path
        self._arguments = {
            "provider": provider,
            "precision": precision,
            "threads": threads,
            "provider_options": provider_options,
        }
        self._engines = open_engines(
            bundle,
            self._scheduler,
            provider=provider,
            precision=precision,
            provider_options=provider_options,
            micro_batches=micro_batches,
        )
        self._encoder = self._engines.by_role.get("encoder")  # None: the bundle lacks it
        self._decoder = self._engines.by_role["decoder"]
        self.provider = self._engines.opened.provider
        self.graphs = self._engines.graphs
        self._receipt = partial(
            make_receipt, bundle.path, bundle.sha256, self._engines, requested=provider, precision=precision
        )
        self.manifest = bundle.manifest
        self.sha256 = bundle.sha256
        self.image_shape: tuple[int, int, int] = bundle.manifest.model.image_shape
        self.latent_dim = bundle.manifest.model.latent_dim
        self.labels = bundle.manifest.model.labels

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path, the hash and the arguments of `load`; unpickling loads the bundle again."""
        self._scheduler.check_open()
        # By its name, since the package has another path on other machines.
        packaged = next((name for name in PACKAGED if self._path == packaged_bundle(name)), None)
        path = str(self._path.absolute()) if packaged is None else ""
        arguments = {**self._arguments, "micro_batches": self._engines.micro_batches}
        return _unpickle, (path, packaged, self.sha256, arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return self._card().line()

    def _repr_html_(self) -> str:
        """Return the card that a notebook shows: samples of seed 0, and facts about the model."""

        def draw() -> bytes:
            samples = self.generate(_ON_THE_CARD, dtype="uint8")
            return encode_png(image_grid(samples, scale=grid_scale(self.image_shape)))

        return self._card().html(draw)

    def _card(self) -> Card:
        return Card(self._path, self.manifest, self.graphs, self.provider, self.threads, closed=self._scheduler.closed)

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
        labels = self._labels(_TUNED_ON)
        if self._encoder is not None:
            self._encoder.tune(np.zeros((_TUNED_ON, *self.image_shape), np.uint8), seconds / 2, labels)
        self._decoder.tune(np.zeros((_TUNED_ON, self.latent_dim), np.float32), seconds / 2, labels)
        return self._engines.micro_batches

    def generate(
        self,
        count: int,
        *,
        seed: int = 0,
        first: int = 0,
        temperature: float = 1.0,
        dtype: Dtype = "float32",
        label: Label | None = None,
        labels: Sequence[Label | None] | None = None,
    ) -> NDArray[Any]:
        """Draw samples ``first .. first + count - 1`` of the stream of ``seed``.

        Args:
            count: number of samples, at least 1.
            seed: unsigned 64-bit number. A sample is a function of seed and index alone.
            first: index of the first sample.
            temperature: factor on the latents. Samples are more typical below 1 and more varied above 1.
            dtype: "float32", or "uint8" for grey levels, which equal those of `to_uint8` and take less memory.
            label: the class of all samples, by name (a str) or index (an int), for models with labels. The same seed
                with another class keeps the noise, and so the style. Default: no label.
            labels: the class of each sample, instead of ``label``.

        Returns:
            float32 (count, H, W, C), the expected image of each sample, in [0, 1]; or uint8 of the same shape.

        Raises:
            InputError: a number out of range, an unknown dtype, random numbers that this version does not know, or
                more images than memory holds.
        """
        check_samples(self.manifest.model, count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        chosen = self._labels(int(count), label, labels)
        return self._draw(
            int(first), int(first) + int(count), seed=seed, temperature=temperature, dtype=dtype, labels=chosen
        )

    def stream(
        self,
        count: int,
        *,
        seed: int = 0,
        first: int = 0,
        batch: int | None = None,
        temperature: float = 1.0,
        dtype: Dtype = "float32",
        label: Label | None = None,
    ) -> Iterator[NDArray[Any]]:
        """Draw samples ``first .. first + count - 1`` of the stream of ``seed``, a batch at a time.

        Micro-batches start at multiples of `micro_batch` in the sample's index and are decoded whole. So a sample has
        the same bits for every ``first``, ``count``, ``batch`` and number of threads. `generate` splits small calls
        into smaller parts, and its samples differ from these by less than 1e-6.

        Args:
            count: number of samples, at least 1. Memory limits only the size of a batch.
            seed, first, temperature, dtype, label: as for `generate`.
            batch: samples per batch. Default: some MiB of images.

        Returns:
            An iterator of new arrays (batch, H, W, C), of ``dtype``. The last one may be shorter.

        Raises:
            InputError: a number out of range, an unknown dtype, random numbers that this version does not know, or a
                batch that exceeds memory. The call raises, not the iterator.
        """
        check_samples(self.manifest.model, count, seed=seed, first=first, temperature=temperature, dtype=dtype)
        size = self.micro_batch
        if batch is None:
            batch = size * max(self.threads, _BATCH_BYTES // (4 * math.prod(self.image_shape)) // size)
        batch = check_int("batch", batch, 1)
        # Both ends of a batch may be inside a micro-batch, which is decoded whole.
        check_memory(min(batch, int(count)) + 2 * size, self.image_shape)
        first, end = int(first), int(first) + int(count)
        self._labels(1, label)  # raises before the first batch

        def samples(start: int, stop: int) -> NDArray[Any]:
            low, high = start - start % size, min(stop + -stop % size, stream_end(self.latent_dim))
            chosen = self._labels(high - low, label)
            drawn = self._draw(low, high, seed=seed, temperature=temperature, dtype=dtype, aligned=True, labels=chosen)
            return drawn[start - low : stop - low]

        return (samples(start, min(start + batch, end)) for start in range(first, end, batch))

    def latents(
        self,
        count: int,
        *,
        seed: int = 0,
        first: int = 0,
        temperature: float = 1.0,
        label: Label | None = None,
        labels: Sequence[Label | None] | None = None,
    ) -> Floats:
        """Draw the latents of samples ``first .. first + count - 1`` of the stream of ``seed``, without decoding them.

        Args:
            count, seed, first, temperature, label, labels: as for `generate`.

        Returns:
            float32 (count, L).

        Raises:
            InputError: a number out of range, random numbers that this version does not know, or more latents than
                memory holds.
        """
        check_samples(self.manifest.model, count, seed=seed, first=first, temperature=temperature)
        check_memory(int(count), (self.latent_dim,))
        noise = prior_latents(seed, int(first), int(count), self.latent_dim) * np.float32(temperature)
        return self._to_latents(noise, self._labels(len(noise), label, labels))

    def encode(
        self, images: ImageInput, *, label: Label | None = None, labels: Sequence[Label | None] | None = None
    ) -> Posterior:
        """Encode raw pixels to posteriors q(z|x). The graph scales or binarizes the pixels itself.

        Args:
            images: N images of the model's size. An array of raw pixels is uint8 (N, H, W, C), or (N, H, W) for one
                channel. A single image lacks the first axis. A PIL image, the path of an image file, of an ``.npy``
                file or of a folder, and a list of images are converted as `read_images` does without options.
            label, labels: the class of all images, or of each; as for `generate`.

        Returns:
            `Posterior`: mean and logvar, float32 (N, L).

        Raises:
            InputError: wrong dtype or shape, or no images.
        """
        images = image_batch(images, self.image_shape)
        return self._encode(images, self._labels(len(images), label, labels))

    def decode(self, z: Floats, *, label: Label | None = None, labels: Sequence[Label | None] | None = None) -> Floats:
        """Decode latents to images.

        Args:
            z: latents, float32 (N, L).
            label, labels: the class of all latents, or of each; as for `generate`.

        Returns:
            float32 (N, H, W, C), the expected images, in [0, 1].

        Raises:
            InputError: wrong dtype or shape, no latents, values that are not finite or too large for the decoder, or
                more images than memory holds.
        """
        z = check_latents(z, self.latent_dim)
        return self._decode_array(z, labels=self._labels(len(z), label, labels))["probs"]

    def reconstruct(
        self,
        images: ImageInput,
        *,
        sample: bool = False,
        seed: int = 0,
        first: int = 0,
        label: Label | None = None,
        labels: Sequence[Label | None] | None = None,
    ) -> Floats:
        """Encode images and decode their latents.

        Args:
            images: as for `encode`.
            sample: decode a draw from q(z|x) instead of its mean.
            seed: unsigned 64-bit seed of the draws.
            first: index of the first image in the stream of draws.
            label, labels: the class of all images, or of each; as for `generate`.

        Returns:
            float32 (N, H, W, C), in [0, 1].

        Raises:
            InputError: wrong dtype, shape or size, an unreadable file, no images, a number out of range, or a wrong
                class.
            BundleError: the encoder's outputs are so extreme that a draw is not finite.
        """
        images = image_batch(images, self.image_shape)
        if sample:
            check_rng(self.manifest.model)
            check_range(seed, first, len(images), self.latent_dim)
        chosen = self._labels(len(images), label, labels)
        posterior = self._encode(images, chosen)
        if not sample:
            return self._decode_array(check_latents(posterior.mean, self.latent_dim), labels=chosen)["probs"]
        noise = posterior_noise(seed, first, len(posterior.mean), self.latent_dim)
        return self._decode_draws(reparameterize(posterior.mean, posterior.logvar, noise), chosen)["probs"]

    def restyle(
        self, images: ImageInput, labels: Sequence[Label], *, of: Sequence[Label | None] | None = None
    ) -> Floats:
        """Decode the latents of images with other classes: this handwriting, as another digit.

        With a learned prior, the latents are those that the prior maps the same noise to, with the other class.

        Args:
            images: as for `encode`.
            labels: the class of each result; or one class for all images, in a list of one.
            of: the class of each image, which it is encoded with. By default, it is the most probable one of
                `classify`, which scores each image once a class.

        Returns:
            float32 (N, H, W, C), in [0, 1].

        Raises:
            InputError: as `reconstruct`, or the model has no labels.
        """
        class_names(self.manifest.model)  # raises without labels
        images = image_batch(images, self.image_shape)
        if is_list(labels) and len(labels) == 1:
            labels = [*labels] * len(images)
        chosen = self._labels(len(images), labels=labels)
        if of is None:
            of = self.classify(images).argmax(axis=1).tolist()
        own = label_array(self.manifest.model, len(images), labels=of, name="of")
        z = check_latents(self._encode(images, own).mean, self.latent_dim)
        density = self._engines.by_role.get("prior_density")
        if density is not None:  # the latents hold the class, their noise does not
            z = self._to_latents(_run_on(density, "noise", z, own), chosen)
        return self._decode_array(z, labels=chosen)["probs"]

    def classify(self, images: ImageInput, *, samples: int = 1, seed: int = 0, first: int = 0) -> NDArray[np.float64]:
        """Compute p(label | x) of images by Bayes' rule, with equally probable classes.

        Each class scores the images with the same draws; see `score` for the arguments.

        Returns:
            float64 (N, C): the probability of each class.

        Raises:
            InputError: as `score`, or the model has no labels.
        """
        names = class_names(self.manifest.model)
        images = image_batch(images, self.image_shape)
        bounds = [
            self.score(images, samples=samples, seed=seed, first=first, label=index).iw_bound
            for index in range(len(names))
        ]
        logits = np.stack(bounds, axis=1)
        probabilities: NDArray[np.float64] = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
        return probabilities

    def score(
        self,
        images: ImageInput,
        *,
        samples: int = 1,
        seed: int = 0,
        first: int = 0,
        label: Label | None = None,
        labels: Sequence[Label | None] | None = None,
    ) -> Scores:
        """Compute each image's ELBO and its importance-weighted bound on log p(x), in nats.

        Args:
            images: as for `encode`.
            samples: k, the number of draws from q(z|x) per image.
            seed: unsigned 64-bit seed of the draws.
            first: index of the first image in the stream of draws.
            label, labels: the class of all images, or of each; as for `generate`. The scores are then those given the
                class, log p(x | label).

        Returns:
            `Scores`, float64 (N,) each. ``elbo`` is averaged over the draws.

        Raises:
            InputError: wrong dtype, shape or size, an unreadable file, no images, a number out of range, an unknown
                likelihood, a wrong class, or draws that exceed memory.
            BundleError: the graphs' outputs are so extreme that a score is not finite.
        """
        samples, first = check_int("samples", samples, 1), check_int("first", first, 0)
        images = image_batch(images, self.image_shape)
        check_rng(self.manifest.model)
        check_range(seed, first * samples, len(images) * samples, self.latent_dim)
        model = self.manifest.model
        check_likelihood(model.likelihood)
        self._check_memory(samples, model.decoder_outputs)  # one call decodes all draws of an image
        decode = partial(self._decode_draws, outputs=model.decoder_outputs)
        chosen = self._labels(len(images), label, labels)
        posterior = self._encode(images, chosen)
        density = self._engines.by_role.get("prior_density")
        with np.errstate(all="ignore"):  # the check below raises for extreme outputs
            scores = score_images(
                images,
                posterior,
                decode,
                likelihood=model.likelihood,
                preprocessing=model.preprocessing,
                samples=samples,
                seed=seed,
                first=first,
                log_prior=None if density is None else partial(_run_on, density, "log_prob"),
                labels=chosen,
            )
        self._check_finite("scores", scores.elbo, scores.iw_bound)
        return scores

    def detect(self, images: ImageInput) -> Detection:
        """Decide which images are strange, with the detector of a bundle that cvae-calibrate wrote.

        All images have the same draws, so no result depends on the other images of a call.

        Args:
            images: as for `encode`.

        Returns:
            `Detection`: score, p-value and alarm of each image, and a map of how strange each pixel is.

        Raises:
            InputError: the bundle has no detector; or wrong images, as for `encode`.
            BundleError: the graph's outputs are so extreme that a score is not finite.
        """
        detector = check_detector(self)
        engine = self._engines.by_role["detector"]
        images = image_batch(images, self.image_shape)
        check_memory(len(images), self.image_shape[:2])
        found = engine.run(len(images), lambda start, stop: images[start:stop], ("score", "p_value", "alarm", "map"))
        return Detection(**found, map_threshold=detector.map_threshold)

    def interpolate(
        self,
        a: NDArray[Any] | ImageFile,
        b: NDArray[Any] | ImageFile,
        *,
        steps: int = 8,
        method: Method = "linear",
        label: Label | None = None,
    ) -> Floats:
        """Decode evenly spaced latents between two ends.

        Args:
            a, b: each a latent, float32 (L,), or an image, which is encoded to its mean: uint8 (H, W, C) or (H, W), a
                PIL image, or the path of a file.
            steps: number of images, both ends included; at least 2.
            method: "linear", or "spherical" (Shoemake, "Animating rotation with quaternion curves", 1985), whose
                latents keep the length that is typical of the prior.
            label: the class of all images, as for `generate`. Images at the ends are encoded without a class.

        Returns:
            float32 (steps, H, W, C), in [0, 1].

        Raises:
            InputError: wrong dtype or shape, fewer than 2 steps, an unknown method, or more images than memory holds.
        """
        steps = check_int("steps", steps, 2)
        check_memory(steps, self.image_shape)
        start, end = self._as_latent(a, "a"), self._as_latent(b, "b")
        return self.decode(interpolate_latents(start, end, steps, method), label=label)

    def traverse(
        self,
        start: NDArray[Any] | ImageFile,
        dimensions: Sequence[int] | None = None,
        *,
        steps: int = 7,
        span: float = 3.0,
        label: Label | None = None,
    ) -> Floats:
        """Vary one latent dimension at a time and decode the latents.

        Args:
            start: a latent or an image, as for `interpolate`.
            dimensions: D distinct dimensions, 0 to L - 1. Default: the first 10 of `rank_dimensions`.
            steps: images per dimension, at least 2. If odd, the middle image is decoded from ``start`` itself.
            span: largest offset below and above the value in ``start``; the prior's standard deviation is 1.
            label: as for `interpolate`.

        Returns:
            float32 (D, steps, H, W, C), in [0, 1].

        Raises:
            InputError: wrong dtype or shape, a number out of range, or more images than memory holds.
        """
        steps, span = check_int("steps", steps, 2), check_span(span)
        latent = self._as_latent(start, "start")
        chosen = check_dimensions(
            self.rank_dimensions(start)[:TRAVERSED] if dimensions is None else dimensions, self.latent_dim
        )
        check_memory(len(chosen) * steps, self.image_shape)
        return self._decode_grid(traversal_latents(latent, chosen, steps, span), label)

    def manifold(
        self, dimensions: Sequence[int] | None = None, *, steps: int = 20, label: Label | None = None
    ) -> Floats:
        """Decode a grid over two latent dimensions, from the prior's 5% quantile to its 95% quantile.

        All other dimensions are 0. With a learned prior, the grid is one of noise, which the prior maps to latents.

        Args:
            dimensions: two distinct dimensions: the first grows down the rows, the second along the columns. Default:
                the first two of `rank_dimensions`, in ascending order.
            steps: images per side, at least 2.
            label: as for `interpolate`.

        Returns:
            float32 (steps, steps, H, W, C), in [0, 1].

        Raises:
            InputError: a number out of range, not exactly two dimensions, or more images than memory holds.
        """
        steps = check_int("steps", steps, 2)
        check_memory(steps * steps, self.image_shape)
        if dimensions is None:
            dimensions = sorted(self.rank_dimensions()[:2])
        chosen = check_dimensions(dimensions, self.latent_dim)
        if len(chosen) != 2:
            raise InputError(f"a manifold needs exactly 2 latent dimensions; found {len(chosen)}")
        noise = manifold_latents(self.latent_dim, chosen, steps)
        flat = noise.reshape(-1, self.latent_dim)
        latents = self._to_latents(flat, self._labels(len(flat), label))
        return self._decode_grid(latents.reshape(noise.shape), label)

    def rank_dimensions(self, start: NDArray[Any] | ImageFile | None = None) -> list[int]:
        """Rank the latent dimensions by posterior variance, ascending.

        An unused dimension has the prior as its posterior, and ranks last.

        Args:
            start: a latent, which is decoded to an image, or an image, as for `interpolate`. Default: the latent 0, the
                mean of the prior; with a learned prior, the latent of the noise 0.

        Returns:
            All L dimensions, by ascending logvar of the image's posterior.

        Raises:
            InputError: wrong dtype or shape.
        """
        zero = np.zeros((1, self.latent_dim), np.float32)
        one: Any = self._to_latents(zero, self._labels(1))[0] if start is None else self._one(start, "start")
        latent = self._as_latent(one, "start")
        image: NDArray[np.uint8] = one if one.dtype == np.uint8 else to_uint8(self.decode(latent[np.newaxis]))[0]
        ranked: list[int] = self.encode(image[np.newaxis]).logvar[0].argsort(kind="stable").tolist()
        return ranked

    def _one(self, value: Any, name: str) -> Any:
        """Read a file or convert a PIL image to uint8 (H, W, C); return another value unchanged."""
        if not is_image_file(value):
            return value
        images = image_batch(value, self.image_shape)
        if len(images) != 1:
            raise InputError(f"{name} must be one image; found {len(images):,}")
        return images[0]

    def _as_latent(self, value: Any, name: str) -> Floats:
        value = self._one(value, name)
        shapes = {(self.latent_dim,), self.image_shape} | (
            {self.image_shape[:2]} if self.image_shape[2] == 1 else set()
        )
        if not isinstance(value, np.ndarray) or value.shape not in shapes:
            found = f"shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise InputError(
                f"{name} must be a latent, float32 ({self.latent_dim},), or an image, uint8 {self.image_shape}; "
                f"found {found}"
            )
        one = value[np.newaxis]
        vectors = self.encode(one).mean if value.dtype == np.uint8 else check_latents(one, self.latent_dim)
        vector: Floats = vectors[0]
        return vector

    def _decode_grid(self, latents: Floats, label: Label | None) -> Floats:
        """Decode float32 (rows, columns, L) to float32 (rows, columns, H, W, C)."""
        images = self.decode(latents.reshape(-1, self.latent_dim), label=label)
        return images.reshape(*latents.shape[:2], *self.image_shape)

    def _draw(
        self,
        first: int,
        end: int,
        *,
        seed: int,
        temperature: float,
        dtype: Dtype,
        labels: Indices | None,
        aligned: bool = False,
    ) -> NDArray[Any]:
        scale = np.float32(temperature)

        def noise(start: int, stop: int) -> NDArray[np.float32]:
            return prior_latents(seed, first + start, stop - start, self.latent_dim) * scale

        return self._decode(
            noise, end - first, dtype=dtype, aligned=aligned, labels=labels, before=self._engines.prior
        )["probs"]

    def _labels(
        self, count: int, label: Label | None = None, labels: Sequence[Label | None] | None = None
    ) -> Indices | None:
        return label_array(self.manifest.model, count, label, labels)

    def _encode(self, images: NDArray[np.uint8], labels: Indices | None) -> Posterior:
        if self._encoder is None:
            raise BundleError(
                f"{self._path}: expected encoder.onnx, to encode images, found no such file; get the whole bundle"
            )
        encoded = self._encoder.run(
            len(images), lambda start, stop: images[start:stop], ("mean", "logvar"), labels=labels
        )
        return Posterior(**encoded)

    def _to_latents(self, noise: Floats, labels: Indices | None) -> Floats:
        """Map draws of N(0, I), float32 (N, L), to draws of the prior."""
        return noise if self._engines.prior is None else _run_on(self._engines.prior, "z", noise, labels)

    def _decode_array(
        self, z: Floats, outputs: Sequence[str] = ("probs",), labels: Indices | None = None
    ) -> dict[str, Floats]:
        return self._decode(lambda start, stop: z[start:stop], len(z), outputs, labels=labels)

    def _decode_draws(
        self, z: Floats, labels: Indices | None = None, outputs: Sequence[str] = ("probs",)
    ) -> dict[str, Floats]:
        self._check_finite("draws of q(z|x)", z)
        return self._decode_array(z, outputs, labels)

    def _check_finite(self, what: str, *numbers: NDArray[Any]) -> None:
        if not all(np.isfinite(array).all() for array in numbers):
            raise BundleError(
                f"{self._path}: expected finite {what}, found NaN or infinity; "
                f"the outputs of its graphs are too extreme; export the bundle again"
            )

    def _decode(
        self,
        latents: Callable[[int, int], Floats],
        count: int,
        outputs: Sequence[str] = ("probs",),
        *,
        dtype: Dtype = "float32",
        aligned: bool = False,
        labels: Indices | None = None,
        before: Engine | None = None,
    ) -> dict[str, NDArray[Any]]:
        self._check_memory(count, outputs)
        return self._decoder.run(count, latents, outputs, dtype=dtype, aligned=aligned, labels=labels, before=before)

    def _check_memory(self, count: int, outputs: Sequence[str]) -> None:
        """Raise `InputError` if the decoder's outputs for ``count`` images exceed the machine's physical memory."""
        check_memory(count, (sum(math.prod(self._decoder.shapes[name]) for name in outputs),))
