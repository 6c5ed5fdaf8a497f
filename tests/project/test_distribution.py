"""Build and install: the contents of wheel and sdist, and a first picture in an empty environment."""

import json
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "runtime/cvae_runtime/page"  # exists after `make page`


def run(*command, **options):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist; the wheel is built from the sdist, so the sdist is complete."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


def test_wheel_contents(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        info = {name.split(".dist-info/")[1] for name in wheel.namelist() if ".dist-info/" in name}
    assert {name.split("/")[0] for name in names} == {"cvae_runtime", "cvae_train", "cvae_export"}
    assert {name for name in names if not name.endswith(".py")} == {
        "cvae_runtime/py.typed",
        "cvae_runtime/manifest.schema.json",
        *(
            f"cvae_runtime/bundles/mnist/{name}"
            for name in (
                *("encoder.onnx", "decoder.onnx", "decoder_cpu.onnx", "decoder_cpu_int8.onnx"),
                *("golden.json", "manifest.json"),
            )
        ),
        "cvae_train/py.typed",
        "cvae_train/mnist.xz",
        "cvae_train/mnist.md",
        "cvae_export/py.typed",
        *(path.relative_to(ROOT / "runtime").as_posix() for path in PAGE.rglob("*") if path.is_file()),
    }
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= info
    assert built[0].stat().st_size < 30e6  # of which 11 MB are the model and MNIST, 10 MB the page


def test_sdist_contents(built):
    with tarfile.open(built[1]) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "assets/mnist/weights.npz"} <= names
    assert "tests/project/test_distribution.py" in names
    assert {"runtime/js/package.json", "runtime/js/.npmrc", "runtime/js/src/browser.ts"} <= names
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {".venv", "runs", "demo", "dist", ".git", "node_modules"}


@pytest.fixture(scope="module")
def empty_environment(built, tmp_path_factory):
    """The scripts folder of a virtual environment with only cvae-toolkit[cpu] from the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    constraints = ROOT / "constraints.txt"
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--constraint", constraints, f"{built[0]}[cpu]")
    return binaries


def installed(binaries):
    packages = json.loads(run(binaries / "python", "-m", "pip", "list", "--format", "json"))
    return {package["name"].lower() for package in packages}


def test_runtime_installs_no_training_stack(empty_environment):
    names = installed(empty_environment)
    assert {"cvae-toolkit", "numpy", "pillow", "click", "onnxruntime"} <= names
    assert not names & {"tensorflow", "keras", "onnx", "tf2onnx", "matplotlib", "tqdm"}


def test_generate_works_after_installation(empty_environment, tmp_path):
    run(empty_environment / "cvae-generate", "-o", "digits.png", cwd=tmp_path)
    # Read with the environment's own Pillow: a picture of 16 digits, neither black nor white.
    code = (
        "from PIL import Image; import numpy; a = numpy.asarray(Image.open('digits.png')); print(a.shape, a.std() > 30)"
    )
    assert run(empty_environment / "python", "-c", code, cwd=tmp_path) == "(229, 229) True\n"


def test_verify_and_inspect_work_after_installation(empty_environment, tmp_path):
    table = run(empty_environment / "cvae-verify", cwd=tmp_path)
    assert ("decoder.onnx" in table, "FAILS" in table) == (True, False)
    text = run(empty_environment / "cvae-inspect", cwd=tmp_path)
    assert "  operators    Add, " in text


def test_doctor_works_after_installation(empty_environment, tmp_path):
    out = run(empty_environment / "cvae-doctor", cwd=tmp_path)
    assert "\ncpu           works, golden vectors differ" in out


def test_web_works_if_the_page_was_built(empty_environment, tmp_path):
    result = subprocess.run(
        [empty_environment / "cvae-web", "-q", "page.html"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    if (PAGE / "single.html").is_file():
        assert (result.returncode, result.stderr) == (0, "")
        assert b'data-file="ort.wasm"' in (tmp_path / "page.html").read_bytes()
    else:
        message = "found nothing; in a checkout of cvae-toolkit, with Node.js 20.19 or later, run: make page && pip install .\n"
        assert (result.returncode, result.stderr[-len(message) :]) == (1, message)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cvae-train", "Error: tensorflow is not installed; install it with: pip install 'cvae-toolkit[train]'\n"),
        ("cvae-export", "Error: tensorflow is not installed; install it with: pip install 'cvae-toolkit[export]'\n"),
    ],
)
def test_scripts_name_their_missing_extra(empty_environment, tmp_path, script, message):
    arguments = ["--run", "x"] if script == "cvae-train" else ["x", "--onnx", "y"]
    result = subprocess.run(
        [empty_environment / script, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (result.returncode, result.stderr) == (1, message)
    assert list(tmp_path.iterdir()) == []
