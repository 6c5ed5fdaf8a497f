"""Float32 graphs give the same outputs in every runtime that tests can install; docs/runtimes.md lists others."""

import dataclasses
import runpy
import sys

import numpy as np
import onnxruntime
import pytest

from cvae_export import export
from cvae_runtime import packaged_bundle, read_bundle
from cvae_runtime.bundle import parse_golden
from cvae_train import Dataset, train
from scripts.conformance import RUNTIMES, TOLERANCE, largest_difference


@pytest.fixture(scope="module")
def bundles(trained_grey, rgb_config, rgb_data, tmp_path_factory):
    """The packaged bundle, a tiny grey one, and a tiny colour one whose decoder has several outputs."""
    folder = tmp_path_factory.mktemp("conformance")
    data = Dataset(rgb_data.train, rgb_data.test)
    np.savez(folder / "set.npz", x_train=rgb_data.train, x_test=rgb_data.test)
    train(data, dataclasses.replace(rgb_config, epochs=1), folder / "run", quiet=True)
    colour = export(folder / "run", folder / "colour", data=folder / "set.npz")
    grey = export(trained_grey.path, folder / "grey")
    paths = {"packaged": packaged_bundle(), "grey": grey.path, "colour": colour.path}
    return {name: read_bundle(path) for name, path in paths.items()}


@pytest.mark.parametrize("runtime", ["onnxruntime", "onnx", "openvino"])
@pytest.mark.parametrize("name", ["packaged", "grey", "colour"])
def test_golden_vectors_come_out_of_every_runtime(bundles, name, runtime):
    bundle = bundles[name]
    cases = {case.file: case for case in parse_golden(bundle.files["golden.json"], "golden.json").cases}
    targets = ("portable",) if runtime == "openvino" else ("portable", "cpu")
    graphs = [graph for graph in bundle.manifest.graphs if graph.precision == "float32" and graph.target in targets]
    differences = {
        graph.file: largest_difference(RUNTIMES[runtime], bundle, graph, cases[graph.file]) for graph in graphs
    }
    assert {"encoder.onnx", "decoder.onnx"} <= set(differences)
    assert max(differences.values()) <= TOLERANCE, differences


def test_a_wrong_output_is_found_at_any_batch_size(bundles):
    bundle = bundles["grey"]
    (graph,) = [graph for graph in bundle.manifest.graphs if graph.file == "decoder.onnx"]
    (case,) = [c for c in parse_golden(bundle.files["golden.json"], "golden.json").cases if c.file == graph.file]

    def wrong(path, outputs):
        run = RUNTIMES["onnxruntime"](path, outputs)
        return lambda inputs: {name: a + (len(a) == 1) * np.float32(1e-2) for name, a in run(inputs).items()}

    assert largest_difference(wrong, bundle, graph, case) > 1e-2
    with pytest.raises(ValueError, match=r"^probs: expected the shape \(4, 8, 8, 1\), found \(4, 64\)$"):
        largest_difference(lambda *_: lambda _: {"probs": np.zeros((4, 64), np.float32)}, bundle, graph, case)


def test_command_prints_a_row_for_each_runtime(monkeypatch, capsys):
    def fails(path, outputs):
        raise RuntimeError(f"{path.name} | {outputs[0]}\nand more")

    monkeypatch.setitem(RUNTIMES, "tract", fails)
    monkeypatch.setattr(sys, "argv", ["conformance", "onnxruntime", "tract"])
    runpy.run_module("scripts.conformance", run_name="__main__")
    header, rule, right, wrong = capsys.readouterr().out.splitlines()
    assert (header, rule) == (
        "| runtime | version | encoder.onnx | decoder.onnx | prior.onnx | prior_density.onnx |",
        "|---|---|---|---|---|---|",
    )
    name, version, *differences = right.strip("| ").split(" | ")
    assert (name, version) == ("onnxruntime", onnxruntime.__version__)
    assert [float(difference) <= TOLERANCE for difference in differences] == [True] * 4
    assert wrong.startswith("| tract | ")
    firsts = ("encoder.onnx / mean", "decoder.onnx / probs", "prior.onnx / z", "prior_density.onnx / log_prob")
    assert wrong.endswith("".join(f" | **fails**: RuntimeError: {first}" for first in firsts) + " |")
