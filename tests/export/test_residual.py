import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

import cvae_runtime
from cvae_export import ExportConfig, export
from cvae_runtime import check_golden, read_bundle
from cvae_runtime._commands.inspect import describe, inspect_bundle
from cvae_train import Dataset, train

# Of ONNX's first opset, or in every runtime of docs/runtimes.md for the decoders of earlier bundles.
PLAIN = {
    *(
        "Abs",
        "Add",
        "Cast",
        "Conv",
        "ConvTranspose",
        "Div",
        "Exp",
        "Log",
        "MatMul",
        "Max",
        "Min",
        "Mul",
        "Neg",
        "Pad",
        "Relu",
    ),
    *("ReduceSum", "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split", "Sub", "Transpose"),
}


@pytest.fixture(scope="module", params=["grey", "colour"])
def trained(request, tiny_config, tiny_data, rgb_config, rgb_data, tmp_path_factory):
    """A finished residual run; images in colour have an odd height."""
    folder = tmp_path_factory.mktemp("residual")
    if request.param == "grey":
        config, data = tiny_config, tiny_data
    else:
        config, data = rgb_config, Dataset(rgb_data.train[:, :7], rgb_data.test[:, :7])
    np.savez(folder / "set.npz", x_train=data.train, x_test=data.test)
    shape = data.train.shape[1:]
    model = dataclasses.replace(config.model, image_shape=shape, filters=(8, 8), architecture="residual")
    config = dataclasses.replace(config, model=model, learning_rate=1e-3, epochs=5)
    return train(Dataset(data.train, data.test, str(folder / "set.npz")), config, folder / "run", quiet=True)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    config = ExportConfig(
        precisions=("float32", "float16", "int8"),
        extras=("reconstructor", "scorer", "sampler", "decoder_uint8", "encoder_float"),
        keep_slow=True,
        batch=3,
    )
    return export(trained.path, tmp_path_factory.mktemp("bundles") / "residual", config, quiet=True)


def test_the_manifest_names_the_architecture(exported):
    text = (exported.path / "manifest.json").read_text()
    assert json.loads(text)["model"]["architecture"] == "residual"
    assert exported.manifest.training.config["model"]["architecture"] == "residual"
    props = {p.key: p.value for p in onnx.load(exported.path / "decoder.onnx").metadata_props}
    assert (props["cvae.architecture"], props["cvae.filters"]) == ('"residual"', "[8, 8]")
    first, *_ = describe(inspect_bundle(read_bundle(exported.path))).splitlines()
    assert first.endswith(f", likelihood {exported.manifest.model.likelihood}, residual network")


def test_graphs_of_a_fixed_batch_have_the_opset_of_the_portable_ones(exported):
    bundle = read_bundle(exported.path)
    files = [info.file for info in bundle.manifest.files if info.kind == "onnx"]
    fixed = {file: onnx.load_from_string(bundle.files[file]) for file in files}
    assert {"decoder_cpu_batch3.onnx", "decoder_cpu_int8_batch3.onnx", "encoder_cpu_int8_batch3.onnx"} <= set(fixed)
    assert {proto.opset_import[0].version for proto in fixed.values()} == {ExportConfig().opset}


def test_another_process_writes_the_same_graphs(trained, exported, tmp_path):
    roles = ("scorer", "sampler", "decoder_uint8")
    command = [sys.executable, "-c", "from cvae_export._cli import main; main()", trained.path]
    command += ["--onnx", tmp_path / "bundle", "--with", ",".join(roles)]
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"  # of string hashes, which order sets
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
    for role in ("encoder", "decoder", *roles):
        file = f"{role}.onnx"
        assert (tmp_path / "bundle" / file).read_bytes() == (exported.path / file).read_bytes(), file


def test_graphs_have_plain_operators(exported):
    for role in ("encoder", "decoder"):
        operators = {node.op_type for node in onnx.load(exported.path / f"{role}.onnx").graph.node}
        assert operators <= PLAIN


def test_float16_and_8_bits_are_within_their_budget_or_skipped_with_the_reason(exported):
    files = {graph.file for graph in exported.manifest.graphs}
    assert {"encoder_fp16.onnx", "decoder_fp16.onnx"} <= files
    reasons = {skipped.file: skipped.reason for skipped in exported.skipped}
    for file in ("encoder_cpu_int8.onnx", "decoder_cpu_int8.onnx"):
        assert (file in files) != (file in reasons)
    assert all("changes the test ELBO" in reason for file, reason in reasons.items() if "int8" in file)


def test_slow_graphs_in_8_bits_are_skipped_before_their_ranges_are_chosen(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("cvae_export._int8._best_percentiles", None)  # a call would fail
    config = ExportConfig(precisions=("float32", "int8"))
    found = export(trained.path, tmp_path / "bundle", config, quiet=True)
    reasons = {skipped.file: skipped.reason for skipped in found.skipped}
    assert reasons["decoder_cpu_int8.onnx"] == (
        "it is 1.00x as fast as decoder.onnx, less than 1.3x; --keep-slow writes it"
    )


def test_the_runtime_gives_the_trained_models_numbers(exported, trained):
    assert all(result.agrees for result in check_golden(read_bundle(exported.path)))
    noise = np.random.default_rng(0).standard_normal((9, trained.config.model.latent_dim)).astype(np.float32)
    with cvae_runtime.load(exported.path) as model:
        np.testing.assert_allclose(model.decode(noise), trained.model.sample(noise), atol=1e-5)
