import json
import sys

import pytest

from cvae_export._cli import command
from cvae_runtime import read_bundle
from cvae_runtime._web import write as _web


def test_prints_the_table_the_elbo_and_the_files(cvae_export, trained, tmp_path):
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle")
    assert code == 0
    progress, result = err.split("graph ", maxsplit=1)
    assert progress.splitlines() == [
        "encoder.onnx: comparing with the model",
        "decoder.onnx: comparing with the model",
        "encoder_cpu.onnx: building",
        "decoder_cpu.onnx: building",
    ]
    lines = result.splitlines()[1:]
    assert [line.split()[:2] for line in lines[:3]] == [
        ["encoder.onnx", "mean"],
        ["encoder.onnx", "logvar"],
        ["decoder.onnx", "probs"],
    ]
    assert lines[3:5] == [
        "encoder_cpu.onnx is not written: it is the same graph as encoder.onnx",
        "decoder_cpu.onnx is not written: it is 1.00x as fast as decoder.onnx, less than 1.05x; --keep-slow writes it",
    ]
    assert lines[5].startswith(f"test ELBO {trained.history[-1].elbo:.2f} +- ")
    assert lines[5].endswith(" nats per image over 13 images")
    assert lines[6:8] == [f"{tmp_path / 'bundle'}: encoder.onnx, decoder.onnx", "next:"]


def test_command_line_options_reach_the_export(cvae_export, trained, tmp_path):
    arguments = ("--keep-slow", "--passes", "OutputPhases,SymmetricPads", "--precision", "float32,float16", "-q")
    assert cvae_export(trained.path, "--onnx", tmp_path / "bundle", *arguments) == (0, "")
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert {graph.file: graph.passes for graph in manifest.graphs} == {
        "encoder.onnx": (),
        "decoder.onnx": ("SymmetricPads",),
        "encoder_fp16.onnx": (),
        "decoder_cpu.onnx": ("OutputPhases",),
        "decoder_fp16.onnx": ("SymmetricPads",),
    }


def test_passes_none_is_the_graph_that_tf2onnx_makes(cvae_export, trained, tmp_path):
    assert cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--passes", "none", "-q") == (0, "")
    graphs = read_bundle(tmp_path / "bundle").manifest.graphs
    assert {graph.file: graph.passes for graph in graphs} == {"encoder.onnx": (), "decoder.onnx": ()}


def test_with_adds_graphs(cvae_export, trained, tmp_path):
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--with", "sampler, decoder_uint8")
    assert code == 0
    assert f"\n{tmp_path / 'bundle'}: encoder.onnx, decoder.onnx, sampler.onnx, decoder_uint8.onnx\nnext:\n" in err


def test_json_is_all_of_stdout(whole_console, trained, tmp_path):
    code, out, err = whole_console(command, "cvae-export", trained.path, "--onnx", tmp_path / "bundle", "--json")
    report = json.loads(out)
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert (code, err.splitlines()[-1]) == (0, "decoder_cpu.onnx: building")
    assert (report["bundle"], report["web"]) == (str(tmp_path / "bundle"), None)
    assert [(row["graph"], row["output"], row["agrees"]) for row in report["graphs"]] == [
        ("encoder.onnx", "mean", True),
        ("encoder.onnx", "logvar", True),
        ("decoder.onnx", "probs", True),
    ]
    assert [row["bytes"] for row in report["graphs"][1:]] == [graph.bytes for graph in manifest.graphs]
    assert [skipped["file"] for skipped in report["skipped"]] == ["encoder_cpu.onnx", "decoder_cpu.onnx"]
    assert report["elbo"] == {
        "mean": manifest.training.test_elbo,
        "stderr": manifest.training.test_elbo_stderr,
        "count": 13,
    }


