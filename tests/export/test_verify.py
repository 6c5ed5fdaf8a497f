import numpy as np
import pytest

from cvae_export import ParityError
from cvae_export._export import _run_tensorflow
from cvae_export._functions import decoder_function, encoder_function
from cvae_export._verify import grey_pictures, verify
from cvae_runtime import bernoulli_log_likelihood, gaussian_kl, posterior_noise, reparameterize, targets_of


@pytest.fixture(scope="module")
def reference(trained):
    functions = {"encoder": encoder_function(trained.model, 128), "decoder": decoder_function(trained.model)}
    return {role: _run_tensorflow(function) for role, function in functions.items()}


def changed(run, **changes):
    """A run whose named outputs go through functions."""

    def other(inputs):
        outputs = dict(run(inputs))
        return outputs | {name: change(outputs[name]) for name, change in changes.items()}

    return other


def test_grey_pictures_hold_all_grey_values():
    for shape in ((28, 28, 1), (8, 8, 1), (4, 4, 3)):
        pictures = grey_pictures(shape)
        assert pictures.shape[1:] == shape
        assert set(np.unique(pictures)) == set(range(256))
    assert len(set(np.unique(grey_pictures((28, 28, 1))[0]))) == 256


def test_the_model_equals_itself(reference, tiny_data):
    verification = verify(reference, reference, tiny_data.test, 128)
    verification.check()
    assert [(c.role, c.output) for c in verification.comparisons] == [
        ("encoder", "mean"),
        ("encoder", "logvar"),
        ("decoder", "probs"),
    ]
    for comparison in verification.comparisons:
        assert comparison.difference < 2e-6  # batch sizes sum in other orders
        assert abs(comparison.elbo_change) < 1e-5


def test_the_elbo_is_the_definition_over_the_test_set(reference, tiny_data):
    codes = reference["encoder"]({"images": tiny_data.test})
    z = reparameterize(codes["mean"], codes["logvar"], posterior_noise(0, 0, 13, 3))
    probs = reference["decoder"]({"z": z})["probs"]
    elbos = bernoulli_log_likelihood(targets_of(tiny_data.test, 128), probs) - gaussian_kl(
        codes["mean"], codes["logvar"]
    )
    elbo = verify(reference, reference, tiny_data.test, 128).elbo
    assert elbo.mean == pytest.approx(elbos.mean(), abs=1e-5)
    assert elbo.stderr == pytest.approx(elbos.std(ddof=1) / np.sqrt(13), abs=1e-5)


@pytest.mark.parametrize("threshold", [1, 127, 129, None])
def test_a_wrong_threshold_fails_although_the_test_set_does_not_show_it(reference, trained, tiny_data, threshold):
    binary = np.where(tiny_data.test >= 128, 255, 0).astype(np.uint8)
    wrong = {**reference, "encoder": _run_tensorflow(encoder_function(trained.model, threshold))}
    np.testing.assert_array_equal(
        wrong["encoder"]({"images": binary})["mean"], reference["encoder"]({"images": binary})["mean"]
    )
    with pytest.raises(ParityError, match=r"encoder   mean .*FAILS"):
        verify(reference, wrong, binary, 128).check()


@pytest.mark.parametrize(
    ("role", "output", "change"),
    [
        ("decoder", "probs", lambda x: 2 * x),
        ("decoder", "probs", lambda x: x + np.float32(2e-5)),
        ("decoder", "probs", lambda x: np.where(x == x.max(), np.nan, x)),
        ("encoder", "mean", lambda x: x * np.float32(1.001)),
        ("encoder", "logvar", lambda x: x + np.float32(1e-3)),
    ],
)
def test_any_difference_fails_with_exit_code_3(reference, tiny_data, role, output, change):
    exported = {**reference, role: changed(reference[role], **{output: change})}
    with pytest.raises(ParityError, match=f"{role}   {output}.*FAILS") as caught:
        verify(reference, exported, tiny_data.test, 128).check()
    assert caught.value.exit_code == 3


def test_a_fault_at_one_batch_size_is_found(reference, tiny_data):
    run = reference["decoder"]

    def only_at_one(inputs):
        outputs = run(inputs)
        return {"probs": outputs["probs"] + np.float32(1e-3)} if len(inputs["z"]) == 1 else outputs

    with pytest.raises(ParityError):
        verify(reference, {**reference, "decoder": only_at_one}, tiny_data.test, 128).check()


def test_the_elbo_change_has_the_sign_of_a_change_for_the_worse(reference, tiny_data):
    worse = {**reference, "decoder": changed(reference["decoder"], probs=lambda x: x * 0 + np.float32(0.5))}
    comparison = verify(reference, worse, tiny_data.test, 128).comparisons[-1]
    assert comparison.elbo_change < -1.0


def test_the_table_lists_every_output(reference, tiny_data):
    lines = verify(reference, reference, tiny_data.test, 128).table().splitlines()
    assert lines[0].split() == ["graph", "output", "largest", "difference", "tolerance", "ELBO", "change", "(nats)"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["encoder", "mean"],
        ["encoder", "logvar"],
        ["decoder", "probs"],
    ]
