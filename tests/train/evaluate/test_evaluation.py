import dataclasses
import json
import warnings

import numpy as np
import pytest

from cvae_runtime import InputError, posterior_noise
from cvae_runtime.elbo import bernoulli_log_likelihood, gaussian_kl, log_likelihood, reparameterize, targets_of
from cvae_runtime.images import evenly_spaced
from cvae_train import CVAE, Evaluation, Labels, draw_binary, evaluate, train
from cvae_train._evaluate import Baselines
from cvae_train._evaluate import evaluation as module
from cvae_train._evaluate.baselines import fit_baselines
from cvae_train._evaluate.evaluation import aggregate_gap
from cvae_train._evaluate.probe import probe_accuracy


@pytest.fixture(scope="module")
def result(tiny_config, tiny_data, tmp_path_factory):
    return train(tiny_data, tiny_config, tmp_path_factory.mktemp("runs") / "tiny", quiet=True)


@pytest.fixture(scope="module")
def evaluation(result, tiny_data):
    return evaluate(result.model, tiny_data.test, "static", samples=2000)


def test_the_elbo_is_the_runs_last_and_the_sum_of_its_parts(evaluation, result):
    assert evaluation.elbo == pytest.approx(result.history[-1].elbo, abs=1e-3)
    assert evaluation.elbo == pytest.approx(evaluation.reconstruction - evaluation.kl, abs=1e-9)
    assert evaluation.kl == pytest.approx(sum(evaluation.kl_per_dimension), rel=1e-9)
    assert len(evaluation.kl_per_dimension) == 3


def test_the_standard_error_is_that_of_the_mean(evaluation, result, tiny_data):
    x = targets_of(tiny_data.test, 128)
    mean, logvar = (tensor.numpy() for tensor in result.model.encode(x))
    z = reparameterize(mean, logvar, posterior_noise(0, 0, 13, 3))
    elbos = bernoulli_log_likelihood(x, result.model.sample(z).numpy()) - gaussian_kl(mean, logvar)
    assert evaluation.elbo_stderr == pytest.approx(elbos.std(ddof=1) / np.sqrt(13), rel=1e-5)


def test_the_bound_is_log_p_x_by_brute_force_over_the_prior(evaluation, result, tiny_data):
    # With three latent dimensions and a barely trained model, averaging p(x|z) over draws of the prior gives p(x).
    z = np.random.default_rng(0).standard_normal((20_000, 3)).astype(np.float32)
    probs = result.model.sample(z).numpy()
    log_p = [bernoulli_log_likelihood(np.broadcast_to(x, probs.shape), probs) for x in targets_of(tiny_data.test, 128)]
    expected = np.mean([np.logaddexp.reduce(values) - np.log(len(values)) for values in log_p])
    assert evaluation.iw_bound == pytest.approx(expected, abs=0.05)
    assert evaluation.iw_bound >= evaluation.elbo - 0.05


@pytest.mark.parametrize("samples", [1, 7, 40])
def test_the_bound_does_not_depend_on_how_the_images_are_divided(result, tiny_data, monkeypatch, samples):
    estimates = []
    for size in (5, 100):
        done = []
        monkeypatch.setattr(module, "_SCORED_AT_A_TIME", size)
        estimates.append(
            evaluate(result.model, tiny_data.test, "static", samples=samples, on_images=done.append).iw_bound
        )
        assert done[-1] == 13
    assert estimates[0] == pytest.approx(estimates[1], rel=1e-6)


def test_more_samples_give_a_tighter_bound(result, tiny_data):
    loose, tight = (evaluate(result.model, tiny_data.test, "static", samples=k).iw_bound for k in (1, 500))
    assert tight >= loose - 0.05


def test_no_samples_are_refused(result, tiny_data):
    with pytest.raises(InputError, match="samples must be at least 1; found 0"):
        evaluate(result.model, tiny_data.test, "static", samples=0)


def test_the_aggregate_gap_is_a_gaussians_kl():
    assert aggregate_gap(np.zeros((4, 2)), np.zeros((4, 2))) == pytest.approx(0.0, abs=1e-12)
    # Means with a variance of 3 around 1, and posteriors of variance 1: N(1, 4) against N(0, 1).
    mean = np.array([[1.0 - np.sqrt(3.0)], [1.0 + np.sqrt(3.0)]])
    assert aggregate_gap(mean, np.zeros((2, 1))) == pytest.approx(0.5 * (4.0 + 1.0 - 1.0 - np.log(4.0)))


