import dataclasses

import onnx
import pytest

from cvae_export import ExportConfig
from cvae_export import _build as build_module
from cvae_export._build import build
from cvae_export._config import PASSES
from cvae_export._reference import Reference
from cvae_export.passes import CPU, PORTABLE, ROWS
from cvae_runtime import InputError, ParityError

CPU_PASSES = ("BiasIntoConvolution", "DenseLayout", "OutputPhases", "StridedOutput")


@pytest.fixture
def speeds(monkeypatch):
    """A function that sets the speed of a graph by its operators."""

    def set_speed(speed):
        def ratio(graph, other, *_):
            mine, others = ({n.op_type for n in onnx.load_from_string(g.data).graph.node} for g in (graph, other))
            return speed(mine) / speed(others)

        monkeypatch.setattr(build_module, "speed_ratio", ratio)

    return set_speed


def built(reference, **config):
    comparisons, skipped = build(reference, ExportConfig(**config))
    return {c.graph.file: c for c in comparisons}, {r.file: r.reason for r in skipped}


def test_the_names_of_passes_are_those_of_the_pipelines():
    assert set(PASSES) == {type(rewrite).__name__ for rewrite in (*PORTABLE, *CPU, *ROWS)}


def test_a_faster_graph_for_the_cpu_is_kept_with_its_speed(reference, speeds):
    speeds(lambda operators: 1.5 if "Col2Im" in operators else 1.0)
    kept, skipped = built(reference)
    assert list(kept) == ["encoder.onnx", "decoder.onnx", "decoder_cpu.onnx"]
    decoder = kept["decoder_cpu.onnx"]
    assert (decoder.speed_ratio, decoder.graph.passes) == (1.5, CPU_PASSES)
    assert decoder.graph.target == "cpu"
    assert max(decoder.differences.values()) < 1e-5
    assert kept["decoder.onnx"].speed_ratio is None
    assert skipped == {"encoder_cpu.onnx": "it is the same graph as encoder.onnx"}


def test_slow_graph_is_skipped_without_keep_slow(reference):
    kept, skipped = built(reference)
    assert "decoder_cpu.onnx" not in kept
    assert skipped["decoder_cpu.onnx"] == "it is 1.00x as fast as decoder.onnx, less than 1.05x; --keep-slow writes it"
    kept, skipped = built(reference, keep_slow=True)
    assert kept["decoder_cpu.onnx"].speed_ratio == 1.0
    assert "decoder_cpu.onnx" not in skipped


def test_slow_passes_are_pruned(reference, monkeypatch):
    def without_strided(graph, other, *_):
        def speed(graph):
            operators = [node.op_type for node in onnx.load_from_string(graph.data).graph.node]
            # Phases, then a separate last layer after their interleaving.
            return 2.0 if "ConvTranspose" in operators and operators.count("Col2Im") == 2 else 1.0

        return speed(graph) / speed(other)

    monkeypatch.setattr(build_module, "speed_ratio", without_strided)
    lines = []
    comparisons, _ = build(reference, ExportConfig(keep_slow=True), lambda *step: lines.append(": ".join(step)))
    decoder = next(c.graph for c in comparisons if c.graph.file == "decoder_cpu.onnx")
    assert decoder.passes == ("BiasIntoConvolution", "DenseLayout", "OutputPhases")
    assert "decoder_cpu.onnx: faster without StridedOutput, which is left out" in lines


def test_passes_that_are_named_run_without_being_measured(reference):
    kept, _ = built(reference, passes=["OutputPhases"], keep_slow=True)
    assert kept["decoder_cpu.onnx"].graph.passes == ("OutputPhases",)
    assert kept["decoder.onnx"].graph.passes == ()


def test_the_portable_target_alone(reference):
    kept, skipped = built(reference, targets=("portable",))
    assert (list(kept), skipped) == (["encoder.onnx", "decoder.onnx"], {})


def test_cpu_graph_opset(reference):
    kept, _ = built(reference, opset=13, keep_slow=True)
    opsets = {
        file: onnx.load_from_string(comparison.graph.data).opset_import[0].version for file, comparison in kept.items()
    }
    assert opsets == {"encoder.onnx": 13, "decoder.onnx": 13, "decoder_cpu.onnx": 18}
    assert onnx.load_from_string(built(reference, opset=20, keep_slow=True)[0]["decoder_cpu.onnx"].graph.data).opset_import[0].version == 20  # fmt: skip


def test_a_cpu_graph_that_is_off_ends_the_export(reference, monkeypatch):
    from cvae_export.passes import _phases

    real = _phases.read_layer
    monkeypatch.setattr(
        _phases, "read_layer", lambda node: dataclasses.replace(real(node), weights=1.001 * real(node).weights)
    )
    with pytest.raises(ParityError, match=r"decoder_cpu.onnx +probs .*FAILS"):
        built(reference, keep_slow=True)


def test_float16_has_no_speed_without_a_gpu(reference):
    kept, _ = built(reference, precisions=("float32", "float16"))
    assert kept["decoder_fp16.onnx"].speed_ratio is None
    assert kept["decoder_fp16.onnx"].graph.target == "portable"
    assert abs(kept["encoder_fp16.onnx"].elbo_change) < 0.02


def test_int8_speed_and_elbo_limits(reference, speeds, monkeypatch):
    speeds(lambda operators: 4.0 if "QuantizeLinear" in operators else 2.0 if "Col2Im" in operators else 1.0)
    kept, skipped = built(reference, precisions=("int8",))
    assert kept["decoder_cpu_int8.onnx"].speed_ratio == 2.0
    assert kept["decoder_cpu_int8.onnx"].graph.passes[-2:] == ("Equalize", "Quantize")
    assert kept["encoder_cpu_int8.onnx"].speed_ratio == 4.0
    monkeypatch.setitem(build_module.BUDGETS, "int8", dataclasses.replace(build_module.BUDGETS["int8"], elbo=0.0))
    kept, skipped = built(reference, precisions=("int8",))
    assert "decoder_cpu_int8.onnx" not in kept
    change = skipped["decoder_cpu_int8.onnx"]
    assert change.startswith("it changes the test ELBO by ")
    assert change.endswith(" nats, more than 0")


def test_8_bits_need_images(source):
    source = dataclasses.replace(source, calibration_images=None)
    with pytest.raises(InputError) as caught:
        build(Reference(source), ExportConfig(precisions=("int8",)))
    message = (
        "precision int8: expected training images to measure ranges on, found none; "
        "pass the images that the model was trained on with --data, or leave out int8"
    )
    assert str(caught.value) == message


def test_8_bits_of_a_run_without_training_images_fail_before_any_comparison(source):
    def missing():
        raise InputError("set.npz: expected images, found nothing; name another file")

    source = dataclasses.replace(source, calibration_images=missing)
    steps = []
    with pytest.raises(InputError) as caught:
        build(Reference(source), ExportConfig(precisions=("int8",)), lambda *step: steps.append(step))
    assert steps == []
    assert str(caught.value) == (
        "set.npz: expected images, found nothing; name another file. Precision int8 needs the training images; "
        "pass the images that the model was trained on with --data, or leave out int8"
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"precisions": ("int4",)}, "precisions: expected any of float32, float16, int8; found int4"),
        ({"targets": ("gpu",)}, "targets: expected any of portable, cpu; found gpu"),
        ({"passes": ("Magic",)}, f"passes: expected any of {', '.join(PASSES)}; found Magic"),
    ],
)
def test_invalid_config_is_an_error(config, message):
    with pytest.raises(InputError) as caught:
        ExportConfig(**config)
    assert str(caught.value) == message
