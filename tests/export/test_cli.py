import pytest

from cvae_export._cli import command


@pytest.fixture
def cvae_export(console):
    """A function that runs the console script in this process: its exit code and stderr."""
    return lambda *arguments: console(command, "cvae-export", *arguments)


def test_prints_the_table_the_elbo_and_the_files(cvae_export, trained, tmp_path):
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle")
    lines = err.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines[:4]] == ["graph", "encoder.onnx", "encoder.onnx", "decoder.onnx"]
    assert lines[4].startswith(f"test ELBO {trained.history[-1].elbo:.2f} +- ")
    assert lines[4].endswith(" nats per image over 13 images")
    assert lines[5:] == [f"{tmp_path / 'bundle'}: encoder.onnx, decoder.onnx"]


def test_quiet_prints_nothing(cvae_export, trained, tmp_path):
    assert cvae_export(trained.path, "--onnx", tmp_path / "bundle", "-q") == (0, "")


def test_a_graph_beyond_its_tolerance_exits_3(cvae_export, trained, tmp_path):
    code, err = cvae_export(trained.path, "--onnx", tmp_path / "bundle", "--atol", "1e-12")
    assert code == 3
    assert err.startswith("Error: an exported graph differs from the trained model by more than its tolerance")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run",), "Error: Missing option '--onnx'."),
        (
            ("run", "--onnx", "x", "--opset", "12"),
            "Error: Invalid value for '--opset': 12 is not in the range 13<=x<=21.",
        ),
    ],
)
def test_usage_errors_exit_2(cvae_export, arguments, message):
    code, err = cvae_export(*arguments)
    assert (code, err.splitlines()[-1]) == (2, message)


def test_no_run_is_one_line(cvae_export, tmp_path):
    code, err = cvae_export(tmp_path, "--onnx", tmp_path / "bundle")
    assert code == 1
    assert err.startswith(f"Error: {tmp_path}: expected a run folder with its config.json: ")
    assert err.endswith("; cvae-train --run makes one\n")


def test_help_imports_neither_tensorflow_nor_onnx(fresh_python):
    code = (
        "import sys; sys.argv = ['cvae-export', '--help']\n"
        "from cvae_export._cli import main\n"
        "try: main()\n"
        "finally: assert not {'tensorflow', 'keras', 'onnx', 'onnxruntime', 'tf2onnx'} & set(sys.modules)"
    )
    result = fresh_python(code)
    assert result.returncode == 0, result.stderr
    assert "Export a finished run, or a pair of Keras models, as an ONNX bundle." in result.stdout
