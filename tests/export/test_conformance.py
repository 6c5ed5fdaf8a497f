"""Float32 graphs give the same outputs in every runtime that tests can install; docs/runtimes.md lists others."""

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from cvae_export import ExportConfig, export
from cvae_runtime import packaged_bundle, read_bundle
from scripts import conformance
from scripts.conformance import RUNTIMES, TOLERANCE, compare, largest_difference
from scripts.conformance._reasons import reason
from scripts.conformance._runtimes import PACKAGES
from scripts.conformance._tools import item_by_item
from scripts.conformance.bundles import make_bundles

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def bundles(trained_grey, tmp_path_factory):
    """The packaged bundle, three colour ones, and a tiny grey one with a sampler, a scorer and all other files."""
    config = ExportConfig(extras=("sampler", "scorer", "encoder_float"), also=("ort", "tflite"))
    grey = export(trained_grey.path, tmp_path_factory.mktemp("conformance") / "grey", config)
    paths = {name: GOLDEN / name for name in ("mixture", "labelled", "detector")}
    return {name: read_bundle(path) for name, path in paths.items()} | {
        "packaged": read_bundle(packaged_bundle()),
        "grey": read_bundle(grey.path),
    }


def graphs_of(bundle, targets=("portable",)):
    return [graph for graph in bundle.manifest.graphs if graph.precision == "float32" and graph.target in targets]


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnx", "openvino"])
@pytest.mark.parametrize("name", ["packaged", "grey", "mixture", "labelled", "detector"])
def test_golden_vectors_come_out_of_every_runtime(bundles, name, runtime):
    bundle = bundles[name]
    targets = ("portable",) if runtime == "openvino" else ("portable", "cpu")
    differences = {
        graph.file: largest_difference(RUNTIMES[runtime], bundle, graph) for graph in graphs_of(bundle, targets)
    }
    extras = {"grey": {"sampler.onnx", "scorer.onnx"}, "detector": {"detector.onnx"}}.get(name, set())
    assert {"encoder.onnx", "decoder.onnx"} | extras <= set(differences)
    if (name, runtime) == ("grey", "openvino"):
        assert differences.pop("sampler.onnx") > 1e-2  # OpenVINO's integers have 32 bits, the generator's have 64
    assert max(differences.values()) <= TOLERANCE, differences


def test_golden_vectors_come_out_of_files_of_other_formats(bundles):
    bundle = bundles["grey"]
    graphs = graphs_of(bundle)
    assert [graph.role for graph in graphs] == ["encoder", "decoder", "sampler", "scorer", "encoder_float"]
    assert max(largest_difference(RUNTIMES["ort"], bundle, graph) for graph in graphs) <= TOLERANCE
    batched = [graph for graph in graphs if graph.role not in ("sampler", "scorer")]  # LiteRT has no others
    assert max(largest_difference(RUNTIMES["litert"], bundle, graph) for graph in batched) <= TOLERANCE


def test_a_scorer_runs_item_by_item(bundles):
    (scorer,) = [graph for graph in graphs_of(bundles["grey"]) if graph.role == "scorer"]

    def one_by_one(path, outputs):
        return item_by_item(RUNTIMES["onnxruntime"](path, outputs))

    assert largest_difference(one_by_one, bundles["grey"], scorer) <= TOLERANCE


def test_a_wrong_output_is_found_at_any_batch_size(bundles):
    bundle = bundles["grey"]
    (graph,) = [graph for graph in bundle.manifest.graphs if graph.file == "decoder.onnx"]

    def wrong(path, outputs):
        run = RUNTIMES["onnxruntime"](path, outputs)
        return lambda inputs: {name: a + (len(a) == 1) * np.float32(1e-2) for name, a in run(inputs).items()}

    assert largest_difference(wrong, bundle, graph) > 1e-2
    with pytest.raises(ValueError, match=r"^probs: expected the shape \(4, 8, 8, 1\), found \(4, 64\)$"):
        largest_difference(lambda *_: lambda _: {"probs": np.zeros((4, 64), np.float32)}, bundle, graph)


def test_alarms_that_differ_are_found(bundles):
    bundle = bundles["detector"]
    (graph,) = [graph for graph in bundle.manifest.graphs if graph.role == "detector"]

    def inverted(path, outputs):
        run = RUNTIMES["onnxruntime"](path, outputs)
        return lambda inputs: {name: ~a if name == "alarm" else a for name, a in run(inputs).items()}

    assert largest_difference(inverted, bundle, graph) == 1


def test_failures_have_short_reasons(bundles):
    bundle = bundles["packaged"]
    (graph,) = [graph for graph in bundle.manifest.graphs if graph.role == "decoder"]
    assert compare("onnxruntime", bundle, graph) <= TOLERANCE
    for name, option in (("ort", "ort"), ("litert", "tflite")):
        with pytest.raises(RuntimeError) as failure:
            compare(name, bundle, graph)
        assert str(failure.value) == f"the bundle has no such file; `cvae-export --also {option}` writes it"
    assert (
        reason("jaxonnxruntime", "NotImplementedError: ConvTranspose is not implemented.") == "it has no ConvTranspose"
    )
    assert reason("tract", "ValueError: one | two\nand more") == "ValueError: one / two"


