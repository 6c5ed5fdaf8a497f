"""Evaluate a trained model: its ELBO and the terms, the likelihood of images, and the use of its latent dimensions."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cvae_runtime import InputError, Posterior, posterior_noise
from cvae_runtime.bundle import Preprocessing
from cvae_runtime.elbo import EVALUATION_SEED, gaussian_kl_per_dimension, reparameterize, score_images
from cvae_runtime.images import evenly_spaced

from .._config import BINARIZE_AT, Binarize
from .._data import Labels, few, is_binary
from .._model import CVAE, preprocess
from .._run import COLLAPSE_REMEDY
from .baselines import Baselines, fit_baselines
from .classes import (
    CLASSIFY_DRAWS,
    ClassFigures,
    Classification,
    class_table,
    classified_images,
    classify,
    figures_by_class,
)
from .likeness import mean_likeness
from .probe import PROBE_IMAGES, probe_accuracy

ACTIVE_VARIANCE = 0.01  # an active dimension's mean varies by more (Burda, Grosse and Salakhutdinov, 2016)

COLLAPSE_IMAGES = 10  # minimum for a warning: the means of fewer images may agree by chance
COLLAPSED_KL = 0.05  # nats; an unused dimension has a lower KL

# Draws for the importance-weighted bound. With 256 levels, a draw takes longer, and more draws raise the bound less.
DRAWS, DRAWS_OF_LEVELS = 500, 50

_BATCH = 500  # images to encode at a time, to limit the memory
_SCORED_AT_A_TIME = 10  # images between two updates of the progress

_PIXELS: Mapping[Binarize, str] = {
    "static": "pixels binarized at 0.5",
    "dynamic": "pixels drawn by their grey levels",
    "fixed": "pixels binarized beforehand",
    "none": "grey pixels: cross-entropy bounds, not ELBOs",
}

Floats = NDArray[np.float64]
OnImages = Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Figures of a model on a test set, in nats per image unless stated otherwise.

    Attributes:
        images: number of test images.
        binarize: see `TrainConfig.binarize`. With "none" and the bernoulli likelihood, the figures are bounds of a
            cross-entropy. Do not compare them with ELBOs.
        elbo, elbo_stderr: mean over the images, and the standard error of this mean; None for a single image.
        reconstruction, kl: the two terms of the ELBO, which is their difference.
        iw_bound, iw_bound_stderr: mean importance-weighted bound on log p(x) over ``samples`` draws per image, and its
            standard error. `cvae_runtime.Scores.iw_bound` of the exported model has the same values.
        samples: draws per image for ``iw_bound``.
        kl_per_dimension: KL of each latent dimension from N(0, 1); the sum is ``kl``. With a learned prior, from the
            dimension's aggregate posterior, taken as a Gaussian; the sum is not ``kl`` then.
        active_units: number of dimensions whose posterior mean has a variance above 0.01 over the images; None for a
            single image.
        aggregate_gap: KL of the aggregate posterior (the average of q(z|x) over the images) from the prior, computed
            as if it were a Gaussian. This is a lower bound of its KL. It measures how much the latents of samples
            differ from those that the decoder was trained on. With a learned prior, it is computed in the space of
            noise.
        psnr, ssim: see `mean_likeness`: of the expected images at the means, against the images as the likelihood sees
            them.
        bits_per_dimension: the negative ELBO in bits per pixel and channel; None for the bernoulli likelihood.
        baselines: the log-likelihoods of simple models of the same images; None without training images, and for grey
            pixels under the bernoulli likelihood.
        probe_accuracy: share of the test images whose class a linear classifier of the posterior means finds. It is
            fitted to at most 10,000 training images, evenly spaced. None without training images or labels, and with
            fewer than two classes.
        classes: number of classes of ``probe_accuracy``; None without it.
        given_classes: number of classes of a model with labels. Its figures are those given the class of each image,
            log p(x | label). None for models without labels.
        per_class: the figures of each class that test images have; empty without labels.
        classification: how often a model with labels finds the class of an image; None for models without labels.

    Examples:
        >>> result, data = cvae_train.load_run("runs/0001"), cvae_train.load_data("images.npz")
        >>> evaluation = cvae_train.evaluate(result.model, data.test, result.config.binarize, samples=10)
        >>> len(evaluation.kl_per_dimension), evaluation.binarize
        (3, 'static')
    """

    images: int
    binarize: Binarize
    elbo: float
    elbo_stderr: float | None
    reconstruction: float
    kl: float
    iw_bound: float
    iw_bound_stderr: float | None
    samples: int
    kl_per_dimension: Sequence[float]
    active_units: int | None
    aggregate_gap: float
    psnr: float
    ssim: float | None
    bits_per_dimension: float | None = None
    baselines: Baselines | None = None
    probe_accuracy: float | None = None
    classes: int | None = None
    given_classes: int | None = None
    per_class: Sequence[ClassFigures] = ()
    classification: Classification | None = None

    @property
    def warnings(self) -> list[str]:
        """Warnings about the model, such as posterior collapse.

        The posterior has collapsed if most dimensions have the same mean for all images and a KL near 0. With fewer
        than 10 images there is no warning, since their means may agree by chance.
        """
        latent_dim = len(self.kl_per_dimension)
        if self.active_units is None or self.images < COLLAPSE_IMAGES:
            return []
        # Identical images also have equal means, but then the KL is not near 0.
        at_prior = sum(kl < COLLAPSED_KL for kl in self.kl_per_dimension)
        collapsed = min(latent_dim - self.active_units, at_prior)
        if 2 * collapsed <= latent_dim:
            return []
        return [f"posterior collapse: {collapsed} of {latent_dim} latent dimensions are unused; {COLLAPSE_REMEDY}"]

    def to_json(self) -> dict[str, Any]:
        """Convert the figures and warnings to plain JSON values."""
        return {**dataclasses.asdict(self), "warnings": self.warnings}

    def comparison(self) -> list[str]:
        """Compare the ELBO with the baselines; return the lines of a text table, none without baselines."""
        if self.baselines is None:
            return []
        in_bits = self.bits_per_dimension is not None
        elbo = self.elbo_without_label
        of_model = {"this model (ELBO)": elbo}
        if self.given_classes is not None:
            of_model = {"this model (ELBO given the label)": self.elbo, "  without the label, at least": elbo}
        rows = {
            **of_model,
            "per-pixel histogram": self.baselines.histogram,
            f"PCA, {self.baselines.pca_dimensions} dimensions": self.baselines.pca,
        }
        head = f"{'is it good?':36}{'nats per image':>15}{'bits per dimension' * in_bits:>20}"
        lines = [
            f"{f'  {name}':36}{nats:15.2f}{f'{self._bits(nats):.3f}' if in_bits else '':>20}"
            for name, nats in rows.items()
        ]
        over_histogram, over_pca = (
            "better" if elbo > nats else "worse" for nats in (self.baselines.histogram, self.baselines.pca)
        )
        verdict = f"{over_histogram} than the histogram, {over_pca} than PCA"
        return [*(line.rstrip() for line in (head, *lines)), f"  {verdict}"]

    @property
    def elbo_without_label(self) -> float:
        """Mean bound on log p(x) in nats, which can be compared with the ELBO of models without labels.

        With C classes that are equally probable, log p(x) is at least log p(x | label) - log C.
        """
        return self.elbo - math.log(self.given_classes or 1)

    @property
    def given(self) -> str:
        """Words after the name of a figure: " given the label" for a model with labels, otherwise empty."""
        return "" if self.given_classes is None else " given the label"

    def _bits(self, nats: float) -> float:
        """Convert a log-likelihood from nats per image to bits per dimension, with the factor of the ELBO."""
        assert self.bits_per_dimension is not None
        return self.bits_per_dimension * nats / self.elbo

    def table(self) -> str:
        """Format the figures as a text table."""
        bits, bound_bits = [], []
        if self.bits_per_dimension is not None:
            data = "8-bit pixels"
            bits = [f"{'  bits per dimension':36}{self.bits_per_dimension:13.3f}"]
            bound_bits = [f"{'  bits per dimension':36}{self._bits(self.iw_bound):13.3f}"]
        else:
            data = _PIXELS[self.binarize]
        given = self.given
        bound = f"IW bound{given}, {self.samples} draws"
        unit = "nats per image, given the label" if given else "nats per image"
        lines = [
            f"{'1 test image' if self.images == 1 else f'{self.images:,} test images'}, {data}; {unit}",
            f"{f'ELBO{given}':36}{self.elbo:12.2f} +- {_or_dash(self.elbo_stderr, '.2f')}",
            *bits,
            f"{'  reconstruction':36}{self.reconstruction:12.2f}",
            f"{'  KL':36}{self.kl:12.2f}",
            f"{bound:36}{self.iw_bound:12.2f} +- {_or_dash(self.iw_bound_stderr, '.2f')}",
            *bound_bits,
            f"{'active units':36}{_or_dash(self.active_units, 'd'):>9} of {len(self.kl_per_dimension)}",
            f"{'aggregate posterior from the prior':36}{self.aggregate_gap:12.2f}",
            f"{'PSNR (dB) and SSIM':36}{self.psnr:12.2f}    {_or_dash(self.ssim, '.3f')}",
        ]
        if self.probe_accuracy is not None:
            lines.append(f"{f'linear probe ({self.classes:,} classes)':36}{self.probe_accuracy:12.1%}")
        if self.classification is not None:
            found = self.classification
            images = "1 image" if found.images == 1 else f"{found.images:,} images"
            lines.append(f"{f'classify ({images}, {found.draws} draws)':36}{found.accuracy:12.1%}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def class_table(self) -> list[str]:
        """Format the figures of each class as the lines of a text table; none without labels."""
        return class_table(self.per_class, given=self.given_classes is not None)


def evaluate(
    model: CVAE,
    images: NDArray[np.uint8],
    binarize: Binarize,
    *,
    samples: int | None = None,
    train: NDArray[np.uint8] | None = None,
    labels: Labels | None = None,
    on_images: OnImages = lambda _done: None,
) -> Evaluation:
    """Evaluate a model.

    Args:
        model: the trained network.
        images: the test set, uint8 (N, H, W, C). With dynamic binarization, what `draw_binary` returns for it.
        binarize: see `TrainConfig.binarize`.
        samples: draws per image for the importance-weighted bound. The time is proportional to it. The draws use the
            noise of `Model.score` with seed 0. Default: 500, or 50 if pixels have 256 levels.
        train: training images, uint8 (N, H, W, C), to fit the baselines and the linear probe to; None: neither.
        labels: classes of the training and test images, for the linear probe and the figures of each class; None:
            neither. A model with labels needs them: its figures are those given the class of each image, but the
            probe's means are without it.
        on_images: called repeatedly with the number of images scored so far.

    Raises:
        InputError: fewer than 1 sample, no images, an unknown binarization, grey images with "dynamic" or "fixed", or
            another number of labels than of images, or other classes than the model's.

    Examples:
        >>> result, data = cvae_train.load_run("runs/0001"), cvae_train.load_data("images.npz")
        >>> evaluation = cvae_train.evaluate(result.model, data.test, result.config.binarize, samples=10)
        >>> evaluation.images, bool(np.isclose(evaluation.elbo, result.kept.elbo))
        (13, True)
    """
    if len(images) == 0:
        raise InputError("expected at least one test image, found none")
    if samples is None:
        samples = DRAWS if model.config.likelihood == "bernoulli" else DRAWS_OF_LEVELS
    if samples < 1:
        raise InputError(f"samples must be at least 1; found {samples}")
    if binarize not in get_args(Binarize):
        raise InputError(f"binarize must be one of {get_args(Binarize)}; found {binarize!r}")
    if binarize in ("dynamic", "fixed") and not is_binary(images):
        raise InputError(
            f"expected black and white test images for binarize {binarize}, found grey levels; draw them with "
            f"cvae_train.draw_binary(images)"
        )
    if labels is not None:
        _check_labels(labels, images, train)
    classes = None
    if names := model.config.labels:
        if labels is None or labels.names != names:
            found = "none" if labels is None else few(labels.names)
            raise InputError(
                f"labels: expected the model's {len(names):,} classes, {few(names)}, found {found}; pass the labels of "
                f"the images that it was trained on"
            )
        classes = labels.test
    binarize_at = None if binarize == "none" else BINARIZE_AT
    encode = _encoder(model, binarize_at)
    posterior = encode(images, classes)
    mean, logvar = posterior
    decode = _decoder(model)
    score = partial(
        score_images,
        decode=decode,
        likelihood=model.config.likelihood,
        preprocessing=Preprocessing(scale=255, binarize_at=binarize_at),
        seed=EVALUATION_SEED,
        log_prior=None if model.prior is None else _on_latents(model, model.log_prior),
    )
    scores = score(images, posterior, labels=classes)
    bounds = np.empty(len(images))
    for start in range(0, len(images), _SCORED_AT_A_TIME):
        part = slice(start, min(start + _SCORED_AT_A_TIME, len(images)))
        of_part = None if classes is None else classes[part]
        draws = score(images[part], Posterior(mean[part], logvar[part]), samples=samples, first=start, labels=of_part)
        bounds[part] = draws.iw_bound
        on_images(part.stop)
    m, v = mean.astype(np.float64), logvar.astype(np.float64)
    kl_per_dimension = gaussian_kl_per_dimension(mean, logvar).mean(axis=0)
    gap = aggregate_gap(m, v)
    if model.prior is not None:
        kl_per_dimension = kl_from_aggregate(m, v).mean(axis=0)
        # The draws of the ELBO, mapped to noise: if the prior fits, they are draws of N(0, I).
        z = reparameterize(mean, logvar, posterior_noise(EVALUATION_SEED, 0, *mean.shape))
        given = [] if classes is None else [classes]
        noise = _on_latents(model, model.noise_of)(z, *given).astype(np.float64)
        gap = aggregate_gap(noise, np.full_like(noise, -np.inf))
    elbo = float(scores.elbo.mean())
    seen = images if binarize_at is None else (images >= binarize_at) * np.uint8(255)
    batches = [slice(start, start + _BATCH) for start in range(0, len(images), _BATCH)]
    psnr, ssim = mean_likeness(
        (seen[batch], decode(mean[batch], *([] if classes is None else [classes[batch]]))["probs"]) for batch in batches
    )
    baselines = None
    # The cross-entropy of grey values is no log-likelihood, so it cannot be compared with those of the baselines.
    if train is not None and (model.config.likelihood != "bernoulli" or binarize_at is not None):
        baselines = fit_baselines(train, images, model.config.latent_dim, binarize_at)
    probe = None
    if train is not None and labels is not None and len(labels.names) > 1:
        rows = evenly_spaced(len(train), PROBE_IMAGES)
        of_train = encode(train, rows=rows).mean.astype(np.float64)
        of_test = m if classes is None else encode(images).mean.astype(np.float64)
        probe = probe_accuracy(of_train, labels.train[rows], of_test, labels.test, len(labels.names))
    classification = None
    if classes is not None:
        rows = evenly_spaced(len(images), classified_images(len(images), len(names)))
        chosen = images[rows]

        def bound(index: int) -> Floats:
            given = np.full(len(chosen), index, np.int64)
            return score(chosen, encode(chosen, given), samples=CLASSIFY_DRAWS, labels=given).iw_bound

        classification = classify(bound, classes[rows], len(names))
    return Evaluation(
        images=len(images),
        binarize=binarize,
        elbo=elbo,
        elbo_stderr=_stderr(scores.elbo),
        reconstruction=float(scores.reconstruction.mean()),
        kl=float(scores.kl.mean()),
        iw_bound=float(bounds.mean()),
        iw_bound_stderr=_stderr(bounds),
        samples=samples,
        kl_per_dimension=kl_per_dimension.tolist(),
        active_units=int((m.var(axis=0) > ACTIVE_VARIANCE).sum()) if len(images) > 1 else None,
        aggregate_gap=gap,
        psnr=psnr,
        ssim=ssim,
        bits_per_dimension=model.config.bits_per_dimension(elbo),
        baselines=baselines,
        probe_accuracy=probe,
        classes=None if probe is None or labels is None else len(labels.names),
        given_classes=len(names) or None,
        per_class=[] if labels is None else figures_by_class(scores, labels.names, labels.test),
        classification=classification,
    )


def _check_labels(labels: Labels, images: NDArray[np.uint8], train: NDArray[np.uint8] | None) -> None:
    for part, given, of_part in (("test", images, labels.test), ("training", train, labels.train)):
        if given is not None and len(given) != len(of_part):
            raise InputError(
                f"labels: expected {len(given):,} labels of {part} images, one for each, found {len(of_part):,}; pass "
                f"the labels of the same images"
            )


def aggregate_gap(mean: Floats, logvar: Floats) -> float:
    """Compute KL(N(m, S) || N(0, I)) with the mean m and covariance S of the aggregate posterior.

    The aggregate posterior is the average of q(z|x) over the images. Among all distributions with its mean and
    covariance, the Gaussian has the lowest KL from the prior. So the result is a lower bound of its KL.

    Args:
        mean, logvar: of q(z|x), float64 (N, L).

    Returns:
        The KL, in nats.
    """
    center = mean.mean(axis=0)
    covariance = np.atleast_2d(np.cov(mean, rowvar=False, bias=True)) + np.diag(np.exp(logvar).mean(axis=0))
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(0.5 * (np.trace(covariance) + center @ center - len(center) - log_determinant))


def kl_from_aggregate(mean: Floats, logvar: Floats) -> Floats:
    """Compute KL(q(z_d|x) || N(m_d, s_d)) with mean and variance of dimension d of the aggregate posterior: (N, L)."""
    center, variance = mean.mean(axis=0), mean.var(axis=0) + np.exp(logvar).mean(axis=0)
    return 0.5 * (np.log(variance) - logvar + (np.exp(logvar) + (mean - center) ** 2) / variance - 1.0)


def _stderr(values: Floats) -> float | None:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None


def _or_dash(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)


def _encoder(model: CVAE, binarize_at: int | None) -> Callable[..., Posterior]:
    """Make a function that encodes images, or those in ``rows``, given their classes if there are any."""
    run = tf.function(lambda batch, label=None: model.encode(preprocess(batch, binarize_at), label), autograph=False)

    def encode(
        images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None, *, rows: NDArray[np.int64] | None = None
    ) -> Posterior:
        rows = np.arange(len(images)) if rows is None else rows
        parts = []
        for start in range(0, len(rows), _BATCH):
            chosen = rows[start : start + _BATCH]
            given = [] if labels is None else [tf.constant(labels[chosen])]
            parts.append(run(tf.constant(images[chosen]), *given))
        return Posterior(*(np.concatenate([part[index] for part in parts]) for index in (0, 1)))

    return encode


def _decoder(model: CVAE) -> Callable[..., dict[str, NDArray[np.float32]]]:
    run = _compiled(model, model.pixel_parameters)
    return lambda *latents: {name: array.numpy() for name, array in run(*map(tf.constant, latents)).items()}


def _on_latents(model: CVAE, function: Callable[..., tf.Tensor]) -> Callable[..., Any]:
    run = _compiled(model, function)
    return lambda *latents: run(*map(tf.constant, latents)).numpy()


def _compiled(model: CVAE, of_latents: Callable[..., Any]) -> Any:
    """Compile a function of latents (B, L), and of classes (B,) if the model has labels."""
    classes = [tf.TensorSpec([None], tf.int64)] if model.config.labels else []
    latents = tf.TensorSpec([None, model.config.latent_dim], tf.float32)
    return tf.function(of_latents, autograph=False, input_signature=[latents, *classes])