def test_pixels_of_256_levels_have_bits_per_dimension(rgb_config, rgb_data, tmp_path):
    result = train(rgb_data, rgb_config, tmp_path / "rgb", quiet=True)
    evaluation = evaluate(result.model, rgb_data.test, "none", samples=50)
    assert evaluation.elbo == pytest.approx(result.history[-1].elbo, rel=1e-5)
    assert evaluation.bits_per_dimension == pytest.approx(-evaluation.elbo / (8 * 8 * 3 * np.log(2)))
    assert evaluation.to_json()["bits_per_dimension"] == evaluation.bits_per_dimension
    assert evaluation.iw_bound > evaluation.elbo
    lines = evaluation.table().splitlines()
    assert lines[0] == "13 test images, 8-bit pixels; nats per image"
    assert lines[2].split() == ["bits", "per", "dimension", f"{evaluation.bits_per_dimension:.3f}"]
    assert lines[6].split() == ["bits", "per", "dimension", f"{-evaluation.iw_bound / (8 * 8 * 3 * np.log(2)):.3f}"]


def test_the_bound_of_256_levels_by_brute_force(rgb_config, rgb_data):
    # An untrained posterior is close to the prior, so averages over either converge.
    model = CVAE(rgb_config.model, 3)
    z = np.random.default_rng(0).standard_normal((4000, 4)).astype(np.float32)
    parameters = {name: array.numpy() for name, array in model.pixel_parameters(z).items()}
    targets = [np.broadcast_to(x, (4000, 8, 8, 3)) for x in targets_of(rgb_data.test[:4], None)]
    log_p = [log_likelihood(x, parameters, rgb_config.model.likelihood) for x in targets]
    expected = np.mean([np.logaddexp.reduce(values) - np.log(4000) for values in log_p])
    assert evaluate(model, rgb_data.test[:4], "none", samples=4000).iw_bound == pytest.approx(expected, abs=0.3)


def test_baselines_are_fitted_to_the_training_images(result, tiny_data, rgb_config, rgb_data):
    binary = evaluate(result.model, tiny_data.test, "static", samples=1, train=tiny_data.train).baselines
    assert binary == fit_baselines(tiny_data.train, tiny_data.test, 3, 128)
    colour = evaluate(CVAE(rgb_config.model), rgb_data.test, "none", samples=1, train=rgb_data.train)
    assert colour.baselines == fit_baselines(rgb_data.train, rgb_data.test, 4, None)
    assert colour.to_json()["baselines"] == dataclasses.asdict(colour.baselines)


def test_grey_pixels_under_bernoulli_have_no_baselines(result, tiny_data):
    assert evaluate(result.model, tiny_data.test, "none", samples=1, train=tiny_data.train).baselines is None


def test_the_probe_is_of_the_posterior_means(result, tiny_data, monkeypatch):
    monkeypatch.setattr(module, "PROBE_IMAGES", 20)
    tops = [images.argmax(axis=1).max(axis=(1, 2)) > 1 for images in tiny_data.splits]
    labels = Labels.of(*(np.where(top, "low", "high").tolist() for top in tops))
    found = evaluate(result.model, tiny_data.test, "static", samples=1, train=tiny_data.train, labels=labels)
    rows = evenly_spaced(40, 20)
    train, test = (
        result.model.encode(targets_of(images, 128))[0].numpy().astype(np.float64)
        for images in (tiny_data.train[rows], tiny_data.test)
    )
    assert found.probe_accuracy == probe_accuracy(train, labels.train[rows], test, labels.test, 2)
    assert found.classes == 2
    without = evaluate(result.model, tiny_data.test, "static", samples=1, train=tiny_data.train)
    assert dataclasses.replace(found, probe_accuracy=None, classes=None, per_class=[]) == without


def test_no_probe_without_training_images_or_with_one_class(result, tiny_data):
    one = Labels.of(["a"] * 40, ["a"] * 13)
    for images, labels in ((tiny_data.train, one), (None, Labels.of(["a", "b"], ["a"] * 13))):
        found = evaluate(result.model, tiny_data.test, "static", samples=1, train=images, labels=labels)
        assert (found.probe_accuracy, found.classes) == (None, None)


@pytest.mark.parametrize(
    ("train", "test", "counts"),
    [(39, 13, "40 labels of training images, one for each, found 39"), (40, 5, "13 labels of test images, one for each, found 5")],
)  # fmt: skip
def test_labels_of_other_images_are_refused(result, tiny_data, train, test, counts):
    labels = Labels.of(["a"] * train, ["a"] * test)
    with pytest.raises(InputError) as caught:
        evaluate(result.model, tiny_data.test, "static", train=tiny_data.train, labels=labels)
    assert str(caught.value) == f"labels: expected {counts}; pass the labels of the same images"


def test_the_table_has_the_probe():
    lines = dataclasses.replace(make(2), probe_accuracy=0.9634, classes=10).table().splitlines()
    assert lines[-1] == "linear probe (10 classes)                  96.3%"
    assert not any("probe" in line for line in make(2).table().splitlines())


def test_the_comparison_in_nats():
    evaluation = dataclasses.replace(make(2), baselines=Baselines(-206.5, -70.25, 4))
    assert evaluation.comparison() == [
        "is it good?                          nats per image",
        "  this model (ELBO)                          -80.00",
        "  per-pixel histogram                       -206.50",
        "  PCA, 4 dimensions                          -70.25",
        "  better than the histogram, worse than PCA",
    ]
    assert make(2).comparison() == []