def test_a_crash_is_a_failure(bundles):
    class Crash:
        def __reduce__(self):
            return os._exit, (1,)

    (graph,) = [graph for graph in bundles["packaged"].manifest.graphs if graph.role == "decoder"]
    with pytest.raises(RuntimeError, match=r"^LiteRT crashes on the converted file$"):
        compare("onnx2tf", Crash(), graph)


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["conformance", *map(str, arguments)])
    runpy.run_module("scripts.conformance", run_name="__main__")
    return capsys.readouterr()


def test_command_prints_a_row_for_each_runtime(monkeypatch, capsys):
    monkeypatch.setitem(PACKAGES, "tract", "no-such-package")
    printed = command(monkeypatch, capsys, "onnxruntime", "tract", "litert")
    header, rule, right, wrong = printed.out.splitlines()
    assert (header, rule) == (
        "| runtime | version | encoder | decoder | prior | prior_density | reason |",
        "|---|---|---|---|---|---|---|",
    )
    name, version, *differences, found = [cell.strip() for cell in right.strip("|").split("|")]
    assert (name, version, found) == ("onnxruntime", onnxruntime.__version__, "")
    assert [float(difference) <= TOLERANCE for difference in differences] == [True] * 4
    assert wrong.startswith("| LiteRT, files of `--also tflite` | ")
    fails = " | **fails**" * 4
    assert wrong.endswith(f"{fails} | the bundle has no such file; `cvae-export --also tflite` writes it |")
    assert printed.err.splitlines()[0] == "tract is not installed"


def test_command_writes_rows_into_the_table_of_a_document(bundles, monkeypatch, capsys, tmp_path):
    document = tmp_path / "runtimes.md"
    arguments = ("onnxruntime", "--markdown", document, "--bundle", bundles["mixture"].path, bundles["grey"].path)
    document.write_text("# Title\n\n| runtime | version |\n|---|---|\n| MNN | 1 |\n\nEnd\n")
    table = command(monkeypatch, capsys, *arguments).out
    titles = "mixture encoder | mixture decoder | grey encoder | grey decoder | grey sampler | grey scorer"
    assert table.startswith(f"| runtime | version | {titles} | reason |\n")
    assert document.read_text() == f"# Title\n\n{table}\nEnd\n"
    head, row = table.rsplit("\n", 2)[0], table.splitlines()[-1]
    old, later = row.replace(onnxruntime.__version__, "1.0"), f"| MNN | 1 |{' 0.0e+00 |' * 6}  |"
    unknown = later.replace("MNN", "wonnx")
    document.write_text(f"{head}\n{unknown}\n{later}\n{old}\n")
    command(monkeypatch, capsys, *arguments)
    assert document.read_text() == f"{head}\n{old}\n{row}\n{later}\n{unknown}\n"


def test_command_needs_a_table_in_the_document(monkeypatch, capsys, tmp_path):
    document = tmp_path / "empty.md"
    document.write_text("# Title\n")
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, capsys, "onnxruntime", "--markdown", document)
    assert stop.value.code == 2
    message = f"error: {document}: expected a table with the header | runtime |, found none; add one\n"
    assert capsys.readouterr().err.endswith(message)


def test_a_runtime_without_uint8_has_the_encoder_of_float_pixels(bundles, monkeypatch, capsys):
    for runtime in ("ncnn", "tract"):
        monkeypatch.setitem(PACKAGES, runtime, "onnxruntime")
    compared = []
    monkeypatch.setattr(conformance, "compare", lambda name, _, graph: compared.append((name, graph.file)) or 0.0)
    command(monkeypatch, capsys, "ncnn", "tract", "--bundle", bundles["grey"].path)
    others = ("decoder.onnx", "sampler.onnx", "scorer.onnx")
    assert compared == [
        *(("ncnn", file) for file in ("encoder_float.onnx", *others)),
        *(("tract", file) for file in ("encoder.onnx", *others)),
    ]


@pytest.mark.slow
def test_bundles_of_the_table(tmp_path):
    make_bundles(tmp_path / "bundles")
    roles = ["encoder", "decoder", "encoder_float"]
    found = {path.name: read_bundle(path) for path in (tmp_path / "bundles").iterdir()}
    assert {name: [graph.role for graph in bundle.manifest.graphs] for name, bundle in found.items()} == {
        "Bernoulli": roles,
        "colour": roles,
        "labelled": ["encoder", "decoder", "prior", "prior_density", "encoder_float"],
    }
    for bundle in found.values():
        for runtime in ("onnxruntime", "ort", "litert"):
            assert max(largest_difference(RUNTIMES[runtime], bundle, g) for g in bundle.manifest.graphs) <= TOLERANCE


def test_command_rejects_unknown_runtimes(monkeypatch, capsys):
    with pytest.raises(SystemExit) as stop:
        command(monkeypatch, capsys, "onnxruntime", "torch")
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith("error: unknown runtimes: torch\n")
