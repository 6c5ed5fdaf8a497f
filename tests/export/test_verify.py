import dataclasses

import numpy as np
import onnxruntime
import pytest

from cvae_export._functions import FUNCTIONS
from cvae_export._graph import Graph
from cvae_export._reference import Reference, run_tensorflow
from cvae_export._verify import BUDGETS, check, compare, runs_of, table
from cvae_runtime import PROVIDERS, BundleError, ParityError, packaged_bundle
from cvae_train import preprocess


def run_of(source, role):
    return run_tensorflow(FUNCTIONS[role](source))


def changed(run, **changes):
    """Return a run with functions applied to named outputs."""

    def other(inputs):
        outputs = dict(run(inputs))
        return outputs | {name: change(outputs[name]) for name, change in changes.items()}

    return other


def compared(reference, role, *runs, precision="float32"):
    graph = Graph(role, "portable", precision, b"x" * 1234, ())
    return compare(graph, runs, reference.expected(role), reference.elbos, BUDGETS[precision])


@pytest.mark.parametrize("role", ["encoder", "decoder"])
def test_the_model_equals_itself(reference, source, role):
    comparison = compared(reference, role, run_of(source, role))
    check([comparison])
    assert list(comparison.differences) == (["mean", "logvar"] if role == "encoder" else ["probs"])
    assert max(comparison.differences.values()) < 2e-6  # batch sizes differ in the order of sums
    assert abs(comparison.elbo_change) < 1e-5


@pytest.mark.parametrize("threshold", [1, 127, 129, None])
def test_wrong_threshold_fails_on_a_binary_test_set(source, tiny_data, threshold):
    binary = np.where(tiny_data.test >= 128, 255, 0).astype(np.uint8)
    source = dataclasses.replace(source, test_images=binary)
    wrong = dataclasses.replace(source, preprocess=lambda images: preprocess(images, threshold))
    right_mean, wrong_mean = (run_of(s, "encoder")({"images": binary})["mean"] for s in (source, wrong))
    np.testing.assert_array_equal(wrong_mean, right_mean)
    with pytest.raises(ParityError, match=r"encoder.onnx +mean .*FAILS"):
        check([compared(Reference(source), "encoder", run_of(wrong, "encoder"))])


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
def test_any_difference_fails_with_exit_code_3(reference, source, role, output, change):
    right = run_of(source, role)
    comparison = compared(reference, role, right, changed(right, **{output: change}), right)  # one level of three
    with pytest.raises(ParityError, match=f"{output} .*FAILS") as caught:
        check([comparison])
    assert caught.value.exit_code == 3


def test_a_fault_at_one_batch_size_is_found(reference, source):
    run = run_of(source, "decoder")

    def only_at_one(inputs):
        outputs = run(inputs)
        return {"probs": outputs["probs"] + np.float32(1e-3)} if len(inputs["z"]) == 1 else outputs

    with pytest.raises(ParityError):
        check([compared(reference, "decoder", only_at_one)])


def test_worse_decoder_has_negative_elbo_change(reference, source):
    right = run_of(source, "decoder")
    worse = changed(right, probs=lambda x: x * 0 + np.float32(0.5))
    assert compared(reference, "decoder", right, worse).elbo_change < -1.0


def test_rounding_to_8_bits_is_judged_by_the_elbo_alone(reference, source):
    right = run_of(source, "decoder")
    a_little = compared(reference, "decoder", changed(right, probs=lambda x: x * np.float32(0.999)), precision="int8")
    assert a_little.all_pass
    a_lot = compared(reference, "decoder", changed(right, probs=lambda x: x * np.float32(0.9)), precision="int8")
    assert not a_lot.all_pass


def test_the_table_lists_every_output(reference, source):
    comparisons = [compared(reference, role, run_of(source, role)) for role in ("encoder", "decoder")]
    comparisons[1] = dataclasses.replace(comparisons[1], speed_ratio=1.5)
    header, *lines = table(comparisons).splitlines()
    assert header.split() == ["graph", "output", "largest", "difference", "tolerance", "ELBO", "change", "(nats)", "speed", "kB"]  # fmt: skip
    first, second, third = (line.split() for line in lines)
    assert (first[:2], first[-2:]) == (["encoder.onnx", "mean"], ["-", "1"])
    assert (second[:2], second[-2:]) == (["encoder.onnx", "logvar"], ["-", "1"])
    assert (third[:2], third[-2:]) == (["decoder.onnx", "probs"], ["1.50x", "1"])


@pytest.mark.parametrize("fails", ["raises", "falls-back"])
def test_broken_provider_is_skipped(monkeypatch, capsys, fails):
    session = onnxruntime.InferenceSession

    def on_the_cpu(graph, options, providers, enable_fallback):
        if providers[0][0] != PROVIDERS["cpu"] and fails == "raises" and enable_fallback == 0:
            raise RuntimeError("no device")
        return session(graph, options, providers=[PROVIDERS["cpu"]])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values()))
    monkeypatch.setattr(onnxruntime, "InferenceSession", on_the_cpu)
    graph = Graph("decoder", "portable", "float32", (packaged_bundle() / "decoder.onnx").read_bytes(), ())
    levels = len(onnxruntime.GraphOptimizationLevel.__members__)
    assert len(list(runs_of(graph, [*PROVIDERS]))) == levels
    assert list(runs_of(graph, ["tensorrt", "coreml"])) == []
    assert capsys.readouterr() == ("", "")


def test_graph_that_fails_on_the_cpu_raises():
    with pytest.raises(BundleError, match="No graph was found in the protobuf"):
        list(runs_of(Graph("decoder", "portable", "float32", b"\x08\x08", ())))


def test_an_elbo_may_move_by_its_own_noise_and_by_no_more(reference, source):
    model_elbos = reference.elbos

    def moved(by):
        """Compare with equal outputs and an ELBO of each image changed by ``by``."""
        expected = dataclasses.replace(reference.expected("decoder"), elbos=lambda _: model_elbos + by)
        graph = Graph("decoder", "portable", "float32", b"", ())
        return compare(graph, [run_of(source, "decoder")], expected, model_elbos, BUDGETS["float32"])

    rare = np.zeros(len(model_elbos))
    rare[3] = 0.4  # the last bit of one confidently wrong pixel
    assert rare.mean() > BUDGETS["float32"].elbo
    assert moved(rare).all_pass
    assert not moved(np.full(len(model_elbos), 0.002)).all_pass
    assert not moved(rare + 0.4).all_pass
