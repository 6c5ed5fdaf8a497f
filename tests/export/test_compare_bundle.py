"""``cvae-export RUN --verify BUNDLE`` and `compare_bundle`."""

import dataclasses
import json
import shutil

import numpy as np
import onnx
import pytest

from cvae_export import compare_bundle, export
from cvae_export._cli import command
from cvae_runtime import check_golden, read_bundle
from cvae_runtime.bundle import parse_golden
from cvae_runtime.sessions import open_session
from cvae_train import Dataset, train
from tests.bundle_files import replace_file


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return export(trained.path, tmp_path_factory.mktemp("bundles") / "tiny", quiet=True).path


@pytest.fixture
def bundle(exported, tmp_path):
    """A copy of the bundle that a test may change."""
    return shutil.copytree(exported, tmp_path / "bundle")


@pytest.fixture
def cvae_export(whole_console):
    """A function that runs the console script in this process: exit code, stdout, stderr."""
    return lambda *arguments: whole_console(command, "cvae-export", *arguments)


def test_every_graph_is_compared(cvae_export, bundle, trained):
    code, out, err = cvae_export(trained.path, "--verify", bundle)
    lines = err.splitlines()
    assert (code, out) == (0, "")
    assert lines[:2] == ["encoder.onnx: comparing with the model", "decoder.onnx: comparing with the model"]
    assert [line.split()[:2] for line in lines[3:]] == [
        ["encoder.onnx", "mean"],
        ["encoder.onnx", "logvar"],
        ["decoder.onnx", "probs"],
    ]
    code, out, err = cvae_export(trained.path, "--verify", bundle, "--json", "-q")
    report = json.loads(out)
    assert (code, err, report["bundle"], report["agrees"]) == (0, "", str(bundle), True)
    row = report["graphs"][2]
    assert (row["graph"], row["output"], row["agrees"]) == ("decoder.onnx", "probs", True)
    assert row["difference"] < row["tolerance"] == pytest.approx(1e-5)
    assert abs(row["elbo_change"]) < row["elbo_tolerance"] == pytest.approx(1e-3, abs=1e-4)


def test_a_wrong_graph_whose_golden_vectors_agree_exits_3(cvae_export, bundle, trained):
    proto = onnx.load(bundle / "decoder.onnx")
    weights = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.float32(1.01), weights.name))
    replace_file(bundle, "decoder.onnx", proto.SerializeToString())
    golden = parse_golden((bundle / "golden.json").read_bytes(), "golden.json")
    (probs,) = open_session(proto.SerializeToString()).run(["probs"], golden.cases[1].inputs)
    decoder = dataclasses.replace(golden.cases[1], outputs={"probs": probs})
    golden = dataclasses.replace(golden, cases=(golden.cases[0], decoder))
    replace_file(bundle, "golden.json", golden.to_json().encode())
    assert all(result.agrees for result in check_golden(read_bundle(bundle)))

    code, out, err = cvae_export(trained.path, "--verify", bundle)
    *lines, message = err.splitlines()
    assert (code, out) == (3, "")
    assert message == (
        f"Error: {bundle}: expected the outputs of {trained.path}, found differences in decoder.onnx; "
        f"pass the run that was exported, or use another version of ONNX Runtime"
    )
    assert [line.split()[0] for line in lines if line.endswith("  FAILS")] == ["decoder.onnx"]
    assert [comparison.all_pass for comparison in compare_bundle(trained.path, bundle, quiet=True)] == [True, False]


def test_another_models_run_is_refused_with_what_differs(
    cvae_export, bundle, replaced, tiny_data, tiny_archive, tmp_path
):
    grey = replaced(epochs=1, binarize="none")
    other = train(
        Dataset(tiny_data.train, tiny_data.test),
        dataclasses.replace(grey, model=dataclasses.replace(grey.model, latent_dim=5)),
        tmp_path / "run",
        quiet=True,
    )
    code, _, err = cvae_export(other.path, "--verify", bundle, "--data", tiny_archive)
    assert (code, err) == (
        1,
        (
            f"Error: {other.path}: expected the model of {bundle}, which has latent_dim {grey.model.latent_dim}, "
            f"binarize_at 128; found latent_dim 5, binarize_at None; pass the run that was exported\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("run", "--onnx", "new", "--overwrite"), "--onnx, --overwrite"),
        ((), "no RUN"),
        (("--encoder", "a.keras"), "--encoder"),
    ],
)
def test_verify_takes_a_run_and_its_data(cvae_export, arguments, found):
    code, _, err = cvae_export(*arguments, "--verify", "bundle")
    message = f"Error: --verify: expected RUN and at most --data, --checkpoint and --json, found {found}"
    assert (code, err.splitlines()[-1]) == (2, message)
