"""``cvae-export --also`` and ``--batch``: files for other programs, run here without the code that compared them."""

import dataclasses
import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

from cvae_export import ExportConfig, export
from cvae_export import _other_formats as other_formats
from cvae_runtime import InputError, ParityError, read_bundle
from cvae_runtime.bundle import parse_golden

BATCH = 5


@pytest.fixture(scope="module")
def bundle(trained, tmp_path_factory):
    """A bundle with graphs of all kinds, and every file for other programs."""
    config = ExportConfig(
        precisions=("float32", "int8"),
        extras=("reconstructor", "scorer", "sampler"),
        keep_slow=True,
        also=("ort", "tflite"),
        batch=BATCH,
    )
    folder = tmp_path_factory.mktemp("bundles") / "all"
    export(trained.path, folder, config, quiet=True)
    return read_bundle(folder)


@pytest.fixture(scope="module")
def golden(bundle):
    """The golden cases by the file of their graph."""
    cases = parse_golden(bundle.files["golden.json"], "golden.json").cases
    return {case.file: case for case in cases}


def of_kind(bundle, kind):
    return {info.file: info.from_ for info in bundle.manifest.files if info.kind == kind}


def rows(arrays, batch):
    return {name: np.resize(array, (batch, *array.shape[1:])) for name, array in arrays.items()}


def test_files_of_each_kind(bundle):
    assert of_kind(bundle, "onnx") == {
        "encoder_batch5.onnx": "encoder.onnx",
        "decoder_batch5.onnx": "decoder.onnx",
        "reconstructor_batch5.onnx": "reconstructor.onnx",
        "encoder_cpu_int8_batch5.onnx": "encoder_cpu_int8.onnx",
        "decoder_cpu_batch5.onnx": "decoder_cpu.onnx",
        "decoder_cpu_int8_batch5.onnx": "decoder_cpu_int8.onnx",
    }
    roles = ("encoder", "decoder", "reconstructor", "scorer", "sampler")
    assert of_kind(bundle, "ort") == {f"{role}.ort": f"{role}.onnx" for role in roles}
    assert of_kind(bundle, "ort-operators") == {"required_operators.config": "manifest.json"}
    assert of_kind(bundle, "tflite") == {f"{role}.tflite": f"{role}.onnx" for role in roles[:3]}
    assert not {graph.file for graph in bundle.manifest.graphs} & {info.file for info in bundle.manifest.files}


def test_graphs_of_a_fixed_batch_have_no_open_size(bundle, golden):
    for name, made_from in of_kind(bundle, "onnx").items():
        proto = onnx.load_from_string(bundle.files[name])
        onnx.checker.check_model(proto, full_check=True)
        values = [*proto.graph.input, *proto.graph.output, *proto.graph.value_info]
        sizes = [size for value in values for size in value.type.tensor_type.shape.dim]
        assert all(size.HasField("dim_value") for size in sizes)
        assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", ExportConfig().opset)]
        assert not {node.op_type for node in proto.graph.node} & {"Shape", "Gather"}
        metadata = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
        assert metadata["cvae.role"] == made_from.split(".")[0].split("_")[0]
        case = golden[made_from]
        session = onnxruntime.InferenceSession(bundle.files[name], providers=["CPUExecutionProvider"])
        found = dict(zip(case.outputs, session.run(list(case.outputs), rows(case.inputs, BATCH)), strict=True))
        for output, expected in rows(case.outputs, BATCH).items():
            np.testing.assert_allclose(found[output], expected, rtol=0, atol=case.atol)


def test_8_bits_stay_pairs_of_quantize_and_dequantize(bundle):
    operators = {
        node.op_type for node in onnx.load_from_string(bundle.files["decoder_cpu_int8_batch5.onnx"]).graph.node
    }
    before = {node.op_type for node in onnx.load_from_string(bundle.files["decoder_cpu_int8.onnx"]).graph.node}
    assert {"Col2Im", "DequantizeLinear"} <= before
    assert {"QuantizeLinear", "DequantizeLinear"} & before <= operators


def test_ort_files_have_the_graphs_outputs(bundle, golden):
    for name, made_from in of_kind(bundle, "ort").items():
        case = golden[made_from]
        session = onnxruntime.InferenceSession(bundle.files[name], providers=["CPUExecutionProvider"])
        for output, found in zip(case.outputs, session.run(list(case.outputs), case.inputs), strict=True):
            np.testing.assert_allclose(found, case.outputs[output], rtol=0, atol=case.atol)


def test_operators_for_a_small_build(bundle):
    lines = bundle.files["required_operators.config"].decode().splitlines()
    found = {name for line in lines for name in line.split(";")[2].split(",")}
    assert {"ConvTranspose", "Gemm", "Sigmoid"} <= found
    assert "#" not in "".join(lines)  # comments would name a temporary folder


def test_litert_files_have_the_graphs_outputs(bundle, golden):
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    for name, made_from in of_kind(bundle, "tflite").items():
        case = golden[made_from]
        runner = interpreter.Interpreter(model_content=bundle.files[name]).get_signature_runner()
        found = runner(**rows(case.inputs, BATCH))
        assert set(found) == set(case.outputs)
        for output, expected in rows(case.outputs, BATCH).items():
            np.testing.assert_allclose(found[output], expected, rtol=0, atol=case.atol)


def test_a_file_that_differs_is_an_error(trained, tmp_path, monkeypatch):
    run_ort = other_formats._run_ort

    def wrong(data):
        run = run_ort(data)
        return lambda inputs: {name: array + 0.5 for name, array in run(inputs).items()}

    monkeypatch.setattr(other_formats, "_run_ort", wrong)
    with pytest.raises(ParityError) as caught:
        export(trained.path, tmp_path / "bundle", ExportConfig(also=("ort",)), quiet=True)
    assert str(caught.value) == (
        "encoder.ort: mean differs from encoder.onnx by 5.0e-01, more than 1.0e-04; nothing was written; leave this "
        "file out"
    )
    assert not (tmp_path / "bundle").exists()


def test_litert_is_needed_before_the_export(cvae_export, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--also", "tflite")
    message = "Error: ai_edge_litert is not installed; install it with: pip install 'cvae-toolkit[tflite]'\n"
    assert (code, err) == (1, message)


def test_the_command_lists_the_files(cvae_export, trained, tmp_path):
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--also", "ort", "--batch", "2")
    assert code == 0
    files = "encoder.onnx, decoder.onnx, encoder_batch2.onnx, decoder_batch2.onnx, encoder.ort, decoder.ort"
    assert f"\n{tmp_path / 'bundle'}: {files}, required_operators.config\nnext:\n" in err


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"also": ("onnx",)}, "also: expected any of ort, tflite; found onnx"),
        ({"batch": 0}, "batch: expected 1 to 4096, found 0"),
    ],
)
def test_invalid_settings(fields, message):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(ExportConfig(), **fields)
    assert str(caught.value) == message