def test_the_comparison_in_bits_per_dimension():
    baselines = Baselines(-160.0, -120.0, 4)
    evaluation = dataclasses.replace(make(2, "none"), bits_per_dimension=3.0, baselines=baselines)
    assert evaluation.comparison() == [
        "is it good?                          nats per image  bits per dimension",
        "  this model (ELBO)                          -80.00               3.000",
        "  per-pixel histogram                       -160.00               6.000",
        "  PCA, 4 dimensions                         -120.00               4.500",
        "  better than the histogram, better than PCA",
    ]


def make(active, binarize="static", images=10, kl=(1.0, 0.0, 0.0, 0.0)):
    return Evaluation(images, binarize, -80.0, 0.25, -50.0, 30.0, -78.0, 0.2, 500, kl, active, 1.5, 20.0, 0.9)


def test_collapse_warning():
    assert make(2).warnings == []
    (warning,) = make(1).warnings
    assert warning == (
        "posterior collapse: 3 of 4 latent dimensions are unused; "
        "try --kl-warmup-epochs 10, or a smaller --latent-dim, or --prior normal --objective analytic-kl --free-bits 0.1"
    )
    assert make(1).to_json()["warnings"] == make(1).warnings
    assert make(1).to_json()["bits_per_dimension"] is None


@pytest.mark.parametrize(
    "unknown", [make(None, images=1), make(0, images=9), make(0, images=50, kl=(7.0, 7.0, 7.0, 7.0))]
)
def test_no_collapse_warning_for_few_images_or_a_high_kl(unknown):
    assert unknown.warnings == []
    assert "warning" not in unknown.table()


@pytest.mark.parametrize("count", [1, 2, 12])
@pytest.mark.parametrize("alike", [False, True])
def test_json_has_null_for_statistics_of_one_image(result, tiny_data, count, alike):
    images = np.repeat(tiny_data.test[:1], count, axis=0) if alike else tiny_data.test[:count]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation = evaluate(result.model, images, "static", samples=2)
    fields = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))
    null = {"bits_per_dimension", "baselines", "probe_accuracy", "classes", "given_classes", "classification"} | (
        {"elbo_stderr", "iw_bound_stderr", "active_units"} if count == 1 else set()
    )
    assert {name for name, value in fields.items() if value is None} == null
    assert fields["images"] == count
    table = evaluation.table()
    assert ("nan" in table, "None" in table, table.startswith("1 test image, ")) == (False, False, count == 1)
    if count == 1:
        rows = [line.split() for line in table.splitlines()]
        assert [rows[1][-2:], rows[4][-2:], rows[5]] == [["+-", "-"]] * 2 + [["active", "units", "-", "of", "3"]]
    elif alike:
        assert fields["active_units"] == 0
        assert fields["elbo_stderr"] == pytest.approx(0.0, abs=20.0)


@pytest.mark.parametrize("binarize", ["dynamic", "fixed"])
def test_grey_images_are_no_draws(result, tiny_data, binarize):
    with pytest.raises(InputError) as caught:
        evaluate(result.model, tiny_data.test, binarize)
    assert str(caught.value) == (
        f"expected black and white test images for binarize {binarize}, found grey levels; draw them with "
        f"cvae_train.draw_binary(images)"
    )
    drawn = draw_binary(tiny_data.test)
    found, static = (evaluate(result.model, drawn, name, samples=5) for name in (binarize, "static"))
    assert found == dataclasses.replace(static, binarize=binarize)
    assert found.to_json()["binarize"] == binarize


def test_no_images_are_refused(result, tiny_data):
    with pytest.raises(InputError, match="expected at least one test image, found none"):
        evaluate(result.model, tiny_data.test[:0], "static")


def test_the_table_says_which_data_set_its_numbers_belong_to():
    lines = make(1).table().splitlines()
    assert lines[0] == "10 test images, pixels binarized at 0.5; nats per image"
    assert [line.split() for line in lines[1:4]] == [
        ["ELBO", "-80.00", "+-", "0.25"],
        ["reconstruction", "-50.00"],
        ["KL", "30.00"],
    ]
    assert lines[4].split() == ["IW", "bound,", "500", "draws", "-78.00", "+-", "0.20"]
    assert lines[5].split() == ["active", "units", "1", "of", "4"]
    assert lines[-1].startswith("warning: posterior collapse")


@pytest.mark.parametrize(
    ("binarize", "pixels"),
    [
        ("static", "pixels binarized at 0.5"),
        ("dynamic", "pixels drawn by their grey levels"),
        ("fixed", "pixels binarized beforehand"),
        ("none", "grey pixels: cross-entropy bounds, not ELBOs"),
    ],
)
def test_the_table_names_the_binarization(binarize, pixels):
    assert make(4, binarize).table().splitlines()[0] == f"10 test images, {pixels}; nats per image"
