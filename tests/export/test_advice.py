"""Command lines that error messages advise work: each is taken from the message and run."""

import gzip
import re
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from cvae_export import _cli as export_cli
from cvae_runtime import read_bundle
from cvae_runtime._commands import generate as _cli_generate
from cvae_runtime._commands import verify as _cli_verify
from cvae_runtime._commands import web as _cli_web
from cvae_runtime._web import write as _web
from cvae_train import _cli as train_cli
from cvae_train import _cli_evaluate, load_data
from cvae_train._run.folder import RunFolder

COMMANDS = {
    "cvae-train": train_cli.command,
    "cvae-evaluate": _cli_evaluate.command,
    "cvae-export": export_cli.command,
    "cvae-verify": _cli_verify.command,
    "cvae-generate": _cli_generate.command,
    "cvae-web": _cli_web.command,
}


@pytest.fixture
def shell(whole_console):
    """A function that runs a command line: its exit code and stderr."""

    def shell(line):
        name, *arguments = shlex.split(line)
        code, _, err = whole_console(COMMANDS[name], name, *arguments)
        return code, err

    return shell


@pytest.fixture
def interrupted(tmp_path, shell, monkeypatch):
    """A run stopped by Ctrl-C after its first epoch, and what the command printed.

    The folder of its images has a space and a quote in its name.
    """
    rng = np.random.default_rng(0)
    pictures = tmp_path / "it's mine"
    pictures.mkdir()
    for number in range(12):
        Image.fromarray(rng.integers(0, 2, (9, 14, 3), np.uint8) * 255).save(pictures / f"{number}.png")
    (pictures / "bad.png").write_text("x")
    real = load_data

    def then_interrupted(*arguments, **settings):  # Ctrl-C after an epoch
        from cvae_train._loop.loop import Loop

        train_epoch = Loop.train_epoch
        monkeypatch.setattr(Loop, "train_epoch", lambda *rest: train_epoch(*rest) if rest[1] == 1 else interrupt())
        return real(*arguments, **settings)

    def interrupt():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cvae_train._prepare.load_data", then_interrupted)
        options = "--image-size 16x8 --channels 1 --test-fraction 0.25 --skip-bad"
        recipe = "--epochs 2 --batch-size 4 --latent-dim 2 --filters 3,5 --seed 9 --learning-rate 0.01 --binarize none"
        line = f"cvae-train {shlex.quote(str(pictures))} --run {shlex.quote(str(tmp_path / 'a run'))} {options} {recipe} -q"
        code, err = shell(line)
        assert code == 130
    monkeypatch.undo()
    return tmp_path / "a run", err


@pytest.fixture
def stopped(interrupted):
    """The run alone."""
    return interrupted[0]


def next_commands(err):
    """The command lines that a command ends with."""
    said, lines = err.rsplit("next:\n", 1)  # after "what to try next"
    assert all(line.startswith("  cvae-") for line in lines.splitlines())
    return said, lines.splitlines()


def test_ctrl_c_ends_with_the_line_that_goes_on_to_the_export(shell, interrupted):
    run, err = interrupted
    said, (resume,) = next_commands(err)
    assert said == f"\ninterrupted\n{run}: 1 of 2 epochs are complete\n"
    assert "it's mine" in shlex.split(resume)[1]
    code, err = shell(resume)
    said, lines = next_commands(err)
    assert (code, RunFolder(run).finished) == (0, True)
    assert said.splitlines()[-1].startswith(f"{run}: epoch 2, test ELBO ")
    evaluate, export = lines
    assert shlex.split(evaluate) == ["cvae-evaluate", str(run)]
    assert shlex.split(export) == ["cvae-export", str(run), "--onnx", f"{run}-bundle"]
    code, err = shell(f"{evaluate} --samples 2")
    assert (code, next_commands(err)[1]) == (0, [export])
    assert shell(export)[0] == 0


def test_next_commands_replace_the_files_of_an_earlier_time(shell, interrupted):
    _, (resume,) = next_commands(interrupted[1])
    for overwrite in (False, True):
        _, (evaluate, export) = next_commands(shell(resume)[1])
        assert ["--overwrite" in shlex.split(line) for line in (evaluate, export)] == [overwrite, overwrite]
        assert [shell(line)[0] for line in (f"{evaluate} --samples 2", export)] == [0, 0]


