"""Build and install: the contents of wheel and sdist, and a first picture in an empty environment."""

import email
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cvae_train import _tensorflow
from scripts import check_dist

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "runtime/cvae_runtime/page"  # exists after `make page`


def run(*command, **options):
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_wheel_contents(built):
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        info = {name.split(".dist-info/")[1] for name in wheel.namelist() if ".dist-info/" in name}
    assert {name.split("/")[0] for name in names} == {"cvae_runtime", "cvae_train", "cvae_export"}
    assert {name for name in names if not name.endswith(".py")} == {
        "cvae_runtime/py.typed",
        "cvae_runtime/manifest.schema.json",
        *(
            f"cvae_runtime/bundles/{bundle}/{name}"
            for bundle in ("mnist", "mnist-unlabelled")
            for name in (
                *("encoder.onnx", "decoder.onnx", "prior.onnx", "prior_density.onnx"),
                *("golden.json", "golden.safetensors", "manifest.json"),
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
    assert {"CITATION.cff", "Dockerfile", ".github/workflows/ci.yml", ".pre-commit-config.yaml"} <= names
    assert "tests/project/test_distribution.py" in names
    assert {"runtime/js/package.json", "runtime/js/.npmrc", "runtime/js/src/browser.ts"} <= names
    parts = {part for name in names for part in Path(name).parts}
    assert not parts & {".venv", "runs", "demo", "dist", ".git", "node_modules"}


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[0]) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(wheel.read(name))


def requirements(metadata, extra, python):
    """The requirements of an extra, and of the extras that it names, for a version of Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.0", "extra": extra}
    found = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    for requirement in [found for found in found if found.marker is None or found.marker.evaluate(environment)]:
        if requirement.name == metadata["Name"]:
            for inner in requirement.extras:
                yield from requirements(metadata, inner, python)
        else:
            yield requirement.name


@pytest.mark.parametrize("python", ["3.11", "3.13", "3.14", "3.20"])
def test_only_tensorflow_has_an_upper_bound_on_python(metadata, python):
    assert SpecifierSet(metadata["Requires-Python"]).contains(f"{python}.0")
    assert {"numpy", "pillow", "click", "onnxruntime"} == set(requirements(metadata, "cpu", python))
    newest = tuple(map(int, python.split("."))) <= _tensorflow._NEWEST_PYTHON
    for extra in ("train", "export"):
        assert ("tensorflow" in requirements(metadata, extra, python)) is newest
    assert "tf2onnx" in set(requirements(metadata, "export", python))


def test_pip_finds_the_runtime_for_python_3_14(built, tmp_path):
    # pip evaluates markers for the Python that runs it, so this tests Requires-Python and the wheels alone.
    report = tmp_path / "report.json"
    target = ["--python-version", "3.14", "--only-binary", ":all:", "--target", tmp_path / "none"]
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", "--report", report]
    run(*pip, *target, "--constraint", ROOT / "constraints.txt", f"{built[0]}[cpu]")
    names = {package["metadata"]["name"].lower() for package in json.loads(report.read_text())["install"]}
    assert {"cvae-toolkit", "numpy", "pillow", "click", "onnxruntime"} <= names


def test_classifiers(metadata):
    classifiers = set(metadata.get_all("Classifier"))
    minors = range(11, _tensorflow._NEWEST_PYTHON[1] + 1)  # those that the tests run on
    assert {f"Programming Language :: Python :: 3.{minor}" for minor in minors} == {
        name for name in classifiers if name.startswith("Programming Language :: Python :: 3.")
    }
    assert "Typing :: Typed" in classifiers
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("Project-URL") is None  # no address is known


@pytest.fixture(scope="module")
def packages(built, tmp_path_factory):
    """A folder as `make dist` leaves it; the npm package has the modules of src, and empty files for built ones."""
    folder = tmp_path_factory.mktemp("packages")
    for path in built:
        shutil.copy(path, folder)
    write_npm(folder, check_dist._npm_files())
    return folder


def write_npm(folder, names):
    version = check_dist.versions()["runtime/js/package.json"]
    with tarfile.open(folder / f"cvae-runtime-{version}.tgz", "w:gz") as archive:
        for name in sorted(names):
            archive.addfile(tarfile.TarInfo(f"package/{name}"), io.BytesIO())


def test_packages_of_a_release(packages, tmp_path):
    page = (
        [] if (PAGE / "single.html").is_file() else [name for name in check_dist._PAGE if not (PAGE / name).is_file()]
    )
    missing = [line for line in check_dist.differences(packages) if "/page/" not in line]
    assert missing == []
    assert len(check_dist.differences(packages)) == 2 * len(page)  # in the wheel and in the sdist
    folder = tmp_path / "dist"
    shutil.copytree(packages, folder)
    write_npm(folder, check_dist._npm_files() - {"dist/load.js"} | {"dist/stale.js"})
    (folder / "cvae_toolkit-0.0.9-py3-none-any.whl").touch()
    version = check_dist.versions()["pyproject.toml"]
    found = [line for line in check_dist.differences(folder, "v0.0.9") if "/page/" not in line]
    assert found == [
        f"tag: expected v{version}, found v0.0.9; change the version or the tag",
        *(
            [f"CHANGELOG.md: expected the heading [{version}], found none; move [Unreleased] below it"]
            if f"## [{version}]" not in (ROOT / "CHANGELOG.md").read_text()
            else []
        ),
        f"{folder}: expected no cvae_toolkit-0.0.9-py3-none-any.whl; run make dist",
        f"cvae-runtime-{version}.tgz: expected dist/load.js, found none; run make dist",
        f"cvae-runtime-{version}.tgz: expected no dist/stale.js; run make dist",
    ]


def test_npm_packs_the_modules():
    built = ROOT / "runtime/js/dist/node.js"
    if shutil.which("npm") is None or not built.is_file():
        pytest.skip("the JavaScript package is not built: make page")
    packed = json.loads(run("npm", "pack", "--json", "--dry-run", cwd=ROOT / "runtime/js"))
    files = {file["path"] for file in packed[0]["files"]}
    expected = check_dist._npm_files()
    # An earlier build may have left files of modules that no longer exist; `make dist` removes them.
    assert {name for name in expected ^ files if not name.startswith("dist/")} == set()
    assert {"dist/node.js", "dist/node.d.ts", "dist/browser.js"} <= files


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
    assert "  operators    " in text


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
