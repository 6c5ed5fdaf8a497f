"""What to try next, by rules on the figures of a run."""

import dataclasses

import pytest

from cvae_train import EpochRecord, Evaluation, ModelConfig, TrainConfig
from cvae_train._evaluate import Baselines, next_steps

CONFIG = TrainConfig(epochs=20)
GOOD = Evaluation(
    images=100,
    binarize="static",
    elbo=-80.0,
    elbo_stderr=0.25,
    reconstruction=-60.0,
    kl=20.0,
    iw_bound=-78.0,
    iw_bound_stderr=0.2,
    samples=500,
    kl_per_dimension=[10.0, 10.0, 0.001],
    active_units=2,
    aggregate_gap=0.5,
    psnr=20.0,
    ssim=0.9,
    baselines=Baselines(-200.0, -250.0, 3),
)
LEVELLED = [-200.0, -120.0, -90.0, -81.0, *[-80.0] * 16]


def history(elbos, validation=None):
    records = [EpochRecord(epoch, elbo, elbo + 20, 20.0, elbo, 1.0, 100.0) for epoch, elbo in enumerate(elbos, 1)]
    if validation is None:
        return records
    return [dataclasses.replace(record, validation_elbo=elbo) for record, elbo in zip(records, validation, strict=True)]


def advice(elbos=LEVELLED, config=CONFIG, validation=None, minutes=None, **changes):
    return next_steps(dataclasses.replace(GOOD, **changes), config, history(elbos, validation), minutes)


def test_a_good_run_gets_none():
    assert advice() == []
    assert advice(baselines=None) == []


@pytest.mark.parametrize("validation", [None, [*[-95.0] * 9, -90.0, *[-99.0] * 10]])
def test_overfitting(validation):
    elbos = [*[-99.0] * 9, -90.0, *[-99.0] * 10] if validation is None else LEVELLED
    assert advice(elbos, validation=validation) == [
        (
            "overfitting: the ELBO was highest after epoch 10 and fell by 9.00 nats since; pass --validation-fraction 0.1 "
            "--patience 5 to keep the best epoch"
        )
    ]


def test_overfitting_with_the_best_epoch_kept():
    config = TrainConfig(epochs=20, validation_fraction=0.1, patience=5)
    assert advice(config=config, validation=[-90.0, *[-99.0] * 19]) == [
        (
            "overfitting: the ELBO was highest after epoch 1 and fell by 9.00 nats since; the run kept it; more images or "
            "fewer --filters help"
        )
    ]


def test_a_fall_within_the_standard_error_is_no_overfitting():
    assert advice([*[-90.0] * 10, -78.5, *[-80.0] * 9], elbo_stderr=2.0) == []


@pytest.mark.parametrize(
    ("histogram", "pca", "simple"),
    [
        (-70.0, -90.0, "the per-pixel histogram"),
        (-90.0, -70.0, "PCA"),
        (-94.0, -99.0, "the per-pixel histogram"),
    ],
)
def test_underfitting(histogram, pca, simple):
    config = TrainConfig(epochs=20, model=ModelConfig(filters=(16, 32)))
    assert advice(config=config, baselines=Baselines(histogram, pca, 3), kl_per_dimension=[9.0] * 3) == [
        (
            f"underfitting: the model is not much better than {simple}; pass --epochs 40, a higher --learning-rate or "
            f"--filters 32,64"
        )
    ]


def test_underfitting_of_colour_by_the_notebooks_network():
    model = ModelConfig(image_shape=(64, 64, 3), likelihood="discretized-logistic-mixture")
    config = TrainConfig(epochs=20, model=model, binarize="none")
    assert advice(config=config, baselines=Baselines(-70.0, -90.0, 3), minutes=3.0) == [
        (
            "underfitting: the model is not much better than the per-pixel histogram; pass --minutes 6, a higher "
            "--learning-rate or --architecture residual"
        )
    ]


@pytest.mark.parametrize(("minutes", "longer"), [(None, "--epochs 40"), (2.5, "--minutes 5")])
def test_a_curve_that_still_rises(minutes, longer):
    assert advice([-100.0 + epoch for epoch in range(20)], minutes=minutes) == [
        f"the ELBO still rises, by 2.00 nats in the last tenth; pass {longer}"
    ]
    assert advice([-100.0, -90.0, -80.0]) == []  # too few epochs to judge


def test_all_dimensions_in_use():
    assert advice(kl_per_dimension=[10.0, 9.0, 0.6]) == ["all 3 latent dimensions are in use; pass --latent-dim 6"]


@pytest.mark.parametrize("kl", [[10.0, 10.0, 0.001], [9.0, 9.0, 2.0]])
def test_samples_unlike_reconstructions(kl):
    found = "samples may look worse than reconstructions: the latents of images are 2.5 nats from the prior"
    assert advice(aggregate_gap=2.5, kl_per_dimension=kl) == [
        f"{found}; pass --prior learned, or --epochs 40 or --latent-dim 1"
    ]
    assert advice(aggregate_gap=2.5, kl_per_dimension=[20.0]) == [f"{found}; pass --epochs 40"]


def test_grey_levels_under_bernoulli():
    assert advice(binarize="none", baselines=None) == [
        (
            "grey levels have no likelihood under bernoulli: pass --likelihood discretized-logistic-mixture, whose figures "
            "can be compared"
        )
    ]
