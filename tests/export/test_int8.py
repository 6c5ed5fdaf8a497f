import dataclasses

import numpy as np
import onnx
import pytest

from cvae_export import _int8
from cvae_export._config import PASSES
from cvae_export._convert import convert, finish
from cvae_export._functions import FUNCTIONS, outputs_of
from cvae_export._int8 import NotQuantizable, to_int8
from cvae_export._reference import Reference
from cvae_export._source import source_of_run
from cvae_export._verify import run_onnx
from cvae_export.passes import CPU_OPSET
from cvae_train import Dataset, train
from tests.export.tiny_graphs import normal, operators, parse


@pytest.fixture(scope="module")
def reference(tiny_config, tiny_data, tiny_archive, tmp_path_factory):
    """A model with enough channels for 8-bit arithmetic."""
    config = dataclasses.replace(tiny_config, model=dataclasses.replace(tiny_config.model, filters=(8, 8)), epochs=10)
    data = Dataset(tiny_data.train, tiny_data.test, str(tiny_archive))
    result = train(data, config, tmp_path_factory.mktemp("runs") / "eight", quiet=True)
    return Reference(source_of_run(result.path))


def in_8_bits(reference, role, names=PASSES):
    proto = convert(FUNCTIONS[role](reference.source), CPU_OPSET)
    outputs = outputs_of(role, reference.source)
    return to_int8(
        proto, reference.expected(role), names, lambda graph: finish(graph, (), outputs, {"cvae.role": role})[0]
    )


@pytest.mark.parametrize(
    ("role", "passes"),
    [
        ("encoder", ("HoistTransposes", "ThresholdAsRelus", "ExplicitSplits", "DenseAsGemm", "Equalize", "Quantize")),
        (
            "decoder",
            (
                "BiasIntoConvolution",
                "DenseLayout",
                "DenseAsGemm",
                "OutputRows",
                "ProductOutput",
                "Equalize",
                "Quantize",
            ),
        ),
    ],
)
def test_a_trained_model_in_8_bits(reference, role, passes):
    data, applied = in_8_bits(reference, role)
    assert applied == passes
    expected = reference.expected(role)
    found = expected.run(run_onnx(data), 7)
    for name, array in expected.outputs.items():
        difference = np.abs(found[name] - array)
        assert difference.max() > 1e-6
        assert difference.mean() < 0.02 * np.abs(array).max()
    assert abs((expected.elbos(found) - reference.elbos).mean()) < 0.3


def test_rewrites_that_may_not_run_do_not(reference):
    data, applied = in_8_bits(reference, "encoder", names=["DenseAsGemm"])
    assert applied == ("DenseAsGemm", "Equalize", "Quantize")
    assert operators(onnx.load_from_string(data))[:4] == ["Cast", "GreaterOrEqual", "Cast", "Reshape"]


def test_ranges_with_the_highest_elbo_are_chosen(reference, monkeypatch):
    quantized = []
    quantize = _int8.quantize

    def recorded(model, ranges):
        quantized.append(ranges)
        quantize(model, ranges)

    monkeypatch.setattr(_int8, "quantize", recorded)
    largest = {}
    for sign in (1.0, -1.0):
        # A quality that prefers wide ranges, then one that prefers narrow ones.
        monkeypatch.setattr(
            _int8, "_elbo", lambda *_, sign=sign: sign * sum(found.high for found in quantized[-1].values())
        )
        in_8_bits(reference, "decoder")
        largest[sign] = {layer: found.high for layer, found in quantized[-1].items()}
        highs = {layer: {ranges[layer].high for ranges in quantized} for layer in quantized[-1]}
        assert largest[sign] == {layer: max(sign * high for high in found) * sign for layer, found in highs.items()}
        quantized.clear()
    assert all(largest[1.0][layer] > largest[-1.0][layer] for layer in largest[1.0])


@pytest.mark.parametrize("wanted", [(99.8, 99.8, 99.8), (100.0, 99.3, 99.9), (99.95, 100.0, 99.6)])
def test_best_percentile_for_each_activation(wanted):
    def quality(kept):
        return -sum(abs(percent - best) for percent, best in zip(kept, wanted, strict=True))

    assert tuple(_int8._best_percentiles(3, quality)) == wanted


def test_search_starts_with_equal_percentiles():
    asked = []

    def quality(kept):
        asked.append(tuple(kept))
        return 0.0

    assert _int8._best_percentiles(2, quality) == [99.3, 99.3]  # the first of equals
    assert asked[:6] == [(percent, percent) for percent in _int8._PERCENTILES]


def test_a_graph_without_a_layer_for_8_bits_is_refused(reference):
    text = "decoder (float[batch,3] z) => (float[batch,3] probs) { s = MatMul (z, w) probs = Sigmoid (s) }"
    with pytest.raises(NotQuantizable) as caught:
        to_int8(parse(text, w=normal(3, 3)), reference.expected("decoder"), PASSES, onnx.ModelProto.SerializeToString)
    assert str(caught.value) == "none of its layers can be computed in 8 bits"