@pytest.mark.parametrize("command", ["cvae-evaluate --samples 2 {}", "cvae-export {} --onnx {}-bundle"])
def test_a_stopped_run_is_used_and_the_advised_line_finishes_it(shell, stopped, command, caplog):
    line = command.replace("{}", shlex.quote(str(stopped)), 1).replace("{}-bundle", shlex.quote(f"{stopped}-bundle"))
    caplog.clear()
    assert shell(line)[0] == 0
    (warning,) = [message for message in caplog.messages if ": stopped after " in message]
    said, advice = warning.split(" To finish the run, resume it with: ")
    assert said == f"{stopped}: stopped after epoch 1 of 2; these are the weights of epoch 1."
    assert shell(advice)[0] == 0
    assert RunFolder(stopped).finished
    caplog.clear()
    assert shell(f"{line} --overwrite")[0] == 0
    assert [message for message in caplog.messages if ": stopped after " in message] == []


def test_a_stopped_run_on_mnist_needs_no_data(trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "run")
    for name in ("weights.npz", "checkpoint.npz"):
        (run / name).unlink()
    text = (run / "config.json").read_text()
    (run / "config.json").write_text(re.sub(r'"source": "[^"]*"', '"source": "mnist"', text))
    from cvae_train import load_run

    with pytest.raises(ValueError, match="with: cvae-train --run ") as caught:
        load_run(run)
    assert str(caught.value).endswith(f"with: cvae-train --run {run} --config {run / 'config.json'} --resume")


def test_advised_line_exports_a_run(shell, trained, tmp_path):
    run = shutil.copytree(trained.path, tmp_path / "a run")
    line = f"cvae-generate {shlex.quote(str(run))} -n 1 -o {tmp_path / 'one.png'}"
    code, err = shell(line)
    said, advice = err.removesuffix("\n").split("; export it first: ")
    assert (code, said) == (
        5,
        f"Error: {run}: expected a bundle, a folder with manifest.json, found a run of cvae-train",
    )
    assert shell(f"{advice} -q") == (0, "")
    bundle = shlex.split(advice)[-1]
    assert read_bundle(bundle).manifest.training is not None
    assert shell(line.replace(shlex.quote(str(run)), shlex.quote(bundle))) == (0, "")


@pytest.mark.parametrize("command", ["cvae-evaluate {}", "cvae-export {} --onnx new"])
def test_advised_line_verifies_a_bundle(shell, trained, tmp_path, command):
    bundle = tmp_path / "a bundle"
    assert shell(f"cvae-export {trained.path} --onnx '{bundle}' -q") == (0, "")
    code, err = shell(command.replace("{}", f"'{bundle}'"))
    said, advice = err.removesuffix("\n").split("; name its run, or check the bundle with ")
    assert (code, said) == (1, f"Error: {bundle}: expected a run folder, found a bundle")
    assert advice == f"cvae-verify '{bundle}'"
    assert shell(f"{advice} -q") == (0, "")


@pytest.mark.parametrize("command", ["cvae-evaluate nowhere", "cvae-export nowhere --onnx new"])
def test_missing_run_is_an_error(shell, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = "Error: nowhere: expected a run folder, found nothing; cvae-train --run DIR makes one\n"
    assert shell(command) == (1, message)
    (tmp_path / "nowhere").write_text("")
    assert shell(command) == (1, message.replace("nothing", "a file"))
    (tmp_path / "nowhere").unlink()
    (tmp_path / "nowhere").mkdir()
    assert shell(command) == (1, message.replace("nothing", "a folder without config.json"))


def test_next_commands_of_an_export_work(shell, trained, tmp_path, monkeypatch):
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "assets" / "ort-wasm-simd-threaded-abc.wasm.gz").write_bytes(gzip.compress(b"wasm"))
    (page / "licenses.md").write_text("")
    (page / "single.html").write_text("<!--cvae:files-->")
    monkeypatch.setattr(_web, "PAGE", page)
    bundle, written = tmp_path / "it's mine", ("it's mine.png", "it's mine.html")
    line = f"cvae-export {trained.path} --onnx {shlex.quote(str(bundle))}"
    code, err = shell(line)
    said, lines = next_commands(err)
    assert (code, said.splitlines()[-1]) == (0, f"{bundle}: encoder.onnx, decoder.onnx")
    assert [line.split()[0] for line in lines] == ["cvae-verify", "cvae-generate", "cvae-web"]
    assert [shell(advice)[0] for advice in lines] == [0, 0, 0]
    assert all((tmp_path / name).is_file() for name in written)

    (page / "single.html").unlink()  # the page is not built
    _, err = shell(f"{line} --overwrite")
    assert "cvae-web" not in err