def test_terminal_shows_a_bar(cvae_export, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle")
    assert code == 0
    assert "encoder.onnx: comparing with the model:   0%|" in err
    assert "decoder_cpu.onnx: building:  75%|" in err
    assert "| 3/4 [" in err


def test_stderr_has_only_lines_of_this_project(fresh_python, trained, tmp_path):
    result = fresh_python(
        "from cvae_export._cli import main; main()",
        *(trained.path, "--onnx", tmp_path / "bundle"),
        *("--with", "reconstructor,scorer,sampler,decoder_uint8,encoder_float"),
        *("--precision", "float32,int8,float16", "--keep-slow"),
    )
    assert (result.returncode, result.stdout) == (0, "")
    bundle = read_bundle(tmp_path / "bundle")
    starts = tuple(graph.file for graph in bundle.manifest.graphs)
    known = (*starts, "encoder_cpu.onnx", "graph  ", "test ELBO ", f"{bundle.path}: ", "next:", "  cvae-")
    assert [line for line in result.stderr.splitlines() if not line.startswith(known)] == []


def test_a_graph_beyond_its_tolerance_exits_3(cvae_export, trained, tmp_path):
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--atol", "1e-12")
    assert code == 3
    assert err.splitlines()[2].startswith(
        "Error: an exported graph differs from the trained model by more than its tolerance"
    )
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "Error: Missing option '--onnx'."),
        (
            ("my/e.keras",),
            "Error: my/e.keras: expected a run folder, found a Keras model; pass both models: cvae-export --encoder my/e.keras --decoder DECODER --onnx NAME",
        ),
        (
            ("my decoder.keras", "--onnx", "new"),
            "Error: my decoder.keras: expected a run folder, found a Keras model; pass both models: cvae-export --encoder ENCODER --decoder 'my decoder.keras' --onnx new",
        ),
        (
            ("run", "--onnx", "x", "--with", "scorer,critic"),
            "Error: Invalid value for '--with': 'critic': choose among reconstructor, scorer, sampler, decoder_uint8, encoder_float, separated by commas",
        ),
        (
            ("run", "--onnx", "x", "--opset", "12"),
            "Error: Invalid value for '--opset': 12 is not in the range 13<=x<=21.",
        ),
        (
            ("run", "--onnx", "x", "--precision", "float32,int4,bf16"),
            "Error: Invalid value for '--precision': 'int4', 'bf16': choose among float32, float16, int8, separated by commas",
        ),
    ],
)
def test_usage_errors_exit_2(cvae_export, arguments, message):
    code, err = cvae_export(*arguments)
    assert (code, err.splitlines()[-1]) == (2, message)


def test_web_writes_the_page(cvae_export, trained, tmp_path, monkeypatch):
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(_web, "PAGE", page)
    arguments = (trained.path, "--onnx", tmp_path / "bundle", "--web", tmp_path / "out", "-q")
    code, err = cvae_export(*arguments)
    assert code == 1
    assert err.startswith(f"Error: the web page: expected it in {page}, found nothing; ")
    assert not (tmp_path / "bundle").exists()  # fails before the export

    (page / "single.html").write_text("")
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--web", tmp_path / "bundle")
    message = f"Error: --onnx and --web: expected two different paths, found {tmp_path / 'bundle'} for both"
    assert (code, err.splitlines()[-1]) == (2, message)
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--web", page)
    found = "found another folder, which is not overwritten"
    assert (code, err) == (1, f"Error: {page}: expected a page of cvae-web, {found}; choose another name\n")
    assert not (tmp_path / "bundle").exists()

    assert cvae_export(*arguments) == (0, "")
    assert (tmp_path / "out" / "index.html").read_text() == "<!doctype html>"
    assert read_bundle(tmp_path / "out" / "bundle").sha256 == read_bundle(tmp_path / "bundle").sha256

    long = tmp_path / ("o" * 255)  # too long for the name of a temporary folder
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "kept", "--web", long, "-q")
    assert (code, err) == (1, f"Error: cannot write {long}: File name too long; check space and permissions\n")
    read_bundle(tmp_path / "kept")
